"""What plugins connect to is shown: which of it is there, and what is wrong."""

import shutil
import subprocess

from sluice_test import (Daemon, Skip, check, equal, expect_end, expect_gone,
                         fetch, listener, main, plugin, wait_until)
from harness.upstream import Upstream, nobody

STATUS = {"listen": "127.0.0.1:0"}


def proxy(upstreams, workers=1, **options):
    return Daemon(listener("p", plugin("proxy"), options=dict(
        {"upstreams": upstreams}, **options)), status=STATUS, workers=workers,
                  control="control.sock")


def upstreams(answer, name="p"):
    """{name: what is said of it} of a listener."""
    of = next(one for one in answer["listeners"] if one["name"] == name)
    return {one["name"]: one for one in of["upstreams"]}


def wait_upstream(d, name, **wanted):
    """Ask until it is so; what is said of it."""
    def look():
        one = upstreams(d.ask("status")).get(name, {})
        return wanted.items() <= one.items() and one
    return wait_until(look, lambda: "%r of %s in %r" % (
        wanted, name, upstreams(d.ask("status"))))


def wait_page(d, *texts):
    wait_until(lambda: all(text in fetch(d, "/").text for text in texts),
               lambda: "%r in %s" % (texts, fetch(d, "/").text))


def test_one_is_there_and_one_is_not():
    dead = nobody()
    with Upstream() as up, proxy([up.address, dead]) as d:
        clients = [d.connect() for _ in range(2)]
        servers = [up.accept() for _ in clients]
        one = wait_upstream(d, up.address, connections=2)
        equal((one["state"], one["up"], one["attempts"], one["connected"],
               one["failed"], one["error"]), ("up", True, 2, 2, 0, None))
        one = wait_upstream(d, dead, up=False)
        equal((one["state"], one["connections"], one["connecting"],
               one["failed"], one["failed_in_a_row"]), ("down", 0, 0, 1, 1))
        check("Connection refused" in one["error"], one)
        check(one["for_s"] >= 0 and one["since"].endswith("Z"), one)

        wait_page(d, "<h2>Upstreams</h2>", up.address, dead,
                  "Connection refused")
        text = d.sluicectl("status").stdout
        lines = [line.split() for line in text.splitlines()
                 if line.startswith("p ") and dead in line]
        equal(lines[0][:3], ["p", dead, "down"], text)

        clients.pop().close()
        expect_end(servers.pop())
        wait_upstream(d, up.address, connections=1, connected=2)
        for s in clients + servers:
            s.close()


def test_it_comes_back():
    dead = nobody()
    with proxy([dead], fail_count=0) as d:
        expect_gone(d.connect())
        wait_upstream(d, dead, state="down", failed_in_a_row=1)
        with Upstream(dead) as up:
            s = d.connect()
            server = up.accept()
            one = wait_upstream(d, dead, state="up", failed_in_a_row=0)
            # The last error stays, since it may happen again.
            check("Connection refused" in one["error"], one)
            s.close()
            server.close()


def test_metrics():
    dead = nobody()
    tool = shutil.which("promtool")
    with Upstream() as up, proxy([up.address, dead], workers=2) as d:
        clients = [d.connect() for _ in range(4)]
        servers = [up.accept() for _ in clients]
        wait_upstream(d, up.address, connections=4)
        wait_upstream(d, dead, up=False)
        samples = dict(line.rsplit(" ", 1)
                       for line in d.sluicectl("metrics").stdout.splitlines()
                       if line.startswith("sluice_upstream_"))
        labels = '{listener="p",plugin="proxy",upstream="%s"}'
        for name, there, gone in (("up", 1, 0), ("connections", 4, 0),
                                  ("connected_total", 4, 0),
                                  ("failures_total", 0, None)):
            name = "sluice_upstream_" + name
            equal(int(samples[name + labels % up.address]), there, name)
            if gone is not None:
                equal(int(samples[name + labels % dead]), gone, name)
        failures = "sluice_upstream_failures_total" + labels % dead
        check(int(samples[failures]) >= 1, samples)
        for s in clients + servers:
            s.close()
        if tool is None:
            raise Skip("promtool is not here (Debian: prometheus)")
        text = d.sluicectl("metrics").stdout
        result = subprocess.run([tool, "check", "metrics"], input=text,
                                text=True, capture_output=True, check=False)
        equal((result.returncode, result.stderr), (0, ""), "promtool")


def test_a_hostile_name_is_text():
    with proxy(["unix:/nowhere/<script>alert(1)</script>&amp;'"]) as d:
        expect_gone(d.connect())
        wait_page(d, "<h2>Upstreams</h2>", "&lt;script&gt;alert(1)")
        check("<script" not in fetch(d, "/").text)


def test_those_of_a_plugin_that_is_gone_are_not_shown():
    """Its place in the memory may be another listener's by then."""
    with proxy([nobody()]) as d:
        expect_gone(d.connect())
        wait_until(lambda: upstreams(d.ask("status")), "an upstream")
        d.listeners[0]["name"] = "q"
        d.write_config()
        d.reload_ready()
        equal(upstreams(d.ask("status"), "q"), {})


if __name__ == "__main__":
    main()
