"""Holds a process right before it ends, as a large core dump would."""

import ctypes
import os
import time

from harness.checks import Failure, Skip, check
from harness.places import SLOW

SEIZE, CONT, TRACE_EXIT, EVENT_EXIT = 0x4206, 7, 0x40, 6
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p,
                        ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def seize(pid):
    if libc.ptrace(SEIZE, pid, None, TRACE_EXIT) == -1:
        raise Skip("no process may be traced here")


def hold_at_its_end(pid):
    """Let it get its signals, and stop it right before it ends."""
    end = time.monotonic() + 15 * SLOW
    while time.monotonic() < end:
        found, status = os.waitpid(pid, WALL | os.WNOHANG)
        if found == 0:
            time.sleep(0.005)
            continue
        check(os.WIFSTOPPED(status), "it ended:", status)
        if status >> 16 == EVENT_EXIT:
            return
        number = os.WSTOPSIG(status) if status >> 16 == 0 else 0
        libc.ptrace(CONT, pid, None, number)
    raise Failure("it did not come to its end")


def let_go(pid):
    libc.ptrace(CONT, pid, None, None)
    os.waitpid(pid, WALL)       # the tracer comes before the parent
