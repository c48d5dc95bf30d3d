"""A plugin with libraries of its own: they are found beside it, belong to its
image, and are never those of another version."""

import json
import os
import re
import shutil
import signal

from sluice_test import (Daemon, check, compile_plugin, equal, is_alive,
                         listener, main, need_root, receive_line, run_sluiced,
                         wait_until)

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
    """libhelper.so.1 in a directory; soname None: it has none."""
    os.makedirs(d.path(directory), exist_ok=True)
    name = d.path(os.path.join(directory, soname or "libhelper.so"))
    if soname:
        flags = ["-Wl,-soname," + soname] + list(flags)
    return compile_plugin(HELPER % (more, says), name, flags)


def plugin(d, library, says="a", flags=(ORIGIN,), name="p", kind=MANY):
    return compile_plugin(PLUGIN % (says, name, kind), d.path(name + ".so"),
                          list(flags) + ["-Wl,--no-as-needed", library])


def by_name(library):
    """Link it as -lhelper does, so that not its path is needed."""
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


def test_beside_the_plugin():
    """RUNPATH and RPATH, with $ORIGIN in both ways of writing it."""
    for flags in ([ORIGIN], ["-Wl,-rpath,${ORIGIN}/."],
                  [ORIGIN, "-Wl,--disable-new-dtags"],
                  [ORIGIN, "-Wl,--enable-new-dtags"]):
        with daemon() as d:
            plugin(d, helper(d, "one"), flags=flags)
            d.start()
            equal(ask(d.connect()), "a with one")


def test_in_another_directory_and_without_a_soname():
    with daemon() as d:
        library = helper(d, "one", directory="lib")
        plugin(d, library, flags=["-Wl,-rpath," + d.path("lib")])
        d.start()
        equal(ask(d.connect()), "a with one")
        # By the name of its file.
        library = helper(d, "two", None, "more")
        compile_plugin(PLUGIN % ("b", "p", MANY), d.path("p.so"),
                       ["-Wl,-rpath,$ORIGIN/more", "-Wl,--no-as-needed"]
                       + by_name(library))
        d.reload_ready()
        equal(ask(d.connect()), "b with two")
        # By the path of its file.
        plugin(d, library, "c", flags=[])
        d.reload_ready()
        equal(ask(d.connect()), "c with two")
        # One without a soname is known by no name: the next is another.
        helper(d, "three", None, "more")
        d.reload_ready()
        equal(ask(d.connect()), "c with three")


def test_behind_a_link():
    """$ORIGIN is where the file really is."""
    with daemon() as d:
        os.mkdir(d.path("real"))
        library = helper(d, "one", directory="real")
        compile_plugin(PLUGIN % ("a", "p", MANY), d.path("real/p.so"),
                       [ORIGIN, "-Wl,--no-as-needed", library])
        os.rename(library, library + ".2.3")
        os.symlink(os.path.basename(library) + ".2.3", library)
        os.symlink("real/p.so", d.path("p.so"))
        d.start()
        equal(ask(d.connect()), "a with one")


def test_libraries_of_libraries():
    with daemon() as d:
        deep = compile_plugin(
            'const char *deep(void); __attribute__((visibility("default")))'
            'const char *\ndeep(void) { return "deep"; }',
            d.path("libdeep.so.1"), ["-Wl,-soname,libdeep.so.1"])
        library = compile_plugin(
            'const char *deep(void); const char *helper(void);'
            '__attribute__((visibility("default"))) const char *\n'
            'helper(void) { return deep(); }', d.path("libhelper.so.1"),
            ["-Wl,-soname,libhelper.so.1", ORIGIN, "-Wl,--no-as-needed", deep])
        plugin(d, library)
        d.start()
        equal(ask(d.connect()), "a with deep")
        # The image is another one when only the deepest has changed.
        result = run_sluiced("--describe", d.path("p.so"), "--json")
        equal([one["name"] for one in json.loads(result.stdout)["libraries"]],
              ["libdeep.so.1", "libhelper.so.1"], "libraries")


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
            # Neither does a new plugin get the old one.
            plugin(d, library, "b", kind=kind)
            ways_out(d.reload_refused(), library)
            equal(ask(d.connect()), "a with one")
            # What is committed is served, not what lies on disk.
            kill_worker(d)
            equal(ask(d.connect()), "a with one")
            os.unlink(library)
            kill_worker(d)
            equal(ask(d.connect()), "a with one")


def test_the_two_ways_out():
    with daemon() as d:
        begin(d)
        s = d.connect()
        library = helper(d, "two", "libhelper.so.2")
        plugin(d, library, "b")
        d.reload_ready()
        equal(ask(s), "b with two")
        equal(ask(d.connect()), "b with two")
        kill_worker(d)
        equal(ask(d.connect()), "b with two")
        compile_plugin(PLUGIN % ("c", "p", MANY) + HELPER % ("", "three"),
                       d.path("p.so"))
        d.reload_ready()
        equal(ask(d.connect()), "c with three")


def test_the_same_library_serves_the_next_version():
    with daemon() as d:
        library = begin(d)
        s = d.connect()
        plugin(d, library, "b")
        d.reload_ready()
        equal(ask(s), "b with one")


def test_one_that_is_gone_makes_room():
    """SL_UNLOADABLE, and no listener: the name is free again."""
    with daemon() as d:
        d.listeners.append(listener("q", "./q.so"))
        d.write_config()
        for name in "pq":
            plugin(d, helper(d, "one") if name == "p" else
                   helper(d, "one", "libq.so"), name=name,
                   kind=MANY + " | SL_UNLOADABLE")
        d.start()
        d.arguments = []
        del d.listeners[0]
        d.write_config()
        since = d.mark()
        d.reload_ready()
        d.wait_log("no longer listening", since)
        plugin(d, helper(d, "two"), "b")
        d.listeners.append(listener("p", "./p.so"))
        d.write_config()

        def reloads():
            return isinstance(d.reload(), int)
        wait_until(reloads, "the old library to be gone")
        equal(ask(d.connect("p")), "b with two")


def test_two_plugins():
    """They share what is the same, and may not differ under one name."""
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
        # Nor may a plugin be taken for a library.
        plugin(d, library, "b", [ORIGIN, "-Wl,-soname,libhelper.so.1"], "q")
        check("libhelper.so.1" in d.reload_refused())
        # Nor for one without a soname, whoever would come first.
        nameless = helper(d, "three", None, "more")
        for name, other in ("pq", "qp"):
            compile_plugin(PLUGIN % ("b", name, MANY), d.path(name + ".so"),
                           ["-Wl,-rpath,$ORIGIN/more", "-Wl,--no-as-needed"]
                           + by_name(nameless))
            plugin(d, library, "b", [ORIGIN, "-Wl,-soname,libhelper.so"],
                   other)
            said = d.reload_refused()
            check("are both libhelper.so," in said, said)
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
        # A directory of the system is one, wherever it is named.
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
        # One that has another name than it is asked for by.
        helper(d, "two", "libother.so.1")
        os.rename(d.path("libother.so.1"), library)
        said = d.reload_refused()
        check("is needed as libhelper.so.1, but calls itself libother.so.1"
              in said, said)
        # One that is damaged.
        with open(library, "r+b") as file:
            file.truncate(2000)
        said = d.reload_refused()
        check("libhelper.so.1" in said, said)
        # Two that need each other.
        helper(d, "one")
        shutil.copy(library, d.path("libloop.so.1"))
        loop = helper(d, "one", "libloop.so.1", flags=[
            ORIGIN, "-Wl,--no-as-needed", library])
        helper(d, "one", flags=[ORIGIN, "-Wl,--no-as-needed", loop])
        said = d.reload_refused()
        check("which needs it in turn" in said, said)
        # One that crashes in its constructor.
        helper(d, "one", more="__attribute__((constructor)) static void "
               "begin(void) { __builtin_trap(); }")
        said = d.reload_refused()
        check("while loading" in said, said)
        # One that takes its own function from sluiced's libraries.
        helper(d, "one", "libhelper.so.3", more="""
__attribute__((visibility("default"))) const char *event_base_get_method(void);
__attribute__((visibility("default"))) const char *user(void);
const char *event_base_get_method(void) { return "own"; }
const char *user(void) { return event_base_get_method(); }
""")
        plugin(d, d.path("libhelper.so.3"))
        said = d.reload_refused()
        check('libhelper.so.3: uses "event_base_get_method" of libevent'
              in said, said)
        equal(ask(d.connect()), "a with one")


def test_what_a_library_defines_is_not_taken_from_elsewhere():
    """The loader looks into sluiced and its libraries first."""
    taken = "event_base_get_method"

    def uses(d):
        library = compile_plugin(
            (HELPER % ("", "own")).replace("helper", taken),
            d.path("libown.so.1"), ["-Wl,-soname,libown.so.1"])
        between = compile_plugin(
            'const char *%s(void); const char *helper(void);'
            '__attribute__((visibility("default"))) const char *\n'
            'helper(void) { return %s(); }' % (taken, taken),
            d.path("libhelper.so.1"), ["-Wl,-soname,libhelper.so.1", ORIGIN,
                                       "-Wl,--no-as-needed", library])
        return library, between

    with daemon() as d:
        begin(d)
        library, between = uses(d)
        compile_plugin((PLUGIN % ("b", "p", MANY)).replace("helper", taken),
                       d.path("p.so"),
                       [ORIGIN, "-Wl,--no-as-needed", library])
        said = d.reload_refused()
        check(re.search(r'p\.so: uses "%s" of libevent\S+, which comes before '
                        r"that of its library libown\.so\.1; rename" % taken,
                        said), said)
        # A library of a library as well.
        plugin(d, between, "b")
        said = d.reload_refused()
        check(re.search(r'libhelper\.so\.1: uses "%s" of libevent\S+, which '
                        r"comes before that of its library libown" % taken,
                        said), said)
        equal(ask(d.connect()), "a with one")


def test_callbacks_and_tables_may_lie_in_a_library():
    """Its bytes belong to the image."""
    source = """
#include <sluice.h>
%s ssize_t frame_data(struct sl_conn *c, const void *buf, size_t len);
%s const struct sl_option frame_options[2];
"""
    with daemon() as d:
        library = compile_plugin(
            source % ("SL_EXPORT", "extern SL_EXPORT") + """
ssize_t
frame_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}
const struct sl_option frame_options[2] = {
    { "one", SL_OPTION_STRING, "x", "of the library" }, { 0 } };
""", d.path("libframe.so.1"), ["-Wl,-soname,libframe.so.1"])
        compile_plugin(source % ("", "extern") + """
SL_PLUGIN(.name = "p", .options = frame_options,
    .server = SL_HANDLERS(.data = frame_data));
""", d.path("p.so"), [ORIGIN, "-Wl,--no-as-needed", library])
        d.start()
        s = d.connect()
        s.sendall(b"echo\n")
        equal(receive_line(s), "echo")


def test_who_may_write_to_it():
    need_root()
    with daemon() as d:
        library = begin(d)
        os.chmod(library, 0o666)
        said = d.reload_refused()
        check(re.search(r"plugin: \S*libhelper\.so\.1: cannot be trusted: the "
                        r"file \S+ can be written to by everybody", said), said)
        os.chmod(library, 0o755)
        d.reload_ready()


def test_watch():
    with daemon() as d:
        d.arguments = ["--watch"]
        library = begin(d)
        since = d.mark()
        helper(d, "two")
        d.wait_log("reload refused", since)
        check(d.log_lines("libhelper.so.1 changed", since), "the reason")
        helper(d, "one")
        d.wait_log(r"generation \d+ ready", since)
        # One that is missing is waited for.
        os.unlink(library)
        since = d.mark()
        plugin(d, helper(d, "three", "libhelper.so.3"), "b")
        d.wait_log(r"generation \d+ ready|reload refused", since)
        wait_until(lambda: ask(d.connect()) == "b with three",
                   "the new library to be served")
        since = d.mark()
        os.rename(d.path("libhelper.so.3"), d.path("hidden"))
        plugin(d, d.path("hidden"), "c")
        d.wait_log("reload refused", since)
        since = d.mark()
        os.rename(d.path("hidden"), d.path("libhelper.so.3"))
        d.wait_log(r"generation \d+ ready", since)
        equal(ask(d.connect()), "c with three")


def test_it_is_told():
    with daemon() as d:
        os.mkdir(d.path("copies"))
        d.settings["plugin_copies"] = d.path("copies")
        d.write_config()
        library = begin(d)
        text = r"p\.so: brings its own libhelper\.so\.1 \(%s\)" % (
            re.escape(library))
        d.wait_log(text)
        result = run_sluiced("-t", "-c", d.path("sluice.conf"))
        equal(result.returncode, 0, result.stderr)
        check(re.search("note: .*" + text, result.stderr), result.stderr)
        result = run_sluiced("--describe", d.path("p.so"))
        check(re.search(r"library: +libhelper\.so\.1 \(%s\)"
                        % re.escape(library), result.stdout), result.stdout)
        copies = sorted(os.listdir(d.path("copies")))
        check(re.match(r"libhelper\.so\.1\.[0-9a-f]{8}\.so$", copies[0]),
              copies)


def test_a_crash_in_it_is_named():
    with daemon() as d:
        library = helper(d, "one", more="""
__attribute__((noinline)) static void
fall(void)
{
	__builtin_trap();
}
__attribute__((visibility("default"))) void fall_here(void);
void
fall_here(void)
{
	fall();
	__asm__("");
}
""")
        compile_plugin((PLUGIN % ("a", "p", MANY)).replace(
            "helper());", '(fall_here(), helper()));').replace(
                "const char *helper", "void fall_here(void);\nconst char *helper"),
            d.path("p.so"), [ORIGIN, "-Wl,--no-as-needed", library])
        d.pairs = False
        d.start()
        s = d.connect()
        s.sendall(b"?")
        d.wait_log(r"#0 fall\+\S+ in libhelper\.so\.1 \(image [0-9a-f]{8}\)")
        d.wait_log(r"#\d on_data\+\S+ in p \(image [0-9a-f]{8}\)")


main()
