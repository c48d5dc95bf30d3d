"""A master without free descriptors refuses a reload; no worker suffers."""

import os
import resource
import signal

from sluice_test import (Daemon, check, descriptors, equal, is_alive,
                         listener, main, plugin, receive)

LISTENERS = 900     # more sockets than a worker's channel takes at once
SPARE = 40          # enough to read, probe and bind; too few to queue them


def test_a_generation_that_cannot_be_sent_costs_no_worker():
    path = plugin("echo")
    with Daemon(*[listener("echo%d" % i, path)
                  for i in range(LISTENERS)]) as d:
        worker = d.workers()[0]
        s = d.connect("echo0")
        limits = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE,
                         (max(descriptors(d.pid)) + SPARE, limits[1]))
        # Stopped, so that the channel fills and messages wait.
        os.kill(worker, signal.SIGSTOP)
        try:
            problems = d.reload_refused()
        finally:
            os.kill(worker, signal.SIGCONT)
        check("cannot send generation 2 to worker 1" in problems, problems)
        s.sendall(b"still here")
        equal(receive(s, 10), b"still here")
        check(is_alive(worker), "the worker was ended")

        # Half a generation was sent; it does not mix with the next.
        resource.prlimit(d.pid, resource.RLIMIT_NOFILE, limits)
        equal(d.reload_ready(), 2)
        s.sendall(b"and here")
        equal(receive(s, 8), b"and here")
        equal(d.workers(), [worker])


def test_each_number_of_descriptors_that_is_too_small_is_named():
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        limits = resource.prlimit(d.pid, resource.RLIMIT_NOFILE)
        lowest = len(descriptors(d.pid))
        for spare in range(8):
            resource.prlimit(d.pid, resource.RLIMIT_NOFILE,
                             (lowest + spare, limits[1]))
            verdict = d.reload()
            if isinstance(verdict, int):
                check(spare > 0, "there was no room for it")
                continue
            problems = "\n".join(d.messages("", d.reload_mark))
            check("oo many open files" in problems, problems)
        s.sendall(b"served")
        equal(receive(s, 6), b"served")


main()
