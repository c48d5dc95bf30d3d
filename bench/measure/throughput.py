"""Sections of bench/run: how much goes through, and how fast."""

import contextlib
import statistics

from harness.conf import listener
from harness.process import peer_ports
from harness.build import plugin
from measure.compare import compare, in_turn, medians, ratio
from measure.loads import Load
from measure.machine import CORES
from measure.report import at_least, table
from measure.servers import (SMALL, Bun, Floor, Sluiced, bench_plugin, cpu_of,
                             echo)

ECHOS = [  # bytes, in flight, connections
    (64, 1, 1), (64, 1, 50), (64, 16, 50), (64, 1, 500), (64, 16, 500),
    (16384, 1, 50), (16384, 16, 50),
]
NOT_MEASURED = "not measured"


def run_echo(run):
    head = ["bytes x in flight x connections", "floor msg/s", "sluice msg/s",
            "ratio", "floor p50/p99/p99.9 us", "sluice p50/p99/p99.9 us",
            "floor ns cpu", "sluice ns cpu", "busy"]
    rows = []
    with Floor() as floor, Sluiced(echo()) as sluiced:
        for size, depth, connections in ECHOS:
            pairs = compare(run.effort, [(floor, None), (sluiced, "echo")],
                            "-s", size, "-d", depth, "-c", connections)
            late = [medians(pairs, key) for key in
                    ("p50_us", "p99_us", "p999_us")]
            share = ratio(pairs, "rate", 1)
            rate, cpu = medians(pairs, "rate"), medians(pairs, "server_ns")
            rows.append(
                [f"{size} x {depth} x {connections}"] +
                [f"{value:,.0f}" for value in rate] + [f"{share:.3f}"] +
                [" / ".join(f"{x[i]:.0f}" for x in late) for i in (0, 1)] +
                [f"{value:.0f}" for value in cpu] +
                [" / ".join(f"{100 * value:.0f} %" for value in
                            medians(pairs, "server_busy"))])
            what = f"echo {size} B, {depth} deep, {connections} connections"
            if connections == 1:
                continue  # this measures latency, not throughput
            at_least(f"{what}, of the floor", 0.97, share)
    table(f"Echo, {stretches(run)}", head, rows)


def stretches(run):
    return (f"medians of {run.effort.repeats} alternating stretches of "
            f"{run.effort.seconds} s")


def run_accept(run):
    with Floor() as floor, Sluiced(echo()) as sluiced:
        pairs = compare(run.effort, [(floor, None), (sluiced, "echo")],
                        "-m", "accept", "-c", 50)
    rate, cpu = medians(pairs, "rate"), medians(pairs, "server_ns")
    table("Accept, echo one byte, close; 50 at a time",
          ["", "floor", "sluice", "ratio"],
          [["connections/s", f"{rate[0]:,.0f}", f"{rate[1]:,.0f}",
            f"{ratio(pairs, 'rate', 1):.3f}"],
           ["ns of server CPU each", f"{cpu[0]:,.0f}", f"{cpu[1]:,.0f}",
            f"{ratio(pairs, 'server_ns', 1):.3f}"]])


# Against Bun as well, where there is one.

def race(run, mode, candidates, *words):
    """Head and rows of a table, one row for each server, and the rate of each
    as a share: by name of the floor's, by (name, "Bun") of Bun's.

    candidates are pairs of a name and (server, listener); the floor is first.
    """
    with contextlib.ExitStack() as stack:
        if run.bun:
            candidates = candidates + [
                ("Bun", (stack.enter_context(Bun(run.bun, mode)), None))]
        rows = compare(run.effort, [pair for _, pair in candidates], *words)
    figures = [medians(rows, key) for key in (
        "rate", "p50_us", "p99_us", "server_ns", "server_busy")]
    lines, shares = [], {}
    for i, ((name, _), (rate, p50, p99, cpu, busy)) in enumerate(
            zip(candidates, zip(*figures))):
        shares[name] = ratio(rows, "rate", i)
        if run.bun:
            shares[name, "Bun"] = ratio(rows, "rate", i, -1)
        lines.append([name, f"{rate:,.0f}", f"{shares[name]:.3f}",
                      f"{p50:,.0f} / {p99:,.0f}", f"{cpu:,.0f}",
                      f"{100 * busy:.0f} %"])
    if not run.bun:
        lines.append(["Bun", NOT_MEASURED, "", "", "", ""])
    return ["", "msg/s", "of the floor", "p50/p99 us", "ns cpu",
            "busy"], lines, shares


def run_read(run):
    """Large messages, many in flight."""
    size, depth, connections = 16384, 16, 50
    default = "sluice, default read_buffer"
    with Floor() as floor, Sluiced(
            echo(), listener("default", plugin("echo")),
            listener("small", plugin("echo"), limits=SMALL)) as sluiced:
        head, rows, shares = race(
            run, "echo", [("floor", (floor, None)),
                          (default, (sluiced, "default")),
                          ("sluice, 16 KiB", (sluiced, "small")),
                          ("sluice, 256 KiB", (sluiced, "echo"))],
            "-s", size, "-d", depth, "-c", connections)
    table(f"Echo of {size} bytes, {depth} in flight on each of {connections} "
          f"connections, {stretches(run)}", head, rows)
    what = f"echo {size} B, {depth} deep, default read_buffer"
    at_least(f"{what}, of the floor", 0.97, shares[default])
    if run.bun:
        at_least(f"{what}, of Bun", 1, shares[default, "Bun"])


def run_broadcast(run):
    """One connection sends to all others."""
    members, size = 1000, 64
    with Floor("broadcast") as floor, Sluiced(
            listener("room", bench_plugin("room")),
            listener("each", bench_plugin("room"),
                     options={"each": True})) as sluiced:
        head, rows, shares = race(
            run, "broadcast", [("floor", (floor, None)),
                               ("sl_broadcast", (sluiced, "room")),
                               ("sl_send to each", (sluiced, "each"))],
            "-m", "broadcast", "-s", size, "-c", members + 1)
    table(f"A message of {size} bytes to {members:,} members: deliveries, "
          f"{stretches(run)}", head, rows)
    at_least("broadcast by sl_broadcast, of the floor", 0.97,
             shares["sl_broadcast"])
    if run.bun:
        at_least("broadcast by sl_send to each, of Bun", 1,
                 shares["sl_send to each", "Bun"])


# Several workers.

WORKERS = (1, 2, 4)
CONNECTIONS = 200


def spread_of(counts):
    """Least and most, as shares of the mean."""
    mean = statistics.mean(counts)
    return [min(counts) / mean, max(counts) / mean] if mean else [0, 0]


def spread_text(results, key):
    least, most = (statistics.median(result[key][i] for result in results)
                   for i in (0, 1))
    return f"{100 * least:.0f} / {100 * most:.0f} %"


def crowd(run, server, name, cores):
    """One stretch of load from several generators, and how evenly the workers
    shared it."""
    loads = [Load(server.address(name), "-s", 64, "-d", 4, "-p", "-w", 0,
                  "-c", CONNECTIONS // len(cores), "-t", run.effort.seconds,
                  core=core) for core in cores]
    for one in loads:
        one.wait_line()
    # Which process has which connections; None without permission.
    ports = [peer_ports(pid) for pid in server.serving]
    before = cpu_of(server)
    for one in loads:
        one.go()
    for one in loads:
        one.wait_line()
    used = cpu_of(server) - before
    results = [one.result() for one in loads]
    messages = {}
    for result in results:
        messages.update(result["ports"])
    total = sum(result["messages"] for result in results)
    known = None not in ports
    return {
        "rate": sum(result["rate"] for result in results),
        "server_ns": used / total,
        "connections": spread_of([len(one & messages.keys())
                                  for one in ports]) if known else None,
        "messages": spread_of([sum(messages.get(port, 0) for port in one)
                               for one in ports]) if known else None,
    }


def run_workers(run):
    half = len(CORES) // 2
    server_cores, client_cores = CORES[:half], CORES[half:]
    rows, alone = [], None
    for count in WORKERS:
        with Floor(processes=count, cores=server_cores) as floor, Sluiced(
                echo(), workers=count, cores=server_cores) as sluiced:
            pairs = in_turn(run.effort, [
                lambda: crowd(run, floor, None, client_cores),
                lambda: crowd(run, sluiced, "echo", client_cores)])
        rate, cpu = medians(pairs, "rate"), medians(pairs, "server_ns")
        alone = alone or rate[1]
        shared = [NOT_MEASURED] * 4
        if pairs[0][1]["messages"]:
            shared = [spread_text([row[i] for row in pairs], key)
                      for key in ("connections", "messages") for i in (0, 1)]
        rows.append([f"{count}"] + [f"{value:,.0f}" for value in rate]
                    + [f"{ratio(pairs, 'rate', 1):.3f}",
                       f"{rate[1] / alone:.2f}"]
                    + [f"{value:.0f}" for value in cpu] + shared)
    table(f"Workers: 64 bytes, 4 in flight on each of {CONNECTIONS} "
          f"connections; {len(server_cores)} cores for the server, "
          f"{len(client_cores)} for the load; {stretches(run)}",
          ["workers", "floor msg/s", "sluice msg/s", "ratio",
           "of 1 worker", "floor ns cpu", "sluice ns cpu",
           "connections: floor", "sluice", "messages: floor", "sluice"], rows)
