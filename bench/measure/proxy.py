"""Section of bench/run: the plugin proxy, next to nginx and haproxy."""

import contextlib

from harness.build import plugin
from harness.conf import listener
from measure.cost import growth
from measure.machine import CLIENT_CORE
from measure.report import at_least, table, verdict
from measure.servers import Floor, Sluiced
from measure.tls import (HEAD, Haproxy, Nginx, Race, Short, find_peers,
                         make_pairs, megabytes, text_of)

SPLICED = "haproxy, splice"


class PlainNginx(Nginx):
    """Listens without TLS, too."""

    names = ["plain", "ec"]

    def config(self):
        pair = self.pairs["ec"]
        # Otherwise it ends both sides with the first end, and cuts answers.
        return self.head() + f"""
                proxy_half_close on;
                server {{
                    listen {self.where["plain"]} backlog=4096;
                    proxy_pass {self.backend};
                }}
                server {{
                    listen {self.where["ec"]} ssl backlog=4096;
                    ssl_certificate {pair.cert};
                    ssl_certificate_key {pair.key};
                    proxy_pass {self.backend};
                }}
            }}
            """


class PlainHaproxy(Haproxy):
    names = ["plain", "ec"]
    option = ""

    def config(self):
        return self.head + f"""
                {self.option}
            listen plain
                bind {self.where["plain"]} backlog 4096
                server backend {self.backend}
            listen ec
                bind {self.where["ec"]} ssl crt {self.both("ec")} backlog 4096
                server backend {self.backend}
            """ + "\n"


class SplicingHaproxy(PlainHaproxy):
    what = SPLICED
    option = "option splice-auto"
    head = Haproxy.head.replace("nbthread 1", """nbthread 1
                maxpipes 200""").replace("maxconn", "maxconn 5000 #")


def sluiced_of(pairs, backend):
    options = {"upstreams": [backend], "log_connections": False}
    pair = pairs["ec"]
    return Sluiced(
        listener("plain", plugin("proxy"), options=options),
        listener("ec", plugin("proxy"), options=options,
                 tls={"cert": pair.cert, "key": pair.key}))


def best_of(times, what, figure, but=()):
    """The CPU time of the best of them, as a multiple of sluiced's."""
    others = [value for name, value in times.items()
              if name != "sluice" and name not in but]
    if others:
        at_least(f"{what}, of the best of nginx and haproxy", figure,
                 min(others))


def measure_traffic(run, race):
    lines = []
    for what, figure, words, unit in (
            ("64 B, 1 x 50", 1.1, ("-s", 64, "-c", 50), None),
            ("64 B, 1 x 1", None, ("-s", 64, "-c", 1), None),
            ("64 KiB, 1 x 50, MB/s", 1.5, ("-s", 65536, "-c", 50), 65536),
            ("64 KiB, 8 x 10, MB/s", None,
             ("-s", 65536, "-d", 8, "-c", 10), 65536),
            ("connect", 1.0, ("-m", "accept", "-c", 50), None)):
        more, times = race.run(what, ("plain", "plain"), *words,
                               unit=unit and megabytes(unit))
        lines += more
        if figure:
            best_of(times, f"proxy, {what}", figure)
    table("Proxies: bytes x in flight x connections; connect: one byte over a "
          f"new connection, 50 at a time; {text_of(race.effort)}", HEAD,
          lines)


def measure_tls(run, race):
    lines = []
    for what, figure, words, unit in (
            ("64 B, 1 x 50", 1.1, ("-s", 64, "-c", 50), None),
            ("64 KiB, 1 x 50, MB/s", 1.1, ("-s", 65536, "-c", 50), 65536)):
        more, times = race.run(what, ("ec", "ec"), "-T", *words,
                               unit=unit and megabytes(unit))
        lines += more
        best_of(times, f"proxy that ends TLS, {what}", figure)
    table(f"Proxies that end TLS, {text_of(race.effort)}", HEAD, lines)


def measure_memory(run, pairs, kinds, backend):
    first, second = run.effort.pick((200, 800), (500, 2000))
    makers = [lambda _: sluiced_of(pairs, backend)] + [
        lambda name, kind=kind: kind(
            run.scratch.new(f"idle-{kind.what}-{name}"), pairs, backend)
        for kind in kinds]
    rows = [["plain"], ["TLS ends here"]]
    figures = [[], []]
    for make in makers:
        for row, found, name, more in zip(
                rows, figures, ("plain", "ec"), ((), ("-T",))):
            with make(name) as server:
                found.append(growth(server, first, second, 1, name, *more))
            row.append(f"{found[-1]:,.0f}")
    for what, found in zip(("", " that ends TLS"), figures):
        if len(found) > 1:
            least = min(found[1:])
            verdict(f"proxy{what}, memory per idle connection",
                    f"<= {least / 2:,.0f}", f"{found[0]:,.0f}",
                    found[0] <= least / 2)
    table("Memory of the process per idle proxied connection, over which one "
          f"byte has gone both ways (from {first:,} to {first + second:,} of "
          "them)", ["", "sluice"] + [kind.what for kind in kinds], rows)


def run_proxy(run):
    pairs = make_pairs(run)
    kinds = find_peers("proxy", PlainNginx, PlainHaproxy)
    racers = kinds + ([SplicingHaproxy] if PlainHaproxy in kinds else [])
    with Floor(cores=(CLIENT_CORE,)) as floor:
        backend = floor.address(None)
        with contextlib.ExitStack() as stack:
            sluiced = stack.enter_context(sluiced_of(pairs, backend))
            proxies = [stack.enter_context(kind(
                run.scratch.new(kind.what.replace(", ", "-")), pairs,
                backend)) for kind in racers]
            measure_traffic(run, Race(Short(run.effort.quick), proxies,
                                      sluiced))
            measure_tls(run, Race(Short(run.effort.quick), proxies[:2],
                                  sluiced))
        measure_memory(run, pairs, kinds, backend)
