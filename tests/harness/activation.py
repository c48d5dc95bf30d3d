"""Sockets that systemd has opened, given to a daemon as it does."""

import sys

from harness.daemon import Daemon

LAUNCHER = """
import os, sys
fds = [int(fd) for fd in sys.argv[1].split(",")]
spare = [os.dup(fd) for fd in fds]
for i, fd in enumerate(spare):
    os.dup2(fd, 100 + i)
for i in range(len(fds)):
    os.dup2(100 + i, 3 + i)
    os.set_inheritable(3 + i, True)
for fd in range(3 + len(fds), 200):
    try:
        os.close(fd)
    except OSError:
        pass
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


def systemd_daemon(sockets, names, *listeners, daemon=Daemon, **settings):
    """A daemon that gets these sockets under names, with colons between."""
    fds = [s.fileno() for s in sockets]
    return daemon(*listeners, workers=2, pass_fds=fds, launcher=[
        sys.executable, "-c", LAUNCHER, ",".join(map(str, fds))],
        env={"LISTEN_FDS": str(len(fds)), "LISTEN_FDNAMES": names},
        **settings)
