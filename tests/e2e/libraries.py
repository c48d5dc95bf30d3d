"""For tests of plugins with libraries of their own: compiles such a plugin and
its library."""

import os
import re
import signal

from sluice_test import (Daemon, check, compile_plugin, is_alive, listener,
                         receive_line, wait_until)

HELPER = """
__attribute__((visibility("default"))) const char *helper(void);
%s
const char *
helper(void)
{
	return "%s";
}
"""
PLUGIN = """
#include <sluice.h>
#include <stdio.h>
#include <string.h>

const char *helper(void);

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	char text[128];

	(void)buf;
	snprintf(text, sizeof(text), "%s with %%s\\n", helper());
	sl_write(c, text, strlen(text));
	return (ssize_t)len;
}

SL_PLUGIN(.name = "%s", .version = "1", .flags = %s,
    .server = SL_HANDLERS(.data = on_data));
"""
ORIGIN = "-Wl,-rpath,$ORIGIN"
MANY = "SL_MANY_WORKERS"


def helper(d, says, soname="libhelper.so.1", directory="", flags=(),
           more=""):
    """Build libhelper.so.1 in a directory; soname None: without a soname."""
    os.makedirs(d.path(directory), exist_ok=True)
    name = d.path(os.path.join(directory, soname or "libhelper.so"))
    if soname:
        flags = ["-Wl,-soname," + soname] + list(flags)
    return compile_plugin(HELPER % (more, says), name, flags)


def plugin(d, library, says="a", flags=(ORIGIN,), name="p", kind=MANY):
    return compile_plugin(PLUGIN % (says, name, kind), d.path(name + ".so"),
                          list(flags) + ["-Wl,--no-as-needed", library])


def by_name(library):
    """Link the library by its name, as -lhelper does, and not by its path."""
    return ["-L" + os.path.dirname(library),
            "-l:" + os.path.basename(library)]


def ask(s):
    s.sendall(b"?")
    return receive_line(s)


def daemon(**settings):
    return Daemon(listener("p", "./p.so"), start=False,
                  **dict({"workers": 1}, **settings))


def begin(d, says="one"):
    library = helper(d, says)
    plugin(d, library)
    d.start()
    return library


def ways_out(said, path):
    for text in (r"sluice\.conf:\d+: (plugin: )?\S*p\.so: cannot be loaded",
                 re.escape(path), "link it into the plugin statically",
                 "another soname"):
        check(re.search(text, said), "no", repr(text), "in:\n" + said)


def kill_worker(d):
    pid = d.workers()[0]
    since = d.mark()
    os.kill(pid, signal.SIGKILL)
    d.wait_log(r"worker 1 \(pid \d+\) started", since)
    wait_until(lambda: not is_alive(pid), "the worker to be gone")
