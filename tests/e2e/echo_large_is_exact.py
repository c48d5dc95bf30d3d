"""Echoes of 1 MiB and 64 MiB through small buffers are exact."""

import os

from sluice_test import (Daemon, SANITIZED, check, equal, exchange, listener,
                         main, plugin)


def echo(size, **settings):
    data = os.urandom(1 << 20) * (size >> 20)
    with Daemon(listener("echo", plugin("echo"), **settings)) as d:
        s = d.connect(receive_buffer=8192, send_buffer=8192)
        check(exchange(s, data) == data, "the echo differs")
        s.close()
        d.wait_log(r"closed why=peer in=%d out=%d " % (size, size))


def test_one_mebibyte():
    echo(1 << 20)


def test_one_mebibyte_through_the_smallest_queue():
    echo(1 << 20, limits={"read_buffer": 512, "write_buffer": 512})


def test_sixty_four_mebibytes():
    echo((16 if SANITIZED else 64) << 20)


def test_fifty_at_once():
    data = [os.urandom(50000 + i) for i in range(50)]
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        clients = [d.connect(send_buffer=4096, receive_buffer=4096)
                   for _ in data]
        for i, s in enumerate(clients):
            s.send(data[i][:1000])
        for i, s in enumerate(clients):
            equal(exchange(s, data[i], 1000), data[i], "echo %d" % i)


main()
