"""A plugin that shuts down its standard error does not end the daemon's log.

Under systemd, standard error is a socket to the journal, which the master and
all its children share.
"""

import os
import re
import signal
import socket

from sluice_test import (DEADLINE, SLOW, SLUICED, Daemon, compile_plugin,
                         equal, listener, main, receive_line, scratch)

PLUGIN = r"""
#include <sluice.h>
#include <sys/socket.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	sl_log(sl_service(c), SL_LOG_INFO, "data came");
	shutdown(1, SHUT_RDWR);
	shutdown(2, SHUT_RDWR);
	sl_send(c, "done\n", 5);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "mute", .version = "1", .server = SL_HANDLERS(.data = on_data));
"""


def wait_shown(s, shown, pattern):
    while True:
        found = re.search(pattern, shown[0], re.M)
        if found:
            return found
        more = s.recv(4096)
        if not more:
            raise AssertionError("the log ended: %r" % shown[0])
        shown[0] += more


def test_the_journal_goes_on():
    path = compile_plugin(PLUGIN, os.path.join(scratch(), "mute.so"))
    ours, theirs = socket.socketpair()
    ours.settimeout(DEADLINE * SLOW)
    ours.shutdown(socket.SHUT_WR)       # as the journal does
    st = os.fstat(theirs.fileno())
    shown = [b""]
    with Daemon(listener("m", path), start=False) as d:
        pid = os.fork()
        if pid == 0:
            os.environ["JOURNAL_STREAM"] = "%d:%d" % (st.st_dev, st.st_ino)
            for fd in (1, 2):
                os.dup2(theirs.fileno(), fd)
            os.execv(SLUICED, [SLUICED, "-c", d.config])
        theirs.close()
        port = int(wait_shown(ours, shown,
                              rb"listening on 127.0.0.1:(\d+)").group(1))
        wait_shown(ours, shown, rb"generation 1 ready")
        with socket.create_connection(("127.0.0.1", port)) as s:
            s.sendall(b"x")
            equal(receive_line(s), "done")
        # Lines of a worker have the level for the journal as well.
        wait_shown(ours, shown, rb"^<6>worker 1: m: data came$")
        os.kill(pid, signal.SIGHUP)
        wait_shown(ours, shown, rb"^<6>master: reloading")
        wait_shown(ours, shown, rb"generation 2 ready")
        os.kill(pid, signal.SIGTERM)
        wait_shown(ours, shown, rb"^<6>master: stopped$")
        equal(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), 0)
    ours.close()


main()
