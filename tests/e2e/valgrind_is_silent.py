"""Master, reader, probe and workers run without a message from valgrind:
through a start, traffic, good and bad reloads, a killed worker and a stop."""

import os
import re
import shutil
import signal
import subprocess

from sluice_test import (SANITIZED, SLUICED, SOURCE, Daemon, Skip, check,
                         compiler, exchange, listener, main, plugin,
                         receive_line, slow_down, test_plugin, wait_until)

# The daemon runs /proc/self/exe for its children, which under valgrind is
# valgrind itself: run valgrind with the real program instead.
EXEC = r"""
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

static char *words;

/* At execv(3) the environment of a child is already gone. */
static void __attribute__((constructor)) remember(void)
{
	const char *text = getenv("TEST_VALGRIND");

	words = text != NULL ? strdup(text) : NULL;
}

int
execv(const char *path, char *const argv[])
{
	char *args[64], *word, *rest;
	int n = 0;

	if (strcmp(path, "/proc/self/exe") != 0 || words == NULL)
		return execve(path, argv, environ);
	for (word = strtok_r(words, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest))
		args[n++] = word;
	for (int i = 1; argv[i] != NULL && n < 63; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	return execvp(args[0], args);
}
"""


def test_life():
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
    with Daemon(listener("echo", plugin("echo")),
                listener("lines", plugin("lines")),
                workers=2, watchdog=0, drain_timeout=20,
                start=False) as d:
        preload = d.path("exec.so")
        subprocess.run(
            compiler("CC", "cc") + ["-shared", "-fPIC", "-o", preload,
                                    "-x", "c", "-"],
            input=EXEC.encode(), check=True)
        logs = d.path("valgrind")
        os.mkdir(logs)
        command = ["valgrind", "-q", "--leak-check=full",
                   "--show-leak-kinds=definite,indirect",
                   "--errors-for-leak-kinds=definite,indirect",
                   "--child-silent-after-fork=yes", "--vgdb=no",
                   "--suppressions=" +
                   os.path.join(SOURCE, "tests/valgrind.supp"),
                   "--log-file=" + logs + "/%p"]
        d.launcher = command
        d.env["LD_PRELOAD"] = preload
        d.env["TEST_VALGRIND"] = " ".join(command + [SLUICED])
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
        said = ""
        for name in os.listdir(logs):
            with open(os.path.join(logs, name)) as file:
                said += file.read()
        check(not re.search(r"==\d+== ", said), said)


main()
