"""Section of bench/run: TLS, next to nginx, haproxy and Bun."""

import contextlib
import os
import shutil
import socket
import time

from harness import certs
from harness.build import plugin
from harness.checks import Failure, wait_until
from harness.conf import listener
from harness.places import patience
from harness.process import children
from harness.program import Program
from measure.compare import Effort, compare, medians, ratio
from measure.cost import calls_each, growth
from measure.machine import CLIENT_CORE, SERVER_CORE, before_others, pinned
from measure.report import at_least, table, verdict
from measure.servers import Bun, Floor, Sluiced

KINDS = {"rsa": "RSA-2048", "ec": "P-256"}
MODULE = "/usr/lib/nginx/modules/ngx_stream_module.so"
DESCRIPTORS = 20000


class Short(Effort):
    """Stretches that are shorter than elsewhere, as there are many."""

    def __init__(self, quick):
        super().__init__(quick)
        self.seconds = 0.15 if quick else 0.4
        self.warm_up = 0.05 if quick else 0.1
        self.repeats = 3 if quick else 5


class Proxy(Program):
    """A server that ends TLS and passes the rest on to `backend`.

    Its listeners have the names of KINDS; those with "-handshake" in addition
    never need the backend.
    """

    names = [kind + more for kind in KINDS for more in ("", "-handshake")]

    def __init__(self, directory, pairs, backend, launcher=(), stays=False):
        super().__init__()
        self.directory, self.pairs, self.backend = directory, pairs, backend
        self.sockets = {name: self.reserve() for name in self.names}
        self.where = {name: "127.0.0.1:%d" % s.getsockname()[1]
                      for name, s in self.sockets.items()}
        for s in self.sockets.values():
            s.close()
        config = os.path.join(directory, "conf")
        with open(config, "w", encoding="ascii") as file:
            file.write(self.config())
        self.spawn(pinned(SERVER_CORE) + list(launcher)
                   + self.command(config))
        self.wait_ready()
        if stays:
            self.pid, = children(self.pid)
        self.serving = self.find_serving()
        before_others(*self.serving)

    @staticmethod
    def reserve():
        one = socket.socket()
        one.bind(("127.0.0.1", 0))
        return one

    def wait_ready(self):
        end = time.monotonic() + patience()
        for where in self.where.values():
            host, _, port = where.rpartition(":")
            while True:
                try:
                    socket.create_connection((host, int(port))).close()
                    break
                except ConnectionRefusedError:
                    if (self.process.poll() is not None
                            or time.monotonic() > end):
                        self.print_log()
                        raise Failure(self.what + " does not start") from None
                    time.sleep(0.02)

    def find_serving(self):
        return [self.pid]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        self.kill()
        if kind is not None:
            self.print_log()

    def address(self, name):
        return self.where[name]


class Nginx(Proxy):
    what = "nginx"

    def command(self, config):
        return ["nginx", "-p", self.directory, "-e", "stderr", "-c", config]

    def find_serving(self):
        # The master listens before it has a worker.
        wait_until(lambda: children(self.pid), "nginx to start a worker")
        return children(self.pid)

    def head(self):
        return f"""
            load_module {MODULE};
            daemon off;
            worker_processes 1;
            worker_rlimit_nofile {DESCRIPTORS};
            pid {self.directory}/pid;
            error_log stderr;
            events {{ worker_connections {DESCRIPTORS}; }}
            stream {{
                ssl_protocols TLSv1.2 TLSv1.3;
                ssl_handshake_timeout 60s;"""

    def config(self):
        text = self.head()
        for name, pair in self.pairs.items():
            for suffix, does in (("", f"proxy_pass {self.backend}"),
                                 ("-handshake", 'return ""')):
                text += f"""
                server {{
                    listen {self.where[name + suffix]} ssl backlog=4096;
                    ssl_certificate {pair.cert};
                    ssl_certificate_key {pair.key};
                    {does};
                }}"""
        return text + "\n}\n"


class Haproxy(Proxy):
    what = "haproxy"
    head = f"""
            global
                maxconn {DESCRIPTORS // 2 - 100}
                nbthread 1
            defaults
                mode tcp
                timeout connect 60s
                timeout client 60s
                timeout server 60s
            """

    def command(self, config):
        return ["haproxy", "-db", "-f", config]

    def both(self, name):
        """Certificate and key in one file."""
        pair = self.pairs[name]
        both = os.path.join(self.directory, name + ".both")
        with open(both, "w", encoding="ascii") as file:
            for path in (pair.cert, pair.key):
                with open(path, encoding="ascii") as part:
                    file.write(part.read())
        return both

    def config(self):
        text = self.head
        for name in self.pairs:
            both = self.both(name)
            for suffix, waits in (("", ""), ("-handshake", """
                tcp-request inspect-delay 60s
                tcp-request content accept if { req.len gt 0 }
                tcp-request content reject""")):
                text += f"""
            listen {name}{suffix}
                bind {self.where[name + suffix]} ssl crt {both} backlog 4096
                {waits}
                server backend {self.backend}
            """
        return text + "\n"


class BunTls(Bun):
    """Echoes TLS, or ends each connection after the handshake."""

    def __init__(self, program, mode, pair):
        super().__init__(program, mode, pair.cert, pair.key)


def sluiced_of(pairs, **more):
    return Sluiced(*[
        listener(name, plugin("echo"), tls={"cert": pair.cert,
                                            "key": pair.key})
        for name, pair in pairs.items()], **more)


def make_pairs(run):
    where = run.scratch.new("certificates")
    return {name: certs.make(where, name, kind=name, subject="localhost",
                             names=("DNS:localhost",)) for name in KINDS}


def find_peers(section="tls", nginx=Nginx, haproxy=Haproxy):
    """Those that are installed; the others are skipped with a sentence."""
    found = []
    for kind, program, more in ((nginx, "nginx", MODULE),
                                (haproxy, "haproxy", None)):
        if not shutil.which(program):
            print(f"\n{section}: without {program}, which is not installed")
        elif more and not os.path.exists(more):
            print(f"\n{section}: without {program}, whose stream module is "
                  "not installed")
        else:
            found.append(kind)
    return found


def megabytes(size):
    return lambda rate: f"{rate * size / 1e6:,.0f}"


class Race:
    """The same load on sluiced and its peers: a table, and the CPU time of
    each server as a multiple of sluiced's."""

    def __init__(self, effort, peers, sluiced):
        self.effort, self.peers, self.sluiced = effort, peers, sluiced

    def run(self, what, listeners, *words, bun=None, unit=None):
        """listeners: sluiced's, and that of each proxy."""
        own, others = listeners
        unit = unit or (lambda rate: f"{rate:,.0f}")
        servers = [(self.sluiced, own)] + [(p, others) for p in self.peers]
        names = ["sluice"] + [p.what for p in self.peers]
        if bun is not None:
            servers.append((bun, None))
            names.append("Bun")
        rows = compare(self.effort, servers, *words)
        figures = zip(*[medians(rows, key) for key in (
            "rate", "p50_us", "p99_us", "server_ns", "server_busy")])
        lines, times = [], {}
        for i, (name, (rate, p50, p99, cpu, busy)) in enumerate(
                zip(names, figures)):
            times[name] = ratio(rows, "server_ns", i)
            lines.append([f"{what}: {name}", unit(rate), unit(1e9 / cpu),
                          f"{times[name]:.2f}", f"{cpu / 1e3:,.1f}",
                          f"{p50:,.0f} / {p99:,.0f}", f"{100 * busy:.0f} %"])
        return lines, times


HEAD = ["", "per second", "per second of CPU", "CPU, sluice = 1", "us of CPU",
        "p50/p99 us", "busy"]


def measure_handshakes(run, race, pairs):
    lines = []
    for what, name, words in (
            ("full, RSA-2048", "rsa", ()), ("full, P-256", "ec", ()),
            ("resumed, P-256", "ec", ("-R",))):
        with contextlib.ExitStack() as stack:
            bun = stack.enter_context(BunTls(
                run.bun, "handshake", pairs[name])) if run.bun else None
            more, times = race.run(
                what, (name, name + "-handshake"), "-m", "handshake",
                "-c", 20, *words, bun=bun)
        lines += more
        best = [times[p.what] for p in race.peers]
        if best:
            at_least(f"TLS handshakes, {what}, of the best of "
                     + " and ".join(p.what for p in race.peers), 1,
                     min(best))
    table(f"TLS handshakes, 20 at a time, {text_of(race.effort)}", HEAD,
          lines)


def text_of(effort):
    return (f"medians of {effort.repeats} alternating stretches of "
            f"{effort.seconds} s")


def measure_traffic(run, race, pairs):
    with contextlib.ExitStack() as stack:
        bun = stack.enter_context(BunTls(
            run.bun, "echo", pairs["ec"])) if run.bun else None
        echo, _ = race.run("echoes of 64 B", ("ec", "ec"), "-T", "-s", 64,
                           "-c", 50, bun=bun)
        bulk, times = race.run(
            "MB/s each way", ("ec", "ec"), "-T", "-s", 16384, "-d", 8, "-c",
            10, bun=bun, unit=megabytes(16384))
    if Nginx.what in times:
        at_least("TLS bulk, of nginx", 1.2, times[Nginx.what])
    table("TLS, 64 bytes, 1 in flight on each of 50 connections; and 16 KiB, "
          f"8 in flight on each of 10; {text_of(race.effort)}", HEAD,
          echo + bulk)


def measure_memory(run, pairs, peers, backend):
    first, second = run.effort.pick((200, 800), (500, 2000))
    row = ["bytes"]
    makers = [lambda: sluiced_of(pairs)] + [
        lambda kind=kind: kind(run.scratch.new("memory-" + kind.what), pairs,
                               backend) for kind in peers]
    for make in makers:
        with make() as server:
            row.append(f"{growth(server, first, second, 1, 'ec', '-T'):,.0f}")
    if run.bun:
        with BunTls(run.bun, "echo", pairs["ec"]) as server:
            row.append(
                f"{growth(server, first, second, 1, 'ec', '-T'):,.0f}")
    each = int(row[1].replace(",", ""))
    verdict("bytes per idle TLS connection", "<= 16,384", row[1],
            each <= 16384)
    table("Memory of the process per idle TLS connection that echoed one byte "
          f"(from {first:,} to {first + second:,} of them)",
          ["", "sluice"] + [kind.what for kind in peers]
          + (["Bun"] if run.bun else []), [row])


def measure_calls(run, pairs, peers, backend):
    if not shutil.which("strace"):
        print("\ntls: no system calls, strace is not installed")
        return
    makers = {"sluice": lambda **more: sluiced_of(pairs, **more)}
    for kind in peers:
        makers[kind.what] = lambda kind=kind, **more: kind(
            run.scratch.new("calls-%s-%d" % (
                kind.what, len(os.listdir(run.scratch.path)))), pairs,
            backend, **more)
    few, many = 100, 1100
    rows = []
    for name, make in makers.items():
        total, each = calls_each(run, "tls-" + name, make, "ec", few, many,
                                 "-T")
        rows.append([name, f"{total:.2f}", ", ".join(
            f"{call} {count:.2f}" for call, count in sorted(each.items()))])
        if name == "sluice":
            verdict("system calls per TLS echo", "3", f"{total:.2f}",
                    total < 3.05)
    table("System calls per TLS echo of 64 B (1 connection, 1 in flight; "
          f"{many} less {few} messages)", ["", "calls", "which"], rows)


def run_tls(run):
    pairs, peers = make_pairs(run), find_peers()
    effort = Short(run.effort.quick)
    with Floor(cores=(CLIENT_CORE,)) as floor:
        backend = floor.address(None)
        with contextlib.ExitStack() as stack:
            sluiced = stack.enter_context(sluiced_of(pairs))
            proxies = [stack.enter_context(kind(
                run.scratch.new(kind.what), pairs, backend))
                for kind in peers]
            race = Race(effort, proxies, sluiced)
            measure_handshakes(run, race, pairs)
            measure_traffic(run, race, pairs)
        measure_memory(run, pairs, peers, backend)
        measure_calls(run, pairs, peers, backend)
