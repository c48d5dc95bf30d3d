"""sluicectl upgrade: another binary goes on, and no client notices."""

import os
import re
import signal
import socket
import threading

from sluice_test import (check, children, equal, expect_end, family, fetch,
                         free_address, is_alive, listener, main, need_root,
                         plugin, receive_line, scratch, test_plugin, title,
                         wait_until)
from harness.tls import client_context, tls_connect, tls_listener
from harness.tracer import hold_at_its_end, let_go, seize
from harness.upgrade import (accept_no_more, binary, daemon, echoes, newer,
                             old_workers_end, program, replace, row, run,
                             trial_format, upgraded)


class Load:
    """Clients that come, talk and leave, and note each failure."""

    def __init__(self, address, threads=4):
        host, _, port = address.rpartition(":")
        self.where = host, int(port)
        self.served, self.failed, self.over = 0, [], False
        self.threads = [threading.Thread(target=self.run)
                        for _ in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over:
            try:
                s = socket.create_connection(self.where, 20)
                for _ in range(3):
                    s.sendall(b"hello")
                    got = b""
                    while len(got) < 5:
                        part = s.recv(5 - len(got))
                        check(part, "cut")
                        got += part
                s.close()
                self.served += 1
            except Exception as error:      # each is a finding
                self.failed.append(repr(error))

    def wait_more(self, count):
        target = self.served + count
        wait_until(lambda: self.served >= target or self.failed, "load")

    def end(self):
        self.over = True
        for thread in self.threads:
            thread.join()
        equal(self.failed, [])


def test_no_client_notices():
    with daemon(listener("echo", plugin("echo"), free_address()),
                workers=2) as d:
        quiet = [d.connect() for _ in range(8)]
        for s in quiet:
            echoes(s)
        load = Load(d.addresses("echo")[0])
        load.wait_more(50)
        old, before = d.workers(), row(d)["counts"]["accepted"]
        replace(newer())
        said = run(d, "upgrade")
        check("generation 2 ready: 1 listener, 2 workers" in said, said)
        accept_no_more(d)
        load.wait_more(50)
        check(d.log_lines("executing .*, sluiced 9.9.9, in the place of "
                          "sluiced 0.1.0"))
        check(d.log_lines("takes over from sluiced 0.1.0"))
        check(not set(old) & set(d.workers()))
        check(row(d)["counts"]["accepted"] > before)
        for s in quiet:
            echoes(s)
        load.end()
        check(all(is_alive(pid) for pid in old))
        for s in quiet:
            s.close()
        old_workers_end(d, old)


def test_what_cannot_take_over():
    """Nothing has changed, and the answer says why."""
    with daemon(listener("echo", plugin("echo"), free_address())) as d:
        s, old = d.connect(), d.workers()
        for content, mode, words in (
                (b"This is a text.\n", 0o755, "Exec format error"),
                (newer(), 0o644, "Permission denied"),
                (b"", 0o755, "Exec format error"),
                (newer()[:100000], 0o755, "upgrade refused"),
                (b"#!/bin/sh\n", 0o755, "it is a script"),
                (program(""), 0o755, "it is not a sluiced"),
                (program('fputs("trouble\\n", stderr); return 1'), 0o755,
                 "trouble"),
                (program("raise(SIGSEGV)"), 0o755, "it is not a sluiced"),
                (program('puts("sluiced takes over format 99: sluiced 9")'),
                 0o755, "format 99, and 0.1.0 hands over format"),
                (program('puts("%s: sluiced 9")' % trial_format()), 0o755,
                 "sluiced 9: it ended without an answer"),
                (program('for (int i = 0; i < 9999; i++) puts("ready\\a")'),
                 0o755, "it is not a sluiced")):
            replace(content, mode)
            said = run(d, "upgrade", status=1)
            check(words in said and "nothing has changed" in said, said)
            echoes(s)
        os.unlink(binary())
        check("No such file" in run(d, "upgrade", status=1))
        echoes(s)
        equal(d.workers(), old)
        equal(title(d.pid), "sluiced: master " + d.config)
        upgraded(d)
        echoes(s)
        echoes(d.connect())


def test_a_binary_that_others_can_write():
    """Root does not execute it: who can write it could become root."""
    need_root()
    with daemon(listener("echo", plugin("echo"), free_address())) as d:
        old = d.workers()
        for mode, who in ((0o757, "everybody"), (0o775, "its group")):
            replace(newer(), mode)
            said = run(d, "upgrade", status=1)
            check("%s: cannot be trusted: the file %s can be written to by %s"
                  % (binary(), binary(), who) in said, said)
        replace(newer())
        os.chown(binary(), 12345, 0)
        check("belongs to user 12345" in run(d, "upgrade", status=1))
        replace(newer())
        os.chmod(os.path.dirname(binary()), 0o777)
        check("cannot be trusted: the directory"
              in run(d, "upgrade", status=1))
        equal(d.workers(), old)
        os.chmod(os.path.dirname(binary()), 0o755)
        upgraded(d)


def test_a_stop_ends_a_trial_with_its_children():
    """Here with a probe in which a constructor hangs."""
    with daemon(listener("echo", plugin("echo"), free_address()),
                drain_timeout="60s") as d:
        s = d.connect()
        echoes(s)
        d.write(d.text().replace(plugin("echo"), test_plugin("hang")))
        replace(newer())
        asking = d.control_client()
        asking.sendall(b'{"command": "upgrade"}\n')

        def probes():
            return [pid for pid in family(d)
                    if title(pid) == "sluiced: probe"]
        wait_until(probes, "a probe")
        d.signal(signal.SIGTERM)
        check(b"sluiced is stopping" in asking.recv(65536))
        wait_until(lambda: not probes(), "it to end")
        check(not [pid for pid in family(d)
                   if title(pid).startswith("sluiced: check")])
        echoes(s)                   # while others drain
        s.close()
        d.wait_exit(0)
        d.process = None


def test_a_wrong_configuration_is_found_before():
    with daemon(listener("echo", plugin("echo"), free_address())) as d:
        d.write(d.text().replace("echo.so", "ecko.so"))
        replace(newer())
        said = run(d, "upgrade", status=1)
        check("ecko.so" in said and "NOT valid: 1 error" in said, said)
        d.write_config()
        upgraded(d)
        echoes(d.connect())


def test_again_while_old_ones_drain():
    with daemon(listener("echo", plugin("echo"), free_address()),
                listener("u", plugin("echo")), start=False) as d:
        path = d.path("socket")
        d.listener("u")["listen"] = "unix:" + path
        d.write_config()
        d.start()
        clients, olds = [], []
        inode = os.stat(path).st_ino
        for generation in range(2, 5):
            clients += [d.connect("echo"), d.connect("u")]
            for s in clients:
                echoes(s)
            olds += d.workers()
            upgraded(d, generation)
        for s in clients + [d.connect("echo"), d.connect("u")]:
            echoes(s)
        equal(os.stat(path).st_ino, inode)
        check(all(is_alive(pid) for pid in olds))
        equal(sorted(one["pid"] for one in d.ask("status")["old_workers"]),
              sorted(olds))
        equal(row(d)["counts"]["accepted"], 4)
        since = d.mark()
        os.kill(olds[0], signal.SIGSEGV)
        d.wait_log("of the program before this one was killed by SIGSEGV",
                   since)
        for s in clients[2:]:
            echoes(s)
        for s in clients:
            s.close()
        old_workers_end(d, olds)
        check(not d.log_lines("could not|cannot", since))


def test_status_shows_the_old_workers():
    with daemon(listener("echo", plugin("echo"), free_address()),
                upgrade_drain="10m") as d:
        old = d.workers()
        clients = [d.connect() for _ in range(3)]
        for s in clients:
            echoes(s)
        upgraded(d)
        clients.pop().close()       # that is not seen any more
        shown, = d.ask("status")["old_workers"]
        left = shown.pop("left_ms")
        equal(shown, {"worker": 1, "pid": old[0], "state": "draining",
                      "connections_at_upgrade": 3})
        check(0 < left <= 600000, left)
        said = run(d, "status")
        check("conns and kill do not reach these" in said, said)
        for words in (("conns",), ("kill", "--listener", "echo")):
            said_too = run(d, *words)
            check("without those of 1 worker of the program before"
                  in said_too, said_too)
        check(re.search(r"1 +%d +draining +3 +\d+ s" % old[0], said), said)


def test_one_that_has_crashed_goes_over():
    """It is held at its end, as by a large core dump."""
    with daemon(listener("room", test_plugin("crasher"), free_address(),
                         options={"at": "end", "how": "segv"})) as d:
        dying = d.workers()[0]
        seize(dying)
        d.connect("room").shutdown(1)
        hold_at_its_end(dying)
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        s = d.connect("room")       # the next one serves
        wait_until(lambda: row(d, "room")["connections"] == 1, "it")
        since, served = d.mark(), d.workers()[0]
        upgraded(d)
        d.wait_log("workers that serve on: 1", since)
        equal({one["pid"]: one["state"]
               for one in d.ask("status")["old_workers"]},
              {dying: "dying", served: "draining"})
        s.close()
        let_go(dying)
        d.wait_log("process %d of the program before this one, which had "
                   "crashed, is gone: it was killed by SIGSEGV" % dying, since)
        wait_until(lambda: not d.ask("status")["old_workers"], "their end")


def test_a_stop_does_not_wait_for_one_that_has_crashed():
    with daemon(listener("room", test_plugin("crasher"), free_address(),
                         options={"at": "end", "how": "segv"})) as d:
        dying = d.workers()[0]
        seize(dying)
        d.connect("room").shutdown(1)
        hold_at_its_end(dying)
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        upgraded(d)
        d.signal(signal.SIGTERM)
        d.wait_log(": stopped")
        let_go(dying)
        d.wait_exit(0)
        d.process = None


def test_they_end_with_upgrade_drain():
    with daemon(listener("echo", plugin("echo"), free_address()),
                upgrade_drain="0.5s", drain_timeout="60s") as d:
        s, old = d.connect(), d.workers()
        echoes(s)
        upgraded(d)
        expect_end(s)
        old_workers_end(d, old)
        d.wait_log("still open after upgrade_drain: 1")


def test_it_is_the_upgrade_drain_that_was_in_force():
    """Old workers know no other; the new one holds for the next upgrade."""
    with daemon(listener("echo", plugin("echo"), free_address()),
                upgrade_drain="1h") as d:
        s = d.connect()
        echoes(s)
        d.settings["upgrade_drain"] = "100ms"
        d.write_config()
        upgraded(d)
        shown, = d.ask("status")["old_workers"]
        check(shown["left_ms"] > 3000000, shown)
        d.reload_ready()
        shown, = d.ask("status")["old_workers"]
        check(shown["left_ms"] > 3000000, shown)
        echoes(s)
        s.close()


def test_a_stop_after_it_is_polite():
    """drain_timeout holds for connections that had upgrade_drain before."""
    with daemon(listener("echo", plugin("echo"), free_address()),
                drain_timeout="100ms", upgrade_drain="1h") as d:
        s, old = d.connect(), d.workers()
        echoes(s)
        upgraded(d)
        d.signal(signal.SIGTERM)
        d.wait_log("still open after drain_timeout: 1")
        expect_end(s)
        old_workers_end(d, old)
        d.wait_exit(0)
        d.process = None


def test_a_stop_waits_for_them():
    for number in (signal.SIGTERM, signal.SIGQUIT):
        with daemon(listener("echo", plugin("echo"), free_address()),
                    drain_timeout="1s") as d:
            s = d.connect()
            echoes(s)
            upgraded(d)
            echoes(s)
            d.stop(close_clients=False, number=number)
            d.process = None


def test_they_end_with_the_master():
    with daemon(listener("echo", plugin("echo"), free_address()),
                drain_timeout="1s", upgrade_drain="1s") as d:
        s, old = d.connect(), d.workers()
        echoes(s)
        upgraded(d)
        everyone = old + d.workers()
        d.signal(signal.SIGKILL)
        equal(d.process.wait(), -signal.SIGKILL)
        s.close()
        old_workers_end(d, everyone)
        d.reader.join(15)
        d.process = None


def test_drained_stays_drained():
    with daemon(listener("echo", plugin("echo"), free_address()),
                listener("other", plugin("echo"))) as d:
        address = d.addresses("echo")[0]
        run(d, "drain", "echo")
        upgraded(d, 3)
        check(d.refuses(address))
        check(row(d)["drained"])
        run(d, "undrain", "echo")
        echoes(d.connect("other"))
        echoes(d.connect(address=address))


def test_clients_that_wait_are_served():
    """By the workers of the new program, also if there are fewer of them."""
    with daemon(listener("echo", plugin("echo"), free_address()),
                workers=3) as d:
        old = d.workers()
        for pid in old:
            os.kill(pid, signal.SIGSTOP)
        clients = [d.connect() for _ in range(30)]
        d.settings["workers"] = 1
        d.write_config()
        upgraded(d, settles=False)
        for s in clients:
            echoes(s)
        for pid in old:
            os.kill(pid, signal.SIGCONT)
        old_workers_end(d, old)
        d.baseline = {}         # one worker has the sockets of three


def test_one_worker():
    """A plugin that one worker serves: clients wait until the old one stops."""
    with daemon(listener("chat", plugin("chat"), free_address()),
                workers=2) as d:
        s = d.connect()
        receive_line(s), receive_line(s)
        upgraded(d)
        other = d.connect()
        receive_line(other), receive_line(other)


def test_ids_never_repeat():
    with daemon(listener("c", test_plugin("command"), free_address())) as d:
        def ids():
            s = d.connect()
            s.sendall(b"say x\n")
            receive_line(s)
            return {one["id"] for one in d.ask("conns")["conns"]}
        first = ids()
        upgraded(d)
        check(max(first) < min(ids()))


def test_sessions_go_on():
    with daemon(tls_listener("c", test_plugin("command"))) as d:
        def visit(session=None):
            p = tls_connect(d, "c", context, "localhost", session)
            p.write(b"say hello\n")
            equal(p.receive(6), b"hello\n")
            result = p.tls.session_reused, p.tls.session
            p.close_notify()
            p.receive_all()
            p.sock.close()
            return result
        context = client_context()
        resumed, session = visit()
        check(not resumed)
        upgraded(d)
        check(visit(session)[0])


def ready(address):
    try:
        return fetch(None, "/readyz", address=address).status
    except (ConnectionError, IndexError):
        return 0


def test_page_and_log():
    """Processes that are no workers are made anew."""
    with daemon(listener("echo", plugin("echo"), free_address()),
                start=False, status={"listen": free_address()}) as d:
        d.settings["log"] = {"file": d.path("log")}
        d.write_config()
        d.start(wait=False)

        def said(words, count=1):
            with open(d.path("log")) as file:
                return file.read().count(words) >= count
        wait_until(lambda: os.path.exists(d.path("log"))
                   and said("generation 1 ready"), "the start")
        address = d.settings["status"]["listen"]
        wait_until(lambda: ready(address) == 200, "a page")
        before = [pid for pid in children(d.pid)
                  if title(pid) in ("sluiced: status", "sluiced: log")]
        equal(len(before), 2)
        replace(newer())
        run(d, "upgrade")
        wait_until(lambda: said("generation 2 ready"), "a line in the file")
        wait_until(lambda: ready(address) == 200, "a page")
        old_workers_end(d, before)
        d.signal(signal.SIGTERM)
        d.wait_exit(0)
        d.process = None


def test_signal():
    with daemon(listener("echo", plugin("echo"), free_address())) as d:
        replace(newer())
        d.signal(signal.SIGUSR2)
        d.wait_log(r"upgrade \(SIGUSR2\): trying")
        d.wait_log("generation 2 ready")
        echoes(d.connect())
        replace(b"text")
        d.signal(signal.SIGUSR2)
        d.wait_log("upgrade refused: .*Exec format error.*; nothing has")


def test_not_while_a_worker_is_recycled():
    flag = os.path.join(scratch(), "hang")
    with daemon(listener("s", test_plugin("service"),
                         options={"hang_if": flag}),
                watchdog="1m") as d:
        with open(flag, "w"):
            pass
        recycle = threading.Thread(target=run, args=(d, "workers", "recycle"))
        recycle.start()
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        said = run(d, "upgrade", status=1)
        check("a worker is being recycled" in said, said)
        os.unlink(flag)
        recycle.join()
        upgraded(d)


def test_not_during_a_reload():
    with daemon(listener("s", test_plugin("service"), free_address())) as d:
        upgraded(d)
        replace(program("pause()"))
        upgrade = threading.Thread(target=run, args=(d, "upgrade"),
                                   kwargs={"status": 1})
        since = d.mark()
        upgrade.start()
        d.wait_log("trying", since)
        check("has begun already" in run(d, "upgrade", status=1))
        equal(d.reload_ready(), 3)
        d.stop()                # the client is told
        d.process = None
        upgrade.join()


main()
