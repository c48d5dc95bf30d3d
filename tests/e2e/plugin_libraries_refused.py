"""A plugin with libraries of its own is refused when a library is missing,
cannot be trusted, or could be mistaken for another one."""

import os
import re
import shutil

from libraries import (HELPER, MANY, ORIGIN, PLUGIN, ask, begin, by_name,
                       daemon, helper, kill_worker, plugin, ways_out)
from sluice_test import (Daemon, check, compile_plugin, equal, listener,
                         main, need_root, run_sluiced)


def test_another_one_of_the_same_name_is_refused():
    for kind in (MANY, MANY + " | SL_UNLOADABLE"):
        with daemon() as d:
            library = helper(d, "one")
            plugin(d, library, kind=kind)
            d.start()
            s = d.connect()
            equal(ask(s), "a with one")
            helper(d, "two")
            ways_out(d.reload_refused(), library)
            equal(ask(s), "a with one")
            equal(ask(d.connect()), "a with one")
            # A new plugin does not get the old library, either.
            plugin(d, library, "b", kind=kind)
            ways_out(d.reload_refused(), library)
            equal(ask(d.connect()), "a with one")
            # A new worker serves what was committed, not what is on disk.
            kill_worker(d)
            equal(ask(d.connect()), "a with one")
            os.unlink(library)
            kill_worker(d)
            equal(ask(d.connect()), "a with one")


def test_two_plugins():
    """Two plugins share a library, but not two libraries under one name."""
    with Daemon(listener("p", "./p.so"), listener("q", "./q.so"), workers=1,
                start=False) as d:
        library = helper(d, "one")
        for name in "pq":
            plugin(d, library, name, name=name)
        d.start()
        for name in "pq":
            equal(ask(d.connect(name)), name + " with one")
        os.mkdir(d.path("other"))
        other = helper(d, "two", directory="other")
        plugin(d, other, "b", ["-Wl,-rpath,$ORIGIN/other"], "q")
        said = d.reload_refused()
        check(library in said and other in said and "statically" in said,
              said)
        # A plugin may not have the soname of a library.
        plugin(d, library, "b", [ORIGIN, "-Wl,-soname,libhelper.so.1"], "q")
        check("libhelper.so.1" in d.reload_refused())
        # Nor the file name of one without a soname, in either order.
        nameless = helper(d, "three", None, "more")
        for name, other in ("pq", "qp"):
            compile_plugin(PLUGIN % ("b", name, MANY), d.path(name + ".so"),
                           ["-Wl,-rpath,$ORIGIN/more", "-Wl,--no-as-needed"]
                           + by_name(nameless))
            plugin(d, library, "b", [ORIGIN, "-Wl,-soname,libhelper.so"],
                   other)
            said = d.reload_refused()
            check("are both named libhelper.so," in said, said)
            check("refused: 1 problem" in said, said)
        equal(ask(d.connect("q")), "q with one")


def test_names_of_the_system():
    with daemon() as d:
        begin(d)
        library = helper(d, "two", "libz.so.1", "bundled")
        if not os.path.exists("/usr/lib/x86_64-linux-gnu/libz.so.1"):
            library = helper(d, "two", "libm.so.6", "bundled")
        plugin(d, library, "b", ["-Wl,-rpath,$ORIGIN/bundled"])
        said = d.reload_refused()
        check("is the name of a library of the system" in said, said)
        check(library in said and "another soname" in said, said)
        plugin(d, helper(d, "one"), "b", [ORIGIN, "-Wl,-soname,libm.so.6"])
        said = d.reload_refused()
        check("calls itself libm.so.6" in said, said)
        # A library in a system directory counts as the system's.
        compile_plugin(PLUGIN % ("c", "p", MANY) + HELPER % ("", "x"),
                       d.path("p.so"), ["-Wl,--no-as-needed", "-lm",
                                        "-Wl,-rpath,/usr/lib:/lib"
                                        ":/usr/lib/x86_64-linux-gnu"])
        d.reload_ready()
        check(not d.log_lines("brings its own libm"), "libm is the system's")


def test_what_is_missing_is_named_at_its_line():
    with daemon() as d:
        library = begin(d)
        os.unlink(library)
        said = d.reload_refused()
        check(re.search(r"sluice\.conf:\d+: plugin: \S*p\.so: cannot be loaded:"
                        r" it needs libhelper\.so\.1, which is neither in its"
                        r" RUNPATH \(\$ORIGIN; \$ORIGIN is \S+\) nor a library"
                        r" of the system", said), said)
        result = run_sluiced("-t", "-c", d.path("sluice.conf"))
        equal(result.returncode, 1)
        check("it needs libhelper.so.1" in result.stderr, result.stderr)
        result = run_sluiced("--describe", d.path("p.so"))
        equal(result.returncode, 1)
        check("it needs libhelper.so.1" in result.stderr, result.stderr)
        library = helper(d, "one")
        plugin(d, library, flags=[])
        said = d.reload_refused()
        check(re.search("it needs libhelper.so.1, which is not a library of "
                        "the system, and has no RUNPATH; link it with", said),
              said)
        equal(ask(d.connect()), "a with one")


def test_strange_libraries():
    with daemon() as d:
        library = begin(d)
        # A library with another soname than it is needed by.
        helper(d, "two", "libother.so.1")
        os.rename(d.path("libother.so.1"), library)
        said = d.reload_refused()
        check("is needed as libhelper.so.1, but calls itself libother.so.1"
              in said, said)
        # A damaged library.
        with open(library, "r+b") as file:
            file.truncate(2000)
        said = d.reload_refused()
        check("libhelper.so.1" in said, said)
        # Two libraries that need each other.
        helper(d, "one")
        shutil.copy(library, d.path("libloop.so.1"))
        loop = helper(d, "one", "libloop.so.1", flags=[
            ORIGIN, "-Wl,--no-as-needed", library])
        helper(d, "one", flags=[ORIGIN, "-Wl,--no-as-needed", loop])
        said = d.reload_refused()
        check("which needs it in turn" in said, said)
        # A library that crashes in its constructor.
        helper(d, "one", more="__attribute__((constructor)) static void "
               "begin(void) { __builtin_trap(); }")
        said = d.reload_refused()
        check("while loading" in said, said)
        equal(ask(d.connect()), "a with one")


def test_a_library_that_everybody_can_write_is_refused():
    need_root()
    with daemon() as d:
        library = begin(d)
        os.chmod(library, 0o666)
        said = d.reload_refused()
        check(re.search(r"plugin: \S*libhelper\.so\.1: cannot be trusted: the "
                        r"file \S+ can be written to by everybody", said), said)
        os.chmod(library, 0o755)
        d.reload_ready()


main()
