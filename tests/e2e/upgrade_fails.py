"""A new sluiced that was executed and cannot serve: the old workers do."""

import os
import signal
import socket
import sys

from sluice_test import (SLUICED, check, children, close_all, equal,
                         free_address, is_alive, listener, main, plugin,
                         receive_line, scratch, test_plugin, title, wait_until)
from harness.activation import systemd_daemon
from harness.places import patience
from harness.tls import client_context, tls_connect, tls_listener
from harness.upgrade import (accept_no_more, boastful, bytes_of, daemon,
                             echoes, newer, old_workers_end, replace, row, run)

STILL = "cannot serve; the old workers serve on"


def test_a_start_that_fails_leaves_the_old_workers():
    """What no trial can find: an address that others have."""
    with daemon(listener("echo", plugin("echo"), free_address())) as d:
        s = d.connect()
        echoes(s)
        with socket.create_server(("127.0.0.1", 0)) as thief:
            d.listeners.append(listener("other", plugin("echo"),
                                        "127.0.0.1:%d"
                                        % thief.getsockname()[1]))
            d.write_config()
            replace(newer())
            said = run(d, "upgrade", status=1)
            check("in use" in said, said)
            d.wait_log(STILL)
            echoes(s)
            echoes(d.connect())
        d.signal(signal.SIGHUP)
        d.wait_log("generation 2 ready: 2 listeners")
        echoes(s)
        echoes(d.connect("echo"))
        echoes(d.connect("other"))
        d.baseline = {}         # there is one more listener


class Failed:
    """A daemon whose new program found the address of `other` taken."""

    def __init__(self, **settings):
        self.d = daemon(listener("echo", plugin("echo"), free_address()),
                        **settings)
        self.thief = socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        d = self.d.__enter__()
        try:
            self.old, self.client = d.workers(), d.connect()
            echoes(self.client)
            d.listeners.append(listener("other", plugin("echo"),
                                        "127.0.0.1:%d"
                                        % self.thief.getsockname()[1]))
            d.write_config()
            replace(newer())
            said = run(d, "upgrade", status=1)
            check("in use" in said, said)
            d.wait_log(STILL)
            d.baseline = {}
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, value, trace):
        self.thief.close()
        return self.d.__exit__(kind, value, trace)

    def mend(self):
        del self.d.listeners[1]
        self.d.write_config()


def test_another_upgrade_is_the_way_back():
    with Failed() as failed:
        d = failed.d
        failed.mend()
        replace(bytes_of(SLUICED))
        said = run(d, "upgrade")
        check("generation 2 ready: 1 listener, 1 worker" in said, said)
        accept_no_more(d)
        echoes(failed.client)
        echoes(d.connect())
        equal(row(d)["counts"]["accepted"], 2)
        equal([one["pid"] for one in d.ask("status")["old_workers"]],
              failed.old)
        failed.client.close()
        old_workers_end(d, failed.old)


def test_an_upgrade_that_fails_again():
    """The old workers go from hand to hand, and no worker is left over."""
    with Failed() as failed:
        d = failed.d
        for count in range(2, 4):
            check("in use" in run(d, "upgrade", status=1))
            d.wait_log(STILL, count=count)
            echoes(failed.client)
            echoes(d.connect())
        failed.mend()
        check("generation 2 ready" in run(d, "upgrade"))
        echoes(failed.client)
        close_all(d.clients)
        old_workers_end(d, failed.old)


def test_reloads_that_fail_leave_no_workers():
    with Failed() as failed:
        d = failed.d
        for count in range(2, 5):
            d.signal(signal.SIGHUP)
            d.wait_log("could not start", count=count)
        wait_until(lambda: [pid for pid in children(d.pid)
                            if "worker" in title(pid)] == failed.old,
                   "the workers that serve nothing to end")
        failed.mend()
        d.signal(signal.SIGHUP)
        d.wait_log("generation 2 ready")
        echoes(failed.client)
        echoes(d.connect())


def test_keys_that_need_a_restart_need_it_here_too():
    with Failed() as failed:
        d = failed.d
        failed.mend()
        d.settings["workers"] = 2
        d.write_config()
        d.signal(signal.SIGHUP)
        d.wait_log("workers cannot change without a restart")
        echoes(failed.client)
        check("generation 2 ready: 1 listener, 2 workers"
              in run(d, "upgrade"))


def test_every_command_has_an_answer():
    with Failed() as failed:
        d = failed.d
        for words in (("status",), ("conns",), ("config",), ("generations",),
                      ("rollback",), ("crashes",), ("metrics",), ("diff",),
                      ("drain", "echo"), ("undrain", "echo"),
                      ("kill", "1"), ("kill", "--listener", "echo"),
                      ("workers", "recycle"), ("log-level", "info"),
                      ("reload", "--wait")):
            result = d.sluicectl(*words)
            check(result.returncode in (0, 1, 2), words, result.stderr)
            check("no answer" not in result.stderr, words, result.stderr)
        echoes(failed.client)


def test_a_stop_has_them_drain():
    with Failed(drain_timeout="60s") as failed:
        d, address = failed.d, failed.d.addresses("echo")[0]
        d.signal(signal.SIGTERM)
        d.wait_log("drain for at most 60 s: 1")
        wait_until(lambda: d.refuses(address), "the address to be free")
        echoes(failed.client)
        check(is_alive(failed.old[0]))
        failed.client.close()
        d.wait_exit(0)
        d.process = None


def test_a_second_stop_ends_them():
    with Failed(drain_timeout="60s") as failed:
        d = failed.d
        d.signal(signal.SIGTERM)
        d.wait_log("drain for at most 60 s: 1")
        d.signal(signal.SIGTERM)
        d.wait_exit(0)
        d.process = None


def test_the_last_one_takes_the_daemon_along():
    """As when a first start fails."""
    with Failed() as failed:
        d = failed.d
        os.kill(failed.old[0], signal.SIGKILL)
        d.wait_log("cannot serve, and no worker of the program before it is "
                   "left: ending")
        d.wait_exit(1)
        d.process = None


def hanging(d, **options):
    """Executed, and its first worker hangs until the flag is taken away."""
    flag = os.path.join(scratch(), "hang")
    with open(flag, "w"):
        pass
    d.listeners.append(listener("s", test_plugin("service"), free_address(),
                                options=dict(options, hang_if=flag)))
    d.write_config()
    replace(newer())
    asking = d.control_client()
    asking.sendall(b'{"command": "upgrade"}\n')
    d.wait_log("takes over from")
    d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
    return flag, asking


def test_the_last_one_may_go_before_the_verdict():
    for fails in (True, False):
        with daemon(listener("echo", plugin("echo"), free_address())) as d:
            old = d.workers()[0]
            flag, asking = hanging(d, fail=fails)
            os.kill(old, signal.SIGKILL)
            d.wait_log("of the program before this one was killed")
            s = d.connect("echo")       # waits
            os.unlink(flag)
            if fails:
                d.wait_log("and no worker of the program before it is left")
                check(b"could not start" in asking.recv(65536))
                d.wait_exit(1)
                d.process = None
            else:
                check(b"generation 2 ready" in asking.recv(65536))
                echoes(s)
                d.baseline = {}
            asking.close()


def test_sockets_of_systemd_go_from_hand_to_hand():
    with socket.create_server(("127.0.0.1", 0)) as one, \
            socket.create_server(("127.0.0.1", 0)) as thief:
        address = "127.0.0.1:%d" % one.getsockname()[1]
        with systemd_daemon([one], "first",
                            listener("echo", plugin("echo"), "systemd:first"),
                            daemon=daemon) as d:
            s, old = d.connect(address=address), d.workers()
            echoes(s)
            d.listeners.append(listener(
                "other", plugin("echo"),
                "127.0.0.1:%d" % thief.getsockname()[1]))
            d.write_config()
            replace(newer())
            for _ in range(2):
                check("in use" in run(d, "upgrade", status=1))
                echoes(d.connect(address=address))
            thief.close()
            check("generation 2 ready" in run(d, "upgrade"))
            echoes(s)
            echoes(d.connect(address=address))
            close_all(d.clients)
            old_workers_end(d, old)
            d.baseline = {}


def test_systemd_is_told_that_it_serves():
    path = os.path.join(scratch(), "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        manager.settimeout(patience())

        def wait_for(words):
            text = ""
            while words not in text:
                text = manager.recv(4096).decode()
        with Failed(env={"NOTIFY_SOCKET": path}) as failed:
            wait_for("READY=1")
            wait_for("RELOADING=1")
            wait_for("STATUS=sluiced 9.9.9 cannot serve")
            wait_for("READY=1")
            failed.mend()
            run(failed.d, "upgrade")
            wait_for("RELOADING=1")
            wait_for("READY=1")


def test_before_a_configuration_was_read():
    """Nothing of what was taken over is lost by it."""
    with daemon(listener("c", test_plugin("command"), free_address()),
                listener("other", plugin("echo"))) as d:
        def visit():
            s = d.connect("c")
            s.sendall(b"say x\n")
            receive_line(s)
            return s, max(one["id"] for one in d.ask("conns")["conns"])
        run(d, "drain", "other")
        s, last = visit()
        old = d.workers()
        d.write("nonsense")
        replace(boastful())
        check("could not start" in run(d, "upgrade", status=1))
        d.wait_log(STILL)
        said = run(d, "status", status=1)
        check("send SIGHUP or SIGUSR2 to process %d" % d.pid in said, said)
        d.signal(signal.SIGHUP)
        d.wait_log("could not start", count=2)
        check("its log says why" in run(d, "upgrade", status=1))
        d.write_config()
        d.signal(signal.SIGUSR2)
        d.wait_log("generation 3 ready: 2 listeners \\(drained: 1\\)")
        accept_no_more(d)
        check(row(d, "other")["drained"])
        equal(row(d, "c")["counts"]["accepted"], 1)
        check(visit()[1] > last)
        s.sendall(b"say x\n")
        receive_line(s)
        s.close()
        old_workers_end(d, old)


def test_a_stop_before_a_configuration_was_read():
    with daemon(listener("echo", plugin("echo"), free_address()),
                drain_timeout="60s") as d:
        s, path = d.connect(), d.path("control.sock")
        echoes(s)
        d.write("nonsense")
        replace(boastful())
        check("could not start" in run(d, "upgrade", status=1))
        d.signal(signal.SIGTERM)
        d.wait_log("drain for at most 60 s: 1")
        wait_until(lambda: not os.path.exists(path), "the path to be free")
        echoes(s)
        s.close()
        d.wait_exit(0)
        equal([name for name in os.listdir(d.directory) if "sock" in name],
              [])
        d.process = None


def test_before_there_were_workers():
    """The same: the control socket cannot be made."""
    with daemon(tls_listener("c", test_plugin("command"))) as d:
        def visit(session=None):
            p = tls_connect(d, "c", context, "localhost", session)
            p.write(b"say hello\n")
            equal(p.receive(6), b"hello\n")
            last = max(one["id"] for one in d.ask("conns")["conns"])
            result = p.tls.session_reused, p.tls.session, last
            p.close_notify()
            p.receive_all()
            p.sock.close()
            return result
        context = client_context()
        before, last = visit()[1:]
        path = d.path("control.sock")
        inode, old = os.stat(path).st_ino, d.workers()
        d.settings["control"] = d.write("text", "file")
        d.write_config()
        replace(newer())
        check("could not start" in run(d, "upgrade", status=1))
        d.wait_log("it is the control socket")
        d.signal(signal.SIGHUP)
        d.wait_log("could not start", count=2)
        d.settings["control"] = "control.sock"
        d.write_config()
        d.signal(signal.SIGHUP)
        d.wait_log("generation 2 ready")
        old_workers_end(d, old)
        equal(os.stat(path).st_ino, inode)
        resumed, _, now = visit(before)
        check(resumed)
        check(now > last)
        equal(row(d, "c")["counts"]["accepted"], 2)


def test_the_control_socket_gets_other_rights():
    with Failed() as failed:
        d = failed.d
        path = d.path("control.sock")
        inode = os.stat(path).st_ino
        failed.mend()
        d.settings["control_mode"] = "0640"
        d.write_config()
        check("generation 2 ready" in run(d, "upgrade"))
        equal(os.stat(path).st_ino, inode)
        equal(os.stat(path).st_mode & 0o777, 0o640)


def test_the_control_socket_moves_when_it_serves():
    with Failed() as failed:
        d = failed.d
        there = d.path("control.sock")
        d.settings["control"] = "other.sock"
        d.write_config()
        check("in use" in run(d, "upgrade", status=1))
        check(os.path.exists(there))
        failed.mend()
        d.signal(signal.SIGHUP)
        d.wait_log("generation 2 ready")
        wait_until(lambda: not os.path.exists(there), "the old path to go")
        check(os.path.exists(d.path("other.sock")))


def test_what_cannot_even_begin():
    """The daemon ends, and the old workers drain, as when it is killed."""
    few = "struct rlimit few = { 12, 12 }; setrlimit(RLIMIT_NOFILE, &few)"
    for spoil, words in (('setenv("SLUICE_HANDOVER", "0", 1)',
                          "cannot read what the program before us left"),
                         (few, "cannot start: the limit RLIMIT_NOFILE")):
        with daemon(listener("echo", plugin("echo"), free_address()),
                    drain_timeout="60s") as d:
            s, old = d.connect(), d.workers()
            echoes(s)
            replace(boastful(spoil))
            d.signal(signal.SIGUSR2)
            equal(d.process.wait(patience()), 1)
            d.wait_log(words)
            echoes(s)
            check(is_alive(old[0]))
            s.close()
            old_workers_end(d, old)
            d.wait_exit(1)
            d.process = None


def test_a_stop_before_the_verdict():
    with daemon(listener("echo", plugin("echo"), free_address()),
                drain_timeout="60s") as d:
        s, old = d.connect("echo"), d.workers()
        echoes(s)
        flag, asking = hanging(d)
        d.signal(signal.SIGTERM)
        check(b"sluiced is stopping" in asking.recv(4096))
        d.wait_log("drain for at most 60 s: 1")
        echoes(s)
        s.close()
        old_workers_end(d, old)
        d.wait_exit(0)
        d.process = None
        os.unlink(flag)


main()
