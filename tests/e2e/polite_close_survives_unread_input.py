"""After sl_close() with unread input, the peer still gets all the output.

A plain close(2) would answer the unread bytes with a reset, and the peer's
kernel would drop what the peer has not read yet.
"""

import threading

from sluice_test import (Daemon, SLOW, check, equal, listener, main, pattern,
                         plugin, receive, receive_all, test_plugin)

SIZE = 1000000


def test_client_that_talks_and_reads_late():
    with Daemon(listener("c", test_plugin("command"),
                         limits={"write_buffer": "4MiB"})) as d:
        s = d.connect(receive_buffer=65536)
        s.sendall(b"write %d\nclose\n" % SIZE)
        s.sendall(b"n" * (4 << 20))     # never read
        got = receive_all(s)            # raises at a reset
        check(got == pattern(SIZE), "got", len(got), "bytes")
        d.wait_trace("close 2", 1)


def test_client_that_never_stops_talking():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"linger": "%dms" % (500 * SLOW)},
                         limits={"write_buffer": "4MiB"})) as d:
        s = d.connect(receive_buffer=65536)

        def talk():
            try:
                while True:
                    s.sendall(b"n" * 65536)
            except OSError:
                pass

        s.sendall(b"write %d\nclose\n" % SIZE)
        talker = threading.Thread(target=talk)
        talker.start()
        got = receive(s, SIZE)
        check(got == pattern(SIZE))
        d.wait_trace("close 2", 1)
        talker.join(15 * SLOW)
        check(not talker.is_alive(), "the connection lives on")


def test_no_data_after_close():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"write 10\nclose\nsay later\n")
        s.sendall(b"say more\n" * 100)
        equal(receive_all(s), pattern(10))
        s.close()
        d.wait_trace("close 2", 1)
        equal([e.split()[0] for e in d.trace(1)][:2], ["open", "data"])
        equal(len([e for e in d.trace(1) if e.startswith("data")]), 1)


def test_error_of_a_sample():
    """The plugin `lines` refuses a long line, and its message arrives."""
    with Daemon(listener("lines", plugin("lines"))) as d:
        for _ in range(20):
            s = d.connect()
            s.sendall(b"n" * 300000)
            equal(receive_all(s), b"error: line too long\n")
            s.close()


def test_idle_client_does_not_hold_a_closed_connection():
    with Daemon(listener("c", test_plugin("command"),
                         timeouts={"linger": "%dms" % (100 * SLOW)})) as d:
        s = d.connect()
        s.sendall(b"close\n")
        equal(s.recv(1), b"")
        d.wait_trace("close 2", 1)      # we never close


main()
