"""sl_send() takes all, even beyond the high mark, or nothing, with ENOBUFS."""

from sluice_test import (Daemon, check, equal, listener, main, pattern,
                         receive, receive_line, test_plugin)


def results(d, call):
    return [line.split("= ")[1] for line in
            d.messages("trace 1 call %s " % call)]


def test_beyond_the_high_mark():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": 4096})) as d:
        s = d.connect(receive_buffer=4096, send_buffer=4096)
        s.sendall(b"send 1000000\nsay end\n")
        check(receive(s, 1000000) == pattern(1000000))
        equal(receive_line(s), "end")
        equal(results(d, "send"), ["0"])


def test_nothing_when_it_does_not_fit():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "64KiB",
                                 "write_queue": "128KiB"})) as d:
        s = d.connect(receive_buffer=4096, send_buffer=4096)
        s.sendall(b"send 131073\n" + b"send 100000\n" * 200)
        d.wait_trace("call send", 1, count=201)
        got = results(d, "send")
        equal(got[0], "-1 ENOBUFS", "more than the limit")
        check("-1 ENOBUFS" in got[1:], "none of 200 was refused")
        taken = got.count("0")
        check(taken > 0, "all were refused")
        equal(taken + got.count("-1 ENOBUFS"), 201)
        # The messages that were taken arrive whole and in order.
        s.sendall(b"end\n")
        check(receive(s, taken * 100000) == pattern(taken * 100000))
        equal(s.recv(1), b"")


def test_end_that_does_not_fit_does_nothing():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "64KiB",
                                 "write_queue": "64KiB"})) as d:
        s = d.connect()
        s.sendall(b"end 500000\nsay still here\n")
        equal(receive_line(s), "still here")
        equal(results(d, "end"), ["-1 ENOBUFS"])


def test_mixed_output_keeps_its_order():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "16KiB"})) as d:
        s = d.connect(receive_buffer=4096)
        s.sendall(b"send 100\nwrite 200\nsend 90000\nwritev 10 50\nflush\n"
                  b"send 30\nwrites 20 3\nsend 1000\nend 7\n")
        total = 100 + 90000 + 30 + 1000 + 7  # sent or nothing
        d.wait_trace("call end", 1)
        for line in d.messages("trace 1 call "):
            what, got = line.split(" call ")[1].split(" = ")
            if what in ("write", "writes", "writev"):
                total += int(got)
        equal(receive(s, total), pattern(total))
        equal(s.recv(1), b"")


main()
