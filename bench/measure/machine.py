"""Cores, priorities, and facts about machine, build and commit."""

import contextlib
import os
import platform
import re
import subprocess
import sys

from harness import places
from measure import BENCH

CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = CORES[0], CORES[-1]


def pinned(*cores):
    """The beginning of a command that runs on these cores only."""
    return ["taskset", "-c", ",".join(map(str, cores))]


def before_others(*pids):
    """Raise the priority above all else that runs here; needs root.  Where the
    kernel has autogroups, one for each session, only theirs counts."""
    for pid in pids:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, pid, -20)
            with open(f"/proc/{pid}/autogroup", "w", encoding="ascii") as file:
                file.write("-20")


def undisturbed(*pids):
    """Let no other process on this machine cause a wait; needs root."""
    for pid in pids:
        with contextlib.suppress(PermissionError):
            os.sched_setscheduler(pid, os.SCHED_RR, os.sched_param(1))


def output_of(*argv):
    try:
        return subprocess.run(argv, check=True, capture_output=True,
                              text=True, cwd=BENCH).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def print_header(bun=None):
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        cpu = re.search(r"model name\s*: (.*)", file.read())
    try:
        with open(f"{places.BUILD}/config.log", encoding="utf-8",
                  errors="replace") as file:
            text = file.read()
    except OSError:
        text = ""
    flags = {name: (re.findall(rf"^{name}='(.*)'$", text, re.M) or ["?"])[-1]
             for name in ("CC", "CFLAGS", "LDFLAGS")}
    print(f"machine: {cpu.group(1) if cpu else platform.machine()}, "
          f"{len(CORES)} cores, Linux {platform.release()}, "
          f"load average {os.getloadavg()[0]:.2f}")
    print("flags:   " + " ".join(f"{key}='{' '.join(value.split())}'"
                                 for key, value in flags.items()))
    print("commit:  " + output_of("git", "describe", "--always", "--dirty"))
    if bun:
        print("bun:     " + output_of(bun, "--version"))
    program = os.path.basename(sys.argv[0])
    print(f"command: bench/{program} {' '.join(sys.argv[1:])}".rstrip())
    sys.stdout.flush()
