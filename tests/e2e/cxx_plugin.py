"""A plugin in C++17 is loaded, serves, and is replaced under a connection."""

import json
import shutil

from sluice_test import (Daemon, Skip, compile_plugin, equal, listener, main,
                         receive_line, run_sluiced, test_plugin)


def need_compiler():
    if not (shutil.which("c++") or shutil.which("g++")):
        raise Skip("no C++ compiler is installed")


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
    """With destructors, statics and exceptions, unloaded and loaded again."""
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
