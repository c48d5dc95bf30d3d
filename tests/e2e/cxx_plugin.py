"""A plugin in C++17 is loaded, serves, and is reloaded under a connection."""

import json
import os
import shutil
import subprocess

from sluice_test import (BUILD, Daemon, INCLUDE, SOURCE, Skip,
                         compile_plugin, compiler, equal, listener, main,
                         receive_line, run_sluiced, test_plugin)

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

# Counts in a static variable of a template.  Headers of C++ libraries are full
# of these, and g++ makes a symbol of each that the whole process would share.
COUNTS = """
#include <string>
#include <sluice.h>

template <class T> struct Counted {
	static int count;
};
template <class T> int Counted<T>::count;

static ssize_t
on_data(struct sl_conn *c, const void *, size_t len)
{
	std::string text = WHO;

	text += std::to_string(++Counted<int>::count) + "\\n";
	sl_write(c, text.data(), text.size());
	return static_cast<ssize_t>(len);
}

SL_PLUGIN(.name = "who", .version = WHO,
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = on_data));
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


def with_pkg_config(target, cxx, who):
    """Compile it as the manual says, from the build tree."""
    path = target + ".cc"
    with open(path, "w") as file:
        file.write(COUNTS)
    flags = subprocess.run(
        ["pkg-config", "--cflags", "sluice"], stdout=subprocess.PIPE,
        check=True, text=True,
        env=dict(os.environ, PKG_CONFIG_PATH=BUILD)).stdout.split()
    subprocess.run(cxx + ["-std=c++11", "-Wall", "-Wextra", "-Wpedantic",
                          "-Werror", '-DWHO="%s"' % who] + flags +
                   ["-shared", "-o", target + ".new", path], check=True)
    os.rename(target + ".new", target)


def test_pkg_config_has_all_flags_for_each_compiler():
    """What the whole process would share is each image's own; it can go."""
    if not shutil.which("pkg-config"):
        raise Skip("pkg-config is not installed")
    compilers = [[cxx] for cxx in ("g++", "clang++") if shutil.which(cxx)]
    if not compilers:
        raise Skip("no C++ compiler is installed")
    with Daemon(listener("p", "./p.so"), listener("q", "./q.so"), workers=1,
                arguments=["-v"], start=False) as d:
        for who in "pq":
            with_pkg_config(d.path(who + ".so"), compilers[0], who)
        d.start()
        for who in "pq":
            with d.connect(who) as s:
                equal(ask(s), who + "1")
                equal(ask(s), who + "2")
        for number, cxx in enumerate(compilers * 2):
            with_pkg_config(d.path("q.so"), cxx, "v%d-" % number)
            d.reload_ready()
            with d.connect("q") as s:
                equal(ask(s), "v%d-1" % number)
            d.wait_log(r"plugin image \w+ \(who .*\) unloaded")
        with d.connect("p") as s:
            equal(ask(s), "p3")


def test_a_plugin_of_the_old_header():
    """Handlers of the old header are symbols of the whole process, too."""
    need_compiler()
    old = os.path.join(SOURCE, "tests/abi/0.1.0")
    with Daemon(listener("p", "./p.so"), listener("q", "./q.so"), workers=1,
                start=False) as d:
        for who in "pq":
            plain(d.path(who + ".so"), who, include=old)
        d.start()
        for who in "pq":
            with d.connect(who) as s:
                equal(ask(s), who)


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
