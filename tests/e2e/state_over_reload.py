"""Open connections keep their state when a reload changes their code."""

import re
import socket

from sluice_test import (Daemon, SANITIZED, SLOW, Skip, check,
                         close_all, compile_plugin, equal, expect_end,
                         listener, main, pattern, receive, receive_all,
                         receive_line, send_until_stalled, wait_until)


def build(d, name, version, flags=(), **defines):
    return compile_plugin(name, d.path(name + ".so"), flags,
                          VERSION=version, **defines)


def daemon(name="stamp", **settings):
    d = Daemon(listener(name, "./%s.so" % name), start=False, **settings)
    build(d, name, "v1")
    d.wants_start = True
    return d


def reload(d, name, version, **more):
    build(d, name, version, **more)
    return d.reload_ready()


def ask(s, text="x"):
    s.sendall(text.encode() + b"\n")
    return receive_line(s)


def mapped(pid, name="stamp"):
    """The plugin images that a process has mapped."""
    found = set()
    try:
        with open("/proc/%d/maps" % pid) as file:
            for line in file:
                fields = line.split(None, 5)
                if len(fields) == 6 and "memfd:" in fields[5] and (
                        name in fields[5]):
                    found.add(fields[4])	# the inode
    except PermissionError:
        raise Skip("we may not look at the maps of a worker")
    return found


# Bytes.

def test_a_frame_that_comes_byte_by_byte_over_ten_reloads():
    with daemon() as d:
        s = d.connect()
        text = "".join("abcdefghij"[i % 10] for i in range(40))
        for i in range(10):
            s.sendall(text[4 * i:4 * i + 4].encode())
            reload(d, "stamp", "v%d" % (i + 2))
        equal(ask(s, ""), "v11 1 " + text)


def test_queued_output_and_the_drain_that_is_owed():
    """Old code begins a stream much longer than all buffers."""
    total = 6 << 20
    with daemon("command") as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"stream %d\n" % total)
        d.wait_trace("call stream", 1)
        for i in range(3):
            reload(d, "command", "v%d" % (i + 2))
            part = total // 4
            check(receive(s, part) == pattern(part, i * part), "part", i)
        check(receive(s, total - 3 * part) == pattern(
            total - 3 * part, 3 * part), "the rest")
        s.sendall(b"facts\n")
        check("version=v4" in receive_line(s), "new code wrote the end")


def test_a_paused_connection():
    """Its input waits, and its own timer resumes it in new code."""
    with daemon("command") as d:
        s = d.connect()
        build(d, "command", "v2")	# before the timer runs
        s.sendall(b"at timer resume\ntimer 1 %d\npause\nsay one\nsay two\n"
                  % (1500 * SLOW))
        d.wait_trace("call pause", 1)
        s.sendall(b"facts\n")
        d.reload_ready()
        equal(receive_line(s), "one")
        equal(receive_line(s), "two")
        check("version=v2" in receive_line(s), "new code answers")
        check(d.trace(1).count("timer 1 v1") == 0, "old code's timer ran")


def test_a_connection_that_was_full_both_ways():
    with daemon() as d:
        # Send lines without reading answers until all buffers are full.
        s = d.connect(receive_buffer=4096, send_buffer=4096)
        count = 40000
        lines = b"".join(b"%d\n" % i for i in range(count))
        sent = send_until_stalled(s, lines)
        reload(d, "stamp", "v2")
        sent += send_until_stalled(s, lines[sent:]) if sent < len(lines) else 0
        seen, rest, changes, last = 0, b"", 0, "v1"
        s.setblocking(True)
        s.settimeout(15 * SLOW)
        while seen < count:
            data = s.recv(1 << 16)
            check(data, "end of file after", seen, "lines")
            if sent < len(lines):
                s.setblocking(False)
                try:
                    sent += s.send(lines[sent:])
                except BlockingIOError:
                    pass
                s.setblocking(True)
                s.settimeout(15 * SLOW)
            answers = (rest + data).split(b"\n")
            rest = answers.pop()
            for answer in answers:
                version, number, text = answer.decode().split(" ")
                equal((number, text), (str(seen + 1), str(seen)), "answer")
                changes += version != last
                last = version
                seen += 1
        check(changes <= 1, "went back to old code")


def test_half_closed_connections():
    """The peer or the daemon has ended its half; the other half goes on."""
    with daemon("command") as d:
        theirs, ours = d.connect(receive_buffer=4096), d.connect()
        theirs.sendall(b"at end stream 3000000\nat timer close\n"
                       b"timer 8 %d\n" % (1500 * SLOW))
        theirs.shutdown(socket.SHUT_WR)
        d.wait_trace("end", 1)
        ours.sendall(b"shutw\n")
        d.wait_trace("call shutw", 2)
        expect_end(ours)
        reload(d, "command", "v2")
        check(receive_all(theirs) == pattern(3000000), "the stream")
        ours.sendall(b"at timer got\ntimer 5 1\n")
        equal(d.wait_trace("timer", 2)[1], "5 v2")	# it still hears us
        ours.sendall(b"close\n")
        d.wait_trace("close", 2)


# State.

def test_user_pointers_are_carried():
    with daemon(workers=2) as d:
        all_of_them = [d.connect() for _ in range(40)]
        for round_ in range(1, 6):
            for i, s in enumerate(all_of_them):
                equal(ask(s, str(i)), "v%d %d %d" % (round_, round_, i))
            reload(d, "stamp", "v%d" % (round_ + 1))


def test_migrate_is_called_once_by_the_sweep_for_idle_ones():
    """All silent connections are asked, over more than one pass."""
    count = 200 if SANITIZED else 700
    with daemon() as d:
        quiet = [d.connect() for _ in range(count)]
        for i, s in enumerate(quiet):
            for _ in range(1 + (i % 10 != 0)):
                ask(s)
        since = d.mark()
        reload(d, "stamp", "v2", STATE_VERSION=2, MIGRATE=100)
        d.wait_log(r"stamp: generation 2: connections that migrated to it: "
                   r"%d; refused, which stay on old code: %d$"
                   % (count - count // 10, count // 10), since)
        equal(len(d.log_lines("migrate from 1 after ", since)), count)
        equal(len(d.log_lines("migrate refused it; it stays on generation 1",
                              since)), count // 10)
        for i, s in enumerate(quiet):
            equal(ask(s), "v2 103 x" if i % 10 else "v1 2 x")
        equal(len(d.log_lines("migrate from 1 after ", since)), count)
        close_all(quiet)
        d.wait_log(r"stamp: generation 1 ended; connections that had stayed "
                   r"on it by refusal: %d$" % (count // 10), since)


def test_migrate_comes_before_the_first_event_whatever_it_is():
    """New code answers a line that has waited in the socket."""
    with daemon() as d:
        s = d.connect()
        ask(s), ask(s)
        build(d, "stamp", "v2", STATE_VERSION=2, MIGRATE=1000)
        since = d.mark()
        d.reload(wait=False)
        lines = []
        while not lines or lines[-1].startswith("v1"):
            lines.append(ask(s))
        old = len(lines) - 1
        equal(lines[-1], "v2 %d x" % (2 + old + 1000 + 1))
        # The worker's line comes through a thread, and may follow the answer.
        migrated = "migrate from 1 after %d" % (2 + old)
        d.wait_log(migrated, since)
        equal(len(d.log_lines(migrated, since)), 1)


def test_without_migrate_they_drain():
    with daemon() as d:
        old = d.connect()
        equal(ask(old), "v1 1 x")
        reload(d, "stamp", "v2", STATE_VERSION=2)
        new = d.connect()
        equal([ask(old), ask(new)], ["v1 2 x", "v2 1 x"])
        reload(d, "stamp", "v3", STATE_VERSION=2)
        equal([ask(old), ask(new)], ["v1 3 x", "v3 2 x"])


# Several versions alive.

class Stays:
    """The value of a define: flags without SL_UNLOADABLE."""

    def __str__(self):
        return "SL_MANY_WORKERS"


def chain(d, **more):
    """v1 -> v2 -> v3 with a connection that stays on each."""
    ones = [d.connect() for _ in range(2)]
    for s in ones:
        equal(ask(s), "v1 1 x")			# after one line it stays
    comes = d.connect()
    ask(comes), ask(comes)			# after two it moves
    reload(d, "stamp", "v2", STATE_VERSION=2, MIGRATE=10, **more)
    two = d.connect()
    equal(ask(two), "v2 1 x")
    equal(ask(comes), "v2 13 x")
    reload(d, "stamp", "v3", STATE_VERSION=3, MIGRATE=100, **more)
    three = d.connect()
    equal([ask(ones[0]), ask(ones[1]), ask(two), ask(three), ask(comes)],
          ["v1 2 x", "v1 2 x", "v2 2 x", "v3 1 x", "v3 114 x"])
    return ones, two, three, comes


def test_a_chain_with_connections_left_on_each():
    with daemon() as d:
        ones, two, three, comes = chain(d)
        # A fourth version: a connection that refused is not asked again.
        since = d.mark()
        reload(d, "stamp", "v4", STATE_VERSION=4, MIGRATE=1000)
        equal([ask(ones[0]), ask(two), ask(comes)],
              ["v1 3 x", "v2 3 x", "v4 1115 x"])
        equal(ask(three), "v3 2 x")
        equal(len(d.log_lines("migrate from ", since)), 2)


def test_images_are_unmapped_after_their_last_connection():
    with daemon() as d:
        worker = d.workers()[0]
        ones, two, three, comes = chain(d)
        if not SANITIZED:
            equal(len(mapped(worker)), 3, "images")
        first = mapped(worker)
        ones[0].close()
        equal(ask(ones[1]), "v1 3 x")
        equal(len(mapped(worker)), len(first), "images")
        ones[1].close()
        wait_until(lambda: len(mapped(worker)) == 2 or SANITIZED,
                   "v1 to be unmapped")
        equal([ask(two), ask(comes)], ["v2 3 x", "v3 115 x"])
        # A later version may be unmapped first: v4 replaces v3, v2 stays.
        reload(d, "stamp", "v4", STATE_VERSION=3)
        equal([ask(two), ask(comes)], ["v2 4 x", "v4 116 x"])
        wait_until(lambda: len(mapped(worker)) == 2 or SANITIZED,
                   "v3 to be unmapped")
        two.close()
        wait_until(lambda: len(mapped(worker)) == 1 or SANITIZED,
                   "v2 to be unmapped")


def test_a_connection_that_stays_does_not_keep_later_images():
    """A connection on v1 does not keep the generations after it mapped."""
    with daemon() as d:
        worker = d.workers()[0]
        stays, comes = d.connect(), d.connect()
        ask(stays), ask(comes), ask(comes)
        reload(d, "stamp", "v2", STATE_VERSION=2, MIGRATE=10)
        for i in range(3, 8):
            reload(d, "stamp", "v%d" % i, STATE_VERSION=2)
            equal(ask(comes).split()[0], "v%d" % i)
        equal(ask(stays), "v1 2 x")
        if not SANITIZED:
            wait_until(lambda: len(mapped(worker)) == 2,
                       lambda: "2 images instead of %d" % len(mapped(worker)))


def test_images_that_are_not_unloadable_stay():
    with Daemon(listener("stamp", "./stamp.so"), start=False) as d:
        build(d, "stamp", "v1", FLAGS=Stays())
        d.start()
        worker = d.workers()[0]
        s = d.connect()
        for i in range(1, 4):
            equal(ask(s), "v%d %d x" % (i, i))
            equal(len(mapped(worker)), i, "images")
            since = d.mark()
            reload(d, "stamp", "v%d" % (i + 1), FLAGS=Stays())
            d.wait_log(r"plugin image \w+ \(stamp v%d\) is no longer used, "
                       r"but stays in memory; unused images in memory: %d$"
                       % (i, i), since)
        # An old version comes back: the same image is not mapped again.
        reload(d, "stamp", "v1", FLAGS=Stays())
        equal(ask(s), "v1 4 x")
        equal(len(mapped(worker)), 4, "images")


def test_an_image_that_does_not_go_is_noticed():
    with daemon() as d:
        build(d, "stamp", "v2", ["-Wl,-z,nodelete"])
        d.reload_ready()
        s = d.connect()
        equal(ask(s), "v2 1 x")
        since = d.mark()
        reload(d, "stamp", "v3")
        d.wait_log(r"plugin image \w+ \(stamp v2\) calls itself unloadable "
                   r"but stays mapped", since)
        equal(ask(s), "v3 2 x")
        # It can still be used.
        build(d, "stamp", "v2", ["-Wl,-z,nodelete"])
        d.reload_ready()
        equal(ask(s), "v2 3 x")
        reload(d, "stamp", "v4")
        equal(ask(s), "v4 4 x")


# Services.

def said(d, since=0):
    return [m[m.index("service ") + 8:] for m in
            d.messages(r"service (start|reload|stop|shares) ", since)]


def test_start_and_stop_come_in_pairs():
    """Each state is stopped exactly once, whatever happens before."""
    with daemon("service", workers=2) as d:
        sockets = []
        for i in range(2, 9):
            sockets.append(d.connect())
            d.listener("service")["options"] = {"share": i % 3 == 0,
                                                "fail": i % 4 == 0}
            d.write_config()
            build(d, "service", "v%d" % i, STATE_VERSION=i // 2)
            if i % 4 == 0:
                d.reload_refused()
            else:
                d.reload_ready()
        for s in sockets:
            s.sendall(b"still here")
            equal(receive(s, 10), b"still here")
        close_all(sockets)
        d.stop()
        lives = {}
        for line in d.log_lines(r"service (start|reload|stop) v\d+ state"):
            worker, what, serial = re.search(
                r"worker (\d).*service (\w+) (v\d+ state \d+)",
                line).groups()
            key = (worker, serial) if what != "stop" else (
                worker, re.sub(r"v\d+ ", "", serial))
            lives.setdefault(worker, [0, 0])[what == "stop"] += 1
            check(key, line)
        for worker, (begun, ended) in lives.items():
            equal(ended, begun, "stops in worker " + worker)
        equal(len(lives), 2, "workers")


def test_sharing_reload_keeps_timers_and_state():
    with Daemon(listener("service", "./service.so",
                         options={"timer": "%dms" % (30 * SLOW),
                                  "share": True}), start=False) as d:
        build(d, "service", "v1")
        d.start()
        d.wait_log("service timer 7 v1")
        since = d.mark()
        reload(d, "service", "v2")
        d.wait_log("service timer 7 v2", since, count=3)
        equal(said(d, since), ["shares v2"])
        equal([line for line in d.log_lines("service timer 7 v1", since)
               if d.lines.index(line) > d.lines.index(
                   d.log_lines("generation 2 ready")[0])], [])
        d.stop()
        equal(said(d, since), ["shares v2", "stop v2 state 1"])


main()
