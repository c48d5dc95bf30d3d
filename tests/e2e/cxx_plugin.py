"""A plugin in C++17 is loaded, serves, and is reloaded under a connection."""

import json
import os
import shutil
import subprocess

from sluice_test import (Daemon, INCLUDE, SOURCE, Skip, check, compile_plugin,
                         compiler, equal, listener, main, receive_line,
                         run_sluiced, test_plugin)

from refusals import Refusals

# Answers with its name.
WHO = """
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *, size_t len)
{
	sl_write(c, WHO "\\n", sizeof(WHO));
	return static_cast<ssize_t>(len);
}

SL_PLUGIN(.name = "who", .version = WHO, .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""

# Headers of C++ libraries are full of such templates.
TEMPLATE = """
template <class T> struct Counted {
	static int count;
};
template <class T> int Counted<T>::count;
__attribute__((visibility("default"))) int *count = &Counted<int>::count;
"""


def need_compiler():
    if not (shutil.which("c++") or shutil.which("g++")):
        raise Skip("no C++ compiler is installed")


def plain(target, who, source=WHO, flags=(), include=INCLUDE):
    """Compile it like an author who knows of no special flags."""
    path = target + ".cc"
    with open(path, "w") as file:
        file.write(source)
    subprocess.run(compiler("CXX", "c++") + [
        "-std=c++17", "-w", "-fPIC", "-shared", "-I" + include,
        '-DWHO="%s"' % who, "-o", target + ".new", path] + list(flags),
        check=True)
    os.rename(target + ".new", target)


def makes_unique():
    """Does the compiler make STB_GNU_UNIQUE symbols?  clang does not."""
    macros = subprocess.run(compiler("CXX", "c++") + [
        "-dM", "-E", "-x", "c++", "/dev/null"], stdout=subprocess.PIPE,
        check=True, text=True).stdout
    return "__clang__" not in macros


def ask(s):
    s.sendall(b"?")
    return receive_line(s)


def test_each_is_served_by_its_own_code_without_any_flags():
    """Two plugins in one worker, and then their next versions."""
    need_compiler()
    with Daemon(listener("p", "./p.so"), listener("q", "./q.so"), workers=1,
                start=False) as d:
        for who in "pq":
            plain(d.path(who + ".so"), who)
        d.start()
        s = {who: d.connect(who) for who in "pq"}
        for who in "pq":
            equal(ask(s[who]), who)
        for version in "23":
            plain(d.path("q.so"), "q" + version)
            d.reload_ready()
            equal(ask(s["q"]), "q" + version)
            equal(ask(s["p"]), "p")


def test_symbols_of_the_whole_process_are_refused():
    need_compiler()
    if not makes_unique():
        raise Skip("this compiler makes no STB_GNU_UNIQUE symbols")
    with Refusals() as r:
        plain(r.d.path("u.so"), "u", WHO + TEMPLATE)
        r.without("./u.so", r'u\.so: its symbol "_ZN7CountedIiE5countE" is '
                  r"unique in the process .* compile with -fno-gnu-unique")
        result = run_sluiced("--describe", r.d.path("u.so"))
        equal(result.returncode, 1)
        check("-fno-gnu-unique" in result.stderr, result.stderr)
        # It is found without a table of sections, too.
        subprocess.run(["strip", r.d.path("u.so")], check=True)
        r.refused_once("unique in the process")
        plain(r.d.path("u.so"), "u", WHO + TEMPLATE, ["-fno-gnu-unique"])
        equal(r.d.reload_ready(), 2, "generation")
        equal(ask(r.d.connect("bad")), "u")


def test_a_plugin_of_the_old_header():
    """Without -fno-gnu-unique, handlers of the old header are such symbols."""
    need_compiler()
    old = os.path.join(SOURCE, "tests/abi/0.1.0")
    with Refusals() as r:
        if makes_unique():
            plain(r.d.path("old.so"), "old", include=old)
            r.without("./old.so", r'symbol "\S*sl_handlers_" is unique')
        flags = ["-fno-gnu-unique"] if makes_unique() else []
        plain(r.d.path("old.so"), "old", WHO, flags, old)
        r.with_listener("old", "./old.so")
        equal(r.d.reload_ready(), 2, "generation")
        equal(ask(r.d.connect("old")), "old")


def test_serves():
    need_compiler()
    with Daemon(listener("cxx", test_plugin("cxx"))) as d:
        s = d.connect()
        s.sendall(b"hello")
        equal(receive_line(s), "olleh")


def test_describe():
    need_compiler()
    result = run_sluiced("--describe", test_plugin("cxx"), "--json")
    equal(result.returncode, 0, result.stderr)
    equal(json.loads(result.stdout)["name"], "cxx")


def test_reloads():
    """A plugin with destructors, statics and exceptions is reloaded."""
    need_compiler()
    with Daemon(listener("cxx", "./cxx.so"), start=False) as d:
        compile_plugin("cxx.cc", d.path("cxx.so"), ("-std=c++17",))
        d.start()
        s = d.connect()
        for level in ("-O0", "-O2", "-O1", "-O3"):
            s.sendall(b"hello")
            equal(receive_line(s), "olleh")
            compile_plugin("cxx.cc", d.path("cxx.so"), ("-std=c++17", level))
            d.reload_ready()
        s.sendall(b"bye")
        equal(receive_line(s), "eyb")


main()
