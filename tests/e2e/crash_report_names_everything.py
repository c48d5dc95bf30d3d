"""A crash report names the callback, the connection, and the functions."""

import hashlib
import os
import re
import socket

from sluice_test import (Daemon, Skip, check, equal, expect_gone,
                         listener, main, receive, test_plugin)


def report(d, since=0):
    """The lines of a worker's report that the master has logged."""
    d.wait_log(r"worker 1 \(pid \d+\) started", since)
    return [text[len("worker 1: "):]
            for text in d.messages(r"^worker 1: ", since)]


def hash_of(path):
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()[:8]


def names(lines):
    """The names of the frames of a backtrace."""
    return [re.split("[+.]", line.split()[1])[0]  # GCC's copies: "f.isra.0"
            for line in lines if line.startswith("#")]


def crash(d, since, at="data"):
    s = d.connect()
    local = "%s:%d" % s.getsockname()[:2]
    if at == "data":
        s.sendall(b"x")
    expect_gone(s)
    return report(d, since), local


def room(how, path=None, at="data", **settings):
    return listener("room", path or test_plugin("crasher"),
                    options={"at": at, "how": how}, **settings)


def test_segv():
    path = test_plugin("crasher", VERSION="2.5-beta")
    image = hash_of(path)
    with Daemon(room("segv", path), pairs=False) as d:
        lines, local = crash(d, d.mark())
        equal(lines[0], "SIGSEGV (address not mapped) at address 0x10")
        equal(lines[1], "in callback data of plugin crasher 2.5-beta "
              "(image %s, generation 1), listener room" % image)
        equal(lines[2], "for connection 1 from " + local)
        found = names(lines)
        # Static functions have names, too.
        check("crash_by_address" in found[:2], found)
        check("on_data" in found, found)
        # What is below is always the same.
        equal(found[-1], "callback_data")
        here = next(line for line in lines if " crash_by_address+" in line)
        check(re.match(r"#\d+ crash_by_address\+0x[0-9a-f]+ in crasher "
                       r"\(image %s\)\+0x[0-9a-f]+$" % image, here), here)
        check(re.search(r" callback_data\+0x[0-9a-f]+ in sluiced\+0x",
                        "\n".join(lines)), lines)
        check(not re.search(r"/proc/", "\n".join(lines)), lines)


def test_last_words_are_in_the_log():
    """Lines that a plugin logs right before it crashes are not lost."""
    with Daemon(room("segv"), pairs=False) as d:
        since = d.mark()
        crash(d, since)
        d.wait_log("last words 50", since)


def test_generation_is_that_of_the_code():
    with Daemon(room("segv", at="never"), pairs=False) as d:
        equal(d.reload_ready(), 2)
        d.listeners[0] = room("segv")
        d.write_config()
        equal(d.reload_ready(), 3)
        lines, _ = crash(d, d.mark())
        check("generation 3)" in lines[1], lines)


def test_ways():
    """The first line of the report, for each way to crash."""
    wanted = {
        "abort": r"SIGABRT$", "fpe": r"SIGFPE \(integer division by zero\)$",
        "bus": r"SIGBUS \(no such memory\) at address 0x[0-9a-f]+$",
        "segv": r"SIGSEGV \(address not mapped\) at address 0x[0-9a-f]+$",
        "stack": r"SIGSEGV \(.*\) at address 0x[0-9a-f]+: the stack is used "
                 "up, by recursion or by large local variables$",
    }
    for how, pattern in wanted.items():
        with Daemon(room(how), pairs=False) as d:
            lines, _ = crash(d, d.mark())
            check(re.match(pattern, lines[0]), how, ":", lines[0])
            if how == "stack":
                equal(set(names(lines)), {"crash_by_depth"})
            else:
                check("on_data" in names(lines), names(lines))


def test_ipv6_peer():
    if not os.path.exists("/proc/net/if_inet6"):
        raise Skip("there is no IPv6 here")
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        raise Skip("there is no [::1] here") from None
    with Daemon(room("segv", listen="[::1]:0"), pairs=False) as d:
        since, s = d.mark(), d.connect()
        port = s.getsockname()[1]
        s.sendall(b"x")
        expect_gone(s)
        equal(report(d, since)[2], "for connection 1 from [::1]:%d" % port)


def test_unix_peer():
    with Daemon(start=False, pairs=False) as d:
        directory = d.open_directory("sockets")
        d.listeners = [room("segv", listen="unix:%s/s" % directory)]
        d.write_config()
        d.start()
        since, s = d.mark(), d.connect()
        s.sendall(b"x")
        expect_gone(s)
        equal(report(d, since)[2], "for connection 1 from unix")


def test_service_timer_has_no_connection():
    with Daemon(room("segv", at="start-timer"), pairs=False) as d:
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        check(not d.messages("worker 1: SIG"))


if __name__ == "__main__":
    main()
