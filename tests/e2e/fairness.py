"""A connection with endless input or output does not starve the others."""

import socket
import struct
import threading

from sluice_test import (Daemon, check, equal, listener, main, plugin,
                         receive, receive_line, test_plugin)


def flood(s):
    try:
        while True:
            s.sendall(b"x" * (1 << 20))
    except OSError:
        pass


def drink(s):
    # It ends by a reset.  Its window may be shut then, and after a FIN its
    # kernel would answer no probe: the worker would have to wait for long.
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        while s.recv(1 << 20):
            pass
    except OSError:
        pass


def test_under_flood():
    with Daemon(listener("discard", plugin("discard")),
                listener("chargen", plugin("chargen")),
                listener("echo", plugin("echo"))) as d:
        threads = [threading.Thread(target=work, args=(d.connect(name),))
                   for work, name in ((flood, "discard"), (drink, "chargen"))
                   for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            s = d.connect("echo")
            for i in range(200):
                s.sendall(b"hello %03d" % i)
                equal(receive(s, 9), b"hello %03d" % i)
        finally:
            d.shut_clients()
        for thread in threads:
            thread.join()


def test_one_that_always_has_more_to_say():
    """Its `drain` comes again and again, and others are served in between."""
    with Daemon(listener("c", test_plugin("command"),
                         options={"trace": False})) as d:
        greedy, other = d.connect(), d.connect()
        writer = threading.Thread(target=greedy.sendall,
                                  args=(b"find 1\n" * 400000,))
        writer.start()
        for _ in range(50):
            other.sendall(b"say x\n")
            equal(receive_line(other), "x")
        check(not d.log_lines("closed"))
        writer.join()


main()
