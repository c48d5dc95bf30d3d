"""Sections of bench/run: how a reload and a crash disturb connections, and how
long a question takes."""

import os
import re
import shutil
import signal
import statistics
import time

from harness.build import plugin
from harness.checks import equal
from measure.loads import Load, ask
from measure.machine import CLIENT_CORE, CORES, undisturbed
from measure.report import table, verdict
from measure.servers import Sluiced, echo

SLOW_US = 60  # an undisturbed ping-pong takes about this
CRASH_HOWS = (signal.SIGKILL, signal.SIGSEGV)


def milliseconds(values):
    return [f"{statistics.median(values):.1f}", f"{min(values):.1f}",
            f"{max(values):.1f}"]


def run_reload(run):
    """The longest wait of one ping-pong connection around a reload."""
    rows, middle = [], {}
    times = run.effort.pick(5, 15)
    for idle in (10, 10000):
        image = os.path.join(run.scratch.path, f"reload-{idle}.so")
        shutil.copy(plugin("echo"), image)
        with Sluiced(echo(path=image)) as server:
            # Keep reader and probe off the worker's core.
            os.sched_setaffinity(server.pid, {CLIENT_CORE})
            undisturbed(*server.serving)
            holder = Load(server.address("echo"), "-m", "idle", "-c", idle,
                          "-s", 1)
            holder.wait_line()
            for what in ("no reload", "nothing changed", "new image"):
                longest = [stall(server, image, what) for _ in range(times)]
                middle[idle, what] = statistics.median(longest)
                rows.append([f"{what}, {idle:,} connections",
                             f"{middle[idle, what]:,.0f}",
                             f"{min(longest):,.0f}", f"{max(longest):,.0f}"])
            holder.end()
    table(f"Longest wait of one ping-pong connection, us ({times} times each)",
          ["", "median", "least", "most"], rows)
    few, many = middle[10, "new image"], middle[10000, "new image"]
    verdict("reload: wait with 10,000 connections, against 10",
            "does not grow", f"{few:,.0f} -> {many:,.0f} us",
            many < 1.5 * few + 50)


def stall(server, image, what):
    """Microseconds of the slowest echo between SIGHUP and `ready`."""
    ping = Load(server.address("echo"), "-c", 1, "-t", 0.4, "-w", 0,
                "-l", SLOW_US)
    undisturbed(ping.pid)
    time.sleep(0.15)
    if what == "new image":
        replace_image(image)
    begin = time.monotonic()
    if what == "no reload":
        time.sleep(0.05)
    else:
        server.reload_ready()
    end = time.monotonic()
    slow = [float(us) for begun, us in re.findall(
        r"slow begun_s=(\S+) us=(\S+)", ping.end())
        if begin - 0.005 < float(begun) < end]
    return max(slow, default=SLOW_US)


def replace_image(path):
    """Another image of the same code: bytes after the end change its hash."""
    with open(path + ".new", "wb") as new, open(path, "rb") as old:
        new.write(old.read() + b"\n")
    os.rename(path + ".new", path)


def run_crash(run):
    """Time from the death of a worker to the next echo and to a new worker."""
    rows = []
    for workers in (1, 4):
        for how in CRASH_HOWS:
            served, replaced = [], []
            while len(served) < run.effort.pick(4, 20):
                with Sluiced(echo(), workers=workers,
                             arguments=["-v"]) as server:
                    # Each worker only once: a second crash would back off.
                    for worker in range(1, workers + 1):
                        one, whole = crash(server, worker, how)
                        served.append(one)
                        replaced.append(whole)
            what = f"{how.name}, {workers} worker{'s' * (workers > 1)}"
            for name, times, most_ms in (("next echo", served, 10),
                                         ("replacement", replaced, 100)):
                middle = statistics.median(times)
                rows.append([f"{what}: {name}"] + milliseconds(times))
                verdict(f"crash, {what}: {name}", f"<= {most_ms} ms",
                        f"{middle:.1f} ms", middle <= most_ms)
    table("From the signal to the next new connection's echo, and to a new "
          "worker that serves, ms", ["", "median", "least", "most"], rows)


def crash(server, worker, how):
    """Kill a worker.  Returns milliseconds to an echo and to its successor."""
    victim, address = server.workers()[worker - 1], server.address("echo")
    since = server.mark()
    begin = time.monotonic()
    os.kill(victim, how)
    equal(ask(address), b"x", "echo")
    echoed = time.monotonic()
    server.wait_log(rf"worker {worker}: entering -> serving", since)
    return 1e3 * (echoed - begin), 1e3 * (time.monotonic() - begin)


def run_status(run):
    """The time of a whole sluicectl, with 10,000 connections open."""
    count, times = 10000, run.effort.pick(5, 15)
    rows = []
    with Sluiced(echo(), workers=3, control="control.sock",
                 cores=CORES) as server:
        holder = Load(server.address("echo"), "-m", "idle", "-c", count,
                      "-s", 1)
        holder.wait_line()
        for words in (("status",), ("status", "--json"), ("metrics",),
                      ("conns", "--json")):
            took, lines = [], 0
            for _ in range(times):
                begin = time.monotonic()
                result = server.sluicectl(*words)
                took.append((time.monotonic() - begin) * 1e3)
                equal(result.returncode, 0, result.stderr)
                lines = result.stdout.count("\n")
            rows.append(["sluicectl " + " ".join(words), *milliseconds(took),
                         f"{lines:,}"])
            if words == ("status",):
                middle = statistics.median(took)
                verdict(f"sluicectl status, {count:,} connections",
                        "<= 50 ms", f"{middle:.1f} ms", middle <= 50)
        holder.end()
    table(f"Questions over the control socket, {count:,} connections in 3 "
          f"workers, ms ({times} times each)",
          ["", "median", "least", "most", "lines"], rows)
