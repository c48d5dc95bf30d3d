"""A file that replaces a unix socket right after bind(2) keeps its rights."""

import os
import shutil
import stat
import subprocess

from sluice_test import (Daemon, Skip, check, children, equal, listener,
                         main, make_directory, need, need_root, plugin,
                         wait_until)

HOLD_US = 1000000       # delay after bind(2)


def test_a_link_put_there_is_not_given_away():
    need_root()
    strace = [need("strace"), "-qq", "-o", "/dev/null",
              "-e", "inject=bind:delay_exit=%d" % HOLD_US]
    if subprocess.run(strace + ["true"], stderr=subprocess.DEVNULL
                      ).returncode != 0:
        raise Skip("strace cannot trace here")
    directory = make_directory()
    path = os.path.join(directory, "socket")
    other = os.path.join(directory, "other")
    with open(other, "w"):
        os.chmod(other, 0o600)
    d = Daemon(listener("echo", plugin("echo"), listen="unix:" + path,
                        mode="0666", owner="nobody"),
               start=False, launcher=strace)
    # The leak sanitizer does not work under strace.
    d.env["ASAN_OPTIONS"] = "detect_leaks=0"
    try:
        d.start(wait=False)
        wait_until(lambda: os.path.lexists(path), "the socket")
        os.unlink(path)
        os.link(other, path)
        d.wait_log("could not start")
        d.wait_exit(1)
        check(d.log_lines("another process is replacing it"),
              d.messages())
        status = os.stat(other)
        equal(oct(stat.S_IMODE(status.st_mode)), "0o600")
        equal(status.st_uid, 0)
    finally:
        if d.process is not None:
            for pid in children(d.pid):
                os.kill(pid, 9)
        shutil.rmtree(directory)


main()
