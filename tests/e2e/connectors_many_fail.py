"""A thousand connectors whose peers are down: their attempts are spread."""

import re
import time

from sluice_test import (Daemon, check, connector, cpu_seconds, equal, main,
                         plugin, wait_until)
from harness.upstream import Upstream, nobody

COUNT = 1000
LINES_PER_S = 10                        # of each worker, about connectors


def daemon(address, **settings):
    return Daemon(
        connectors=[connector("c%d" % i, plugin("discard"), address,
                              retry={"first": "300ms", "max": "600ms"})
                    for i in range(COUNT)],
        control="control.sock", workers=2, log={"access": False}, **settings)


def made(d):
    return sum(c["counts"]["outgoing"] for c in d.ask("status")["connectors"])


def test_attempts_are_bounded_and_spread():
    begun = time.monotonic()
    with daemon(nobody()) as d:
        # By then each has waited at least three times.
        wait_until(lambda: made(d) >= 5 * COUNT, "attempts")
        attempts = made(d)
        took = time.monotonic() - begun
        # No wait is shorter than half of what it says.
        check(attempts <= COUNT * (2 + took / 0.15), attempts, took)
        waits = [w["next_ms"] for c in d.ask("status")["connectors"]
                 for w in c["workers"] if w["state"] == "waiting"]
        check(len(waits) > COUNT / 2, len(waits))
        # With a jitter of a half, they are spread over most of a second.
        equal(len({wait // 100 for wait in waits}) >= 5, True, sorted(waits))
        seconds = {}
        for line in d.log_lines(r"worker \d: c\d+: .*refused"):
            key = re.match(r"(\S{19}).* worker (\d)", line).groups()
            seconds[key] = seconds.get(key, 0) + 1
        check(max(seconds.values()) <= 2 * LINES_PER_S, seconds)
        check(d.log_lines(r"and \d+ more lines about connectors"), "a sum")


def test_they_come_up_together_and_go_together():
    with Upstream() as peer, daemon(peer.address) as d:
        found = [peer.accept() for _ in range(COUNT)]
        equal(sum(len(c["workers"]) for c in d.ask("status")["connectors"]),
              COUNT)
        before = sum(cpu_seconds(pid) for pid in d.workers())
        again = made(d)
        equal(again, COUNT)
        for s in found:
            s.close()
        found = [peer.accept() for _ in range(COUNT)]
        check(sum(cpu_seconds(pid) for pid in d.workers()) - before < 5,
              "busy workers")
        for s in found:
            s.close()


if __name__ == "__main__":
    main()
