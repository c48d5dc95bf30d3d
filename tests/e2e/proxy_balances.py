"""proxy: who gets a connection, by turns, load and address; and mistakes."""

import contextlib
import re
import select

from sluice_test import (Daemon, check, equal, expect_end, listener, main,
                         plugin, reset)
from harness.upstream import Upstream, nobody


def proxy(upstreams, **options):
    return Daemon(listener("p", plugin("proxy"), options=dict(
        {"upstreams": upstreams}, **options)))


def turns(d, ups, count, **where):
    """Who gets each of so many connections, which stay open."""
    got = ""
    for _ in range(count):
        s = d.connect(**where)
        ready = select.select([u.sock for u in ups], [], [], 10)[0]
        equal(len(ready), 1, "upstreams that were asked")
        index = [u.sock for u in ups].index(ready[0])
        got += "abcdef"[index]
        ups[index].open.append((s, ups[index].accept()))
    return got


class Ups(list):
    def __init__(self, count):
        super().__init__(Upstream() for _ in range(count))
        for u in self:
            u.open = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for u in self:
            u.close()

    def leave(self):
        for u in self:
            for s, server in u.open:
                s.close()
                server.close()


@contextlib.contextmanager
def served(words, **options):
    """An upstream for each of these, which may be words behind its address."""
    with Ups(len(words)) as ups:
        specs = [(u.address + " " + more).strip()
                 for u, more in zip(ups, words)]
        with proxy(specs, **options) as d:
            yield ups, d
            ups.leave()


def test_turns():
    with served(["", "", ""]) as (ups, d):
        equal(turns(d, ups, 7), "abcabca")
    with served(["weight=5", "", ""]) as (ups, d):
        equal(turns(d, ups, 14), "aabacaaaabacaa")


def test_least_connections():
    with served(["", "", "weight=2"],
                balance="least_connections") as (ups, d):
        got = turns(d, ups, 8)
        equal([got.count(c) for c in "abc"], [2, 2, 4])
        for s, server in ups[0].open:
            server.close()
            s.close()
        d.wait_log("proxied ", count=2)
        ups[0].open = []
        equal(turns(d, ups, 2), "aa")


def test_hash_of_the_address():
    clients = ["127.0.0.%d" % i for i in range(1, 121)]
    with served(["", "", "", "weight=3"], balance="hash_address",
                fail_count=1, fail_backoff="1m",
                fail_backoff_max="1m") as (ups, d):
        first = {c: turns(d, ups, 1, source=c) for c in clients}
        equal({c: turns(d, ups, 1, source=c) for c in clients}, first)
        shares = [list(first.values()).count(x) for x in "abcd"]
        # 20 each and 60, give or take: the ports of this run decide.
        check(all(1 <= n <= 50 for n in shares[:3])
              and 30 <= shares[3] <= 95, shares)
        # Without b, only the clients of b move, and not all to one.
        ups[1].close()
        ups[1].sock = ups[0].sock
        rest = [ups[0], ups[2], ups[3]]
        moved = set()
        for c in clients:
            now = "acd"["abc".index(turns(d, rest, 1, source=c))]
            if first[c] == "b":
                moved.add(now)
            else:
                equal(now, first[c], "the upstream of " + c)
        check(len(moved) >= 2, moved)


def test_backups():
    with served(["backup", "", "max_connections=1", "backup"],
                fail_count=1, fail_backoff="1m",
                fail_backoff_max="1m") as (ups, d):
        equal(turns(d, ups, 4), "bcbb")
        ups[1].close()
        ups[1].sock = ups[0].sock
        rest = [ups[0], ups[2], ups[3]]
        equal(turns(d, rest, 3), "aca")


def test_max_connections():
    with served(["", "max_connections=1"], max_connections=2) as (ups, d):
        equal(sorted(turns(d, ups, 3)), ["a", "a", "b"])
        expect_end(d.connect())
        d.wait_log("no upstream: all are out or full$")
        for s in ups[1].open.pop():
            reset(s)
        d.wait_log("proxied ")
        equal(turns(d, ups, 1), "b")


def test_mistakes():
    ok = [nobody()]
    with proxy(ok) as d:
        for options, said in (
                ({}, "upstreams.*at least one upstream is needed"),
                ({"upstreams": ["localhost"]}, "has no port"),
                ({"upstreams": ["localhost:0"]}, "no port from 1 to 65535"),
                ({"upstreams": ["localhost:65536"]}, "no port from 1 to"),
                ({"upstreams": ["::1:80"]}, r"written as \[ADDRESS\]:PORT"),
                ({"upstreams": ["[::g]:80"]}, r"written as \[ADDRESS\]:PORT"),
                ({"upstreams": ["a b:80"]}, "has no port"),
                ({"upstreams": [":80"]}, "neither a name nor an address"),
                ({"upstreams": [""]}, "an address is empty"),
                ({"upstreams": ["x" * 300 + ":1"]}, "an address of 302 byt"),
                ({"upstreams": ["unix:here"]}, "not unix: and a path"),
                ({"upstreams": ["unix:/" + "x" * 108]}, "at most 107 bytes"),
                ({"upstreams": ["a:1 weight=0"]}, "weight=N, N from 1 to 10"),
                ({"upstreams": ["a:1 weight=1001"]}, "weight=N, N from 1 to"),
                ({"upstreams": ["a:1 wait=1"]}, 'followed by "wait=1"'),
                ({"upstreams": ["a:1 backups"]}, "which is none of weight"),
                ({"upstreams": ["a:1", "a:1"]}, '"a:1" is there twice'),
                ({"balance": "fair"}, '"fair" is none of: round_robin, least'),
                ({"send_proxy": "v3"}, '"v3" is none of: none, v1, v2'),
                ({"retries": -1}, "from 0 to 31"),
                ({"fail_count": 1 << 16}, "from 0 to 65535"),
                ({"fail_backoff": "0s"}, "longer than 0"),
                ({"fail_backoff": "1m"}, "60000 ms is longer than fail_backoff_max, "
                 "30000 ms"),
                ({"connect_timeout": 0}, "longer than 0")):
            if options:
                options.setdefault("upstreams", ok)
            d.listener("p")["options"] = options
            d.write_config()
            out = d.reload_refused()
            check(re.search(said, out) and "sluice.conf:" in out, out)
        d.listener("p")["options"] = {"upstreams": [
            "[::1]:80", "[fe80::1%lo]:80", "unix:@x weight=3",
            "example.org:80 max_connections=4000000000 weight=1000"]}
        d.write_config()
        d.reload_ready()


main()
