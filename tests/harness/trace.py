"""The traces of test plugins, and the promised order of callbacks."""

import re

from harness.checks import Failure, check

TRACE = re.compile(r"trace (\d+) (\S+)(?: (.*))?$")


def check_trace(lines, pairs=True):
    """Check the promised order of callbacks for every connection."""
    state = {}
    for line in lines:
        match = TRACE.search(line)
        if not match:
            continue
        connection, event = match.group(1), match.group(2)
        if event == "BAD":
            raise Failure(line)
        if connection == "0" or event in ("call", "note"):
            continue
        before = state.get(connection)
        if event == "handshake":
            check(before is None, "a handshake of what is", before, ":",
                  line)
        elif event == "connect_error":
            check(before is None, "not connected, but", before, ":", line)
            state[connection] = "failed"
        elif event == "open":
            check(before is None, "opened twice:", line)
            state[connection] = "open"
        elif event == "refuse":
            state[connection] = "refused"
        elif event == "close":
            check(before in ("open", "error"),
                  "close of what is", before, ":", line)
            state[connection] = "closed"
        elif event == "error":
            check(before == "open", "error of what is", before, ":", line)
            state[connection] = "error"
        else:
            check(before == "open", "event of what is", before, ":", line)
    if pairs:
        left = [c for c, s in state.items() if s in ("open", "error")]
        check(not left, "opened and never closed:", ", ".join(left[:20]))
