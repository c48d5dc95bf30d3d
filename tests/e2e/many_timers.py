"""The cost of forty thousand timers of a service is linear, not quadratic.

The test measures the worker's CPU time, not the time that passes.
"""

from sluice_test import (SLOW, Daemon, check, cpu_seconds, equal, listener,
                         main, receive_line, test_plugin)

COUNT = 40000
ENOUGH = 0.6 * SLOW     # seconds of CPU; a linear search takes several


def work(d, what):
    worker = d.workers()[0]
    before = cpu_seconds(worker)
    what()
    spent = cpu_seconds(worker) - before
    check(spent < ENOUGH, "it took %.2f s of work" % spent)


def test_set_and_carried_over():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()

        def set_them():
            for _ in range(2):      # the second time they are set already
                since = d.mark()
                s.sendall(b"service-timers %d 3600000\n" % COUNT)
                d.wait_trace("call service-timers", since=since)

        def reload():
            d.listener("c")["plugin"] = test_plugin("command", VERSION="2")
            d.write_config()
            d.reload_ready()
            s.sendall(b"say here\n")
            equal(receive_line(s), "here")

        work(d, set_them)
        work(d, reload)
        # They call the new code now.
        since = d.mark()
        s.sendall(b"service-timer 777 1\n")
        d.wait_trace("service-timer 777 2", 0, since)


def test_all_at_once():
    """Connections are served while timers run out all at once."""
    with Daemon(listener("c", test_plugin("command"),
                         options={"trace": True})) as d:
        s = d.connect()
        since = d.mark()
        s.sendall(b"service-timers 5000 1\nsay here\n")
        equal(receive_line(s), "here")
        s.sendall(b"say again\n")
        equal(receive_line(s), "again")
        d.wait_log("trace 0 service-timer", since, count=5000)


main()
