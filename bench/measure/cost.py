"""Sections of bench/run: system calls, instructions and memory."""

import collections
import os
import re
import subprocess

from harness import places
from harness.build import plugin
from harness.checks import check
from harness.conf import listener
from measure.loads import Load, load
from measure.report import table, verdict
from measure.servers import (SMALL, Floor, Sluiced, bench_plugin, echo,
                             memory_of)


def floor(**more):
    return Floor(**more)


def sluiced(**more):
    return Sluiced(echo(), echo("five", bench_plugin("five")),
                   listener("default", plugin("echo")),
                   listener("small", plugin("echo"), limits=SMALL), **more)


def calls_of(run, what, make, name, count, *words):
    """System calls of the serving process over its life, by name."""
    where = run.scratch.new(f"{what}-{name}-{len(words)}-{count}")
    trace = os.path.join(where, "strace")
    with make(launcher=["strace", "-f", "-qq", "-o", trace],
              stays=True) as server:
        serving, = server.serving
        load(server.address(name), "-c", 1, "-n", count, *words)
    calls = collections.Counter()
    with open(trace, encoding="utf-8", errors="replace") as file:
        for line in file:
            found = re.match(r"(\d+)\s+(\w+)\(", line)
            if found and int(found.group(1)) == serving:
                calls[found.group(2)] += 1
    return calls


def calls_each(run, what, make, name, few, many, *words):
    """System calls per message: all, and by name."""
    calls = calls_of(run, what, make, name, many, *words)
    calls.subtract(calls_of(run, what, make, name, few, *words))
    each = {call: count / (many - few) for call, count in calls.items()
            if abs(count) > (many - few) / 200}
    return sum(calls.values()) / (many - few), each


def run_calls(run):
    few, many = 200, 2200
    rows = []
    for what, kind, name, words, figure in (
            ("floor, echo of 64 B", floor, "echo", (), None),
            ("sluice, echo of 64 B", sluiced, "echo", (), "echo"),
            ("sluice, five writes of 1 B", sluiced, "five", ("-s", 5),
             "five"),
            ("floor, 16 KiB, 16 deep", floor, "echo",
             ("-s", 16384, "-d", 16), None),
            ("sluice, 16 KiB, 16 deep, default read_buffer", sluiced,
             "default", ("-s", 16384, "-d", 16), None),
            ("sluice, 16 KiB, 16 deep, 16 KiB", sluiced, "small",
             ("-s", 16384, "-d", 16), None),
            ("sluice, 16 KiB, 16 deep, 256 KiB", sluiced, "echo",
             ("-s", 16384, "-d", 16), None)):
        total, each = calls_each(run, kind.__name__, kind, name, few, many,
                                 *words)
        sends = sum(count for call, count in each.items()
                    if call.startswith(("send", "write")))
        rows.append([what, f"{total:.2f}", ", ".join(
            f"{call} {count:.2f}" for call, count in sorted(each.items()))])
        if figure == "echo":
            verdict("system calls per echo", "3", f"{total:.2f}",
                    total < 3.05)
        elif figure == "five":
            verdict("system calls for five writes", "1", f"{sends:.2f}",
                    sends < 1.05)
    table(f"System calls per message (1 connection, 1 in flight where nothing "
          f"else is said; {many} less {few} messages)",
          ["", "calls", "which"], rows)


def instructions_of(run, kind, count):
    """Instructions of the serving process over its life, by function."""
    where = run.scratch.new(f"{kind.__name__}-instructions-{count}")
    launcher = ["valgrind", "-q", "--vgdb=no", "--tool=callgrind",
                f"--callgrind-out-file={where}/%p"]
    if kind is sluiced:  # measure only the worker
        launcher = ["env", f"LD_PRELOAD={places.BUILD}/bench/wrap.so",
                    "BENCH_WRAP=" + " ".join(launcher),
                    f"BENCH_EXE={places.SLUICED}"]
    with kind(launcher=launcher) as server:
        # Root makes the file; the worker's user writes it at the end.
        serving, = server.serving
        out = f"{where}/{serving}"
        check(os.path.exists(out), "callgrind does not run what serves; is "
              "bench/wrap.so older than its source?")
        os.chmod(out, 0o666)
        load(server.address("echo"), "-c", 1, "-n", count)
    check(os.path.getsize(out) > 0, "callgrind wrote nothing to", out)
    text = subprocess.run(
        ["callgrind_annotate", "--auto=no", "--threshold=100", out],
        check=True, stdout=subprocess.PIPE, text=True).stdout
    functions = collections.Counter()
    for found in re.finditer(
            r"^\s*([\d,]+) \([^)]*\)\s+(\S+)(?: \[(\S+)\])?$", text, re.M):
        name = found.group(2).rsplit(":", 1)[-1]
        functions[name] += int(found.group(1).replace(",", ""))
    return functions


def run_instructions(run):
    few, many = run.effort.pick((500, 3500), (1000, 11000))
    totals, rows = {}, []
    for what, kind in (("floor", floor), ("sluice", sluiced)):
        functions = instructions_of(run, kind, many)
        functions.subtract(instructions_of(run, kind, few))
        totals[what] = sum(functions.values()) / (many - few)
        rows.append([f"{what}, all", f"{totals[what]:.0f}"])
        rows += [[f"{what}: {name}", f"{count / (many - few):.0f}"]
                 for name, count in functions.most_common(25)
                 if count >= 2 * (many - few)]
    verdict("user instructions per echo", "<= 1,020",
            f"{totals['sluice']:.0f}", totals["sluice"] <= 1020)
    table(f"User instructions per 64-byte echo (1 connection, 1 in flight; "
          f"callgrind, {many} less {few} messages), and where they go",
          ["", "instructions"], rows)


def growth(server, first, second, size, name="echo", *words):
    """Bytes per connection from `first` to `first + second` idle ones."""
    loads, sizes = [], []
    for count in (first, second):
        loads.append(Load(server.address(name), "-m", "idle",
                          "-c", count, "-s", size, *words))
        loads[-1].wait_line()
        sizes.append(memory_of(server))
    for one in loads:
        one.end()
    return (sizes[1] - sizes[0]) / second


def run_memory(run):
    first, second = run.effort.pick((1000, 4000), (1000, 15000))
    rows = []
    for what, size in (("never said anything", 0), ("echoed one byte", 1)):
        each = []
        for kind in (floor, sluiced):
            with kind() as server:
                each.append(growth(server, first, second, size))
        rows.append([what] + [f"{value:.0f}" for value in each])
        verdict(f"bytes per idle connection that {what}", "<= 512",
                f"{each[1]:.0f}", each[1] <= 512)
    table(f"Memory of the process per idle connection (bytes; from {first:,} "
          f"to {first + second:,} of them)", ["", "floor", "sluice"], rows)
