"""When a new image changes between one worker and all, no waiting client is
reset."""

from sluice_test import (Daemon, check, compile_plugin, equal, listener,
                         main, receive_line)

WORKERS = 3
ONE, ALL = 0, 1			# SL_MANY_WORKERS


def greets(s):
    s.sendall(b"x\n")
    return receive_line(s).split()[0]


def test_from_one_to_all_and_back():
    with Daemon(listener("s", "./stamp.so"), workers=WORKERS,
                start=False) as d:
        compile_plugin("stamp", d.path("stamp.so"), VERSION="v0", FLAGS=ONE)
        d.start()
        address = d.addresses("s")
        for i in range(1, 7):
            flags = ALL if i % 2 else ONE
            compile_plugin("stamp", d.path("stamp.so"), VERSION="v%d" % i,
                           FLAGS=flags)
            reload = d.mark()
            d.reload(wait=False)
            waiting = [d.connect() for _ in range(200)]
            d.wait_log("generation %d ready" % (i + 1), reload)
            for s in waiting:
                # A client accepted before may be in a worker that drains.
                version = greets(s)
                check(version in ("v%d" % (i - 1), "v%d" % i), version)
                s.close()
            equal(d.addresses("s"), address)


def test_one_worker_serves_it():
    """One worker serves all the sockets, also after it was restarted."""
    with Daemon(listener("s", "./stamp.so"), workers=WORKERS,
                start=False, pairs=False) as d:
        compile_plugin("stamp", d.path("stamp.so"), VERSION="v1", FLAGS=ALL)
        d.start()
        compile_plugin("stamp", d.path("stamp.so"), VERSION="v2", FLAGS=ONE)
        d.reload_ready()
        for _ in range(50):
            s = d.connect()
            equal(greets(s), "v2")
            s.close()
        served = d.log_lines(r"worker \d: conn \d+ s .* closed .*gen=2")
        workers = {line.split("worker ")[1].split(":")[0] for line in served}
        equal(len(workers), 1, "workers that served it: %s" % workers)


main()
