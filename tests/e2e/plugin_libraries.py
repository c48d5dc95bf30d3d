"""A plugin may have libraries of its own.  They are found beside it, and
belong to its image."""

import json
import os
import re

from libraries import (HELPER, MANY, ORIGIN, PLUGIN, ask, begin, by_name,
                       daemon, helper, kill_worker, plugin)
from sluice_test import (Failure, SANITIZED, Skip, check, compile_plugin, equal,
                         listener, main,
                         receive_line, run_sluiced, wait_until)


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
        # Needed by the name of its file.
        library = helper(d, "two", None, "more")
        compile_plugin(PLUGIN % ("b", "p", MANY), d.path("p.so"),
                       ["-Wl,-rpath,$ORIGIN/more", "-Wl,--no-as-needed"]
                       + by_name(library))
        d.reload_ready()
        equal(ask(d.connect()), "b with two")
        # Needed by the path of its file.
        plugin(d, library, "c", flags=[])
        d.reload_ready()
        equal(ask(d.connect()), "c with two")
        # A library without a soname may be replaced by a different one.
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
        # Both libraries belong to the image.
        result = run_sluiced("--describe", d.path("p.so"), "--json")
        equal([one["name"] for one in json.loads(result.stdout)["libraries"]],
              ["libdeep.so.1", "libhelper.so.1"], "libraries")


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


def test_an_unloaded_library_frees_its_name():
    """With SL_UNLOADABLE and no listener left, the soname is free again."""
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


def test_callbacks_and_tables_may_lie_in_a_library():
    """Addresses in a library count as addresses in the plugin."""
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
        # A missing library is waited for.
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


def test_libraries_are_reported():
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


def test_a_crash_in_a_library_is_named():
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


TAKEN = "event_base_get_method"		# libevent has a function of this name


def library_of(d, name, function, body, flags=()):
    return compile_plugin("""
#include <stddef.h>
#include <stdlib.h>
extern char **environ;
const char *%s(void);
const char *helper(void);
__attribute__((visibility("default"))) const char *%s(void);
const char *%s(void) { %s }
""" % (TAKEN, function, function, body), d.path(name), [
        "-D_GNU_SOURCE", "-Wl,-soname," + name, ORIGIN] + list(flags))


def test_its_own_libraries_come_before_those_of_sluiced():
    """The loader looks for each name in sluiced and its libraries first."""
    with daemon() as d:
        begin(d)
        # A library that uses what it defines.
        own = library_of(d, "libown.so.1", TAKEN, 'return "own";')
        plugin(d, library_of(d, "libboth.so.1", TAKEN, 'return "own";' """
}
__attribute__((visibility("default"))) const char *helper(void) {
	return %s();""" % TAKEN), "b")
        d.reload_ready()
        equal(ask(d.connect()), "b with own")
        # A static library that exports everything.
        compile_plugin((PLUGIN % ("d", "p", MANY)).replace("helper", TAKEN) +
                       (HELPER % ("", "static")).replace("helper", TAKEN),
                       d.path("p.so"))
        d.reload_ready()
        equal(ask(d.connect()), "d with static")
        if SANITIZED:
            return	# for the rest RTLD_DEEPBIND is needed
        # A library of it, and a plugin that uses both.
        between = library_of(d, "libbetween.so.1", "helper",
                             "return environ != NULL && environ[0] != NULL"
                             " ? %s() : NULL;" % TAKEN,
                             ["-Wl,--no-as-needed", own])
        plugin(d, between, "b")
        d.reload_ready()
        equal(ask(d.connect()), "b with own")
        compile_plugin((PLUGIN % ("c", "p", MANY)).replace("helper", TAKEN),
                       d.path("p.so"), [ORIGIN, "-Wl,--no-as-needed", own])
        d.reload_ready()
        equal(ask(d.connect()), "c with own")


ALLOCATOR = """
#include <stddef.h>
#define PUBLIC __attribute__((visibility("default")))
void *__libc_malloc(size_t);
PUBLIC void *malloc(size_t);
void *malloc(size_t n) { return __libc_malloc(n); }
"""


def test_with_another_allocator_they_cannot():
    """Memory of one would be freed by the other, so such a plugin is refused."""
    if SANITIZED:
        raise Skip("sanitizers are loaded before all other libraries")
    with daemon() as d:
        d.env["LD_PRELOAD"] = compile_plugin(
            ALLOCATOR, d.path("allocator.so"), ["-fno-builtin"])
        begin(d)
        own = library_of(d, "libown.so.1", TAKEN, 'return "own";')
        compile_plugin((PLUGIN % ("c", "p", MANY)).replace("helper", TAKEN),
                       d.path("p.so"), [ORIGIN, "-Wl,--no-as-needed", own])
        said = d.reload_refused()
        check(re.search(r'p\.so: uses "%s" of libevent\S+, which comes before '
                        r"that of its library libown\.so\.1; rename" % TAKEN,
                        said), said)
        equal(ask(d.connect()), "a with one")


def test_real_libraries():
    """Jansson linked statically, and libevent as a library of the system."""
    source = """
#include <%s>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	%s
	sl_send(c, text, strlen(text));
	sl_send(c, "\\n", 1);
	%s
	return (ssize_t)len;
}

SL_PLUGIN(.name = "p", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""
    jansson = source % ("jansson.h", """
	json_t *root = json_pack("{s:[i,f]}", "a", 1, 0.5);
	char *text = json_dumps(root, 0);
	json_decref(root);""", "free(text);")
    libevent = source % ("event2/event.h", """
	struct event_base *base = event_base_new();
	struct timeval now = { 0, 1 };
	char text[8] = "none";
	event_base_once(base, -1, EV_TIMEOUT,
	    (event_callback_fn)(void *)strcpy_late, text, &now);
	event_base_dispatch(base);
	event_base_free(base);""", "")
    libevent = libevent.replace("static ssize_t", """static void
strcpy_late(evutil_socket_t fd, short what, void *text)
{
	(void)fd, (void)what;
	strcpy(text, "event");
}

static ssize_t""", 1).replace("(event_callback_fn)(void *)", "")
    tried = 0
    with daemon() as d:
        begin(d)
        for text, flags, answer in (
                (jansson, ["-l:libjansson.a"], '{"a": [1, 0.5]}'),
                (jansson, ["-ljansson"], '{"a": [1, 0.5]}'),
                (libevent, ["-levent_core"], "event"),
                (libevent, ["-levent"], "event"),
                (libevent, ["-l:libevent.a"], "event")):
            try:
                compile_plugin(text, d.path("p.so"), (), flags)
            except Failure:
                continue	# it is not installed here
            tried += 1
            d.reload_ready()
            equal(ask(d.connect()), answer, flags)
    if tried == 0:
        raise Skip("neither jansson nor libevent has its headers here")


main()
