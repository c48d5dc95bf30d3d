"""Master, reader, probe and workers run without a message from valgrind:
through a start, traffic, good and bad reloads, a killed worker and a stop.
What a plugin does wrong is shown with its function and line."""

import glob
import os
import re
import shutil
import signal
import subprocess

from sluice_test import (SANITIZED, SLUICED, SOURCE, Daemon, Skip, check,
                         compile_plugin, equal, exchange, listener, main,
                         plugin, receive_line, slow_down, test_plugin,
                         wait_until)

WRONG = """
#include <stdlib.h>
#include <sluice.h>

static ssize_t
writes_too_far(struct sl_conn *c, const void *buf, size_t len)
{
	volatile char *p = malloc(len);

	(void)buf;
	p[len] = 1;
	free((void *)p);
	sl_write(c, "done\\n", 5);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "wrong", .version = "1", .flags = SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = writes_too_far));
"""


def need_valgrind():
    if not shutil.which("valgrind"):
        raise Skip("valgrind is not installed")
    if SANITIZED:
        raise Skip("valgrind and the sanitizers do not go together")
    said = subprocess.run(["valgrind", "-q", SLUICED, "-V"],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True).stdout
    if "unhandled dwarf" in said:
        raise Skip("this valgrind cannot read what this compiler writes")
    slow_down(4)


def launch_with(d, *flags):
    """Start the daemon as the manual says.  Returns what reads the reports."""
    logs = d.path("valgrind")
    os.mkdir(logs)
    d.launcher = ["valgrind", "-q", "--trace-children=yes", "--vgdb=no",
                  "--child-silent-after-fork=yes",
                  "--log-file=" + logs + "/%p"] + list(flags)

    def reports():
        said = ""
        for name in os.listdir(logs):
            with open(os.path.join(logs, name)) as file:
                said += file.read()
        return said

    return reports


def copies_for_valgrind():
    return glob.glob("/tmp/sluiced-valgrind.*")


def test_it_names_what_a_plugin_does():
    need_valgrind()
    before = set(copies_for_valgrind())
    with Daemon(listener("wrong", "./wrong.so"), workers=1, watchdog=0,
                start=False) as d:
        compile_plugin(WRONG, d.path("wrong.so"))
        reports = launch_with(d)
        d.start()
        with d.connect() as s:
            s.sendall(b"x")
            equal(receive_line(s), "done")
        d.stop()
        check(re.search(r"Invalid write of size 1\n.* writes_too_far "
                        r"\(wrong\.so\.c:11\)\n.* callback_data ", reports()),
              reports())
    for name in set(copies_for_valgrind()) - before:
        os.unlink(name)


def test_life():
    need_valgrind()
    before = set(copies_for_valgrind())
    with Daemon(listener("echo", plugin("echo")),
                listener("lines", plugin("lines")),
                workers=2, watchdog=0, drain_timeout=20,
                start=False) as d:
        reports = launch_with(
            d, "--leak-check=full",
            "--show-leak-kinds=definite,indirect",
            "--errors-for-leak-kinds=definite,indirect",
            "--suppressions=" + os.path.join(SOURCE, "tests/valgrind.supp"))
        d.start()
        s = d.connect("echo")
        data = os.urandom(300000)
        check(exchange(s, data) == data, "the echo is not what was sent")
        lines = d.connect("lines")
        lines.sendall(b"a\nbc\n")
        receive_line(lines)
        d.listener("lines")["options"] = {"max_length": "2KiB"}
        d.write_config()
        d.reload_ready()
        d.listener("lines")["plugin"] = test_plugin("badabi")
        d.write_config()
        d.reload_refused()
        d.listener("lines")["plugin"] = plugin("discard")
        del d.listener("lines")["options"]
        d.write_config()
        d.reload_ready()
        check(exchange(s, b"still") == b"still", "the old connection is gone")
        os.kill(d.workers()[1], signal.SIGKILL)
        wait_until(lambda: len(d.log_lines(r"worker 2 .* started")) == 2,
                   "the second worker to come back")
        d.reload_ready()
        s.close()
        lines.close()
        d.stop()
        check(not re.search(r"==\d+== ", reports()), reports())
    for name in set(copies_for_valgrind()) - before:
        os.unlink(name)


main()
