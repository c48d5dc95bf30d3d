"""Every pointer of a plugin's descriptor must lead into the plugin, and a
plugin must use the functions that it defines.  Others are refused by name."""

from sluice_test import compile_plugin, equal, main, receive_line

from refusals import Refusals

HEAD = """
#define _GNU_SOURCE
#include <link.h>
#include <sluice.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}
"""
# A descriptor that a constructor changes; %s assigns to members of m.
BENT = HEAD + """
static struct sl_option table[] = {
	{ "one", SL_OPTION_STRING, "1", "the first" },
	{ NULL, 0, NULL, NULL },
};
static struct sl_handlers handlers = { .size = sizeof(handlers),
    .data = on_data };
SL_EXPORT extern struct sl_plugin mine __asm__("sl_plugin");
struct sl_plugin mine = { .abi = SL_ABI, .size = sizeof(mine),
    .name = "bent", .version = "1", .summary = "bent", .options = table,
    .server = &handlers };

static int
look(struct dl_phdr_info *info, size_t size, void *arg)
{
	char *end = NULL;
	int i, here = 0;

	(void)size;
	for (i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *p = &info->dlpi_phdr[i];
		char *at = (char *)info->dlpi_addr + p->p_vaddr;

		if (p->p_type != PT_LOAD)
			continue;
		end = at + p->p_memsz;
		here |= (char *)&mine >= at && (char *)&mine < end;
	}
	if (here)
		*(char **)arg = end;
	return here;
}

static __attribute__((unused)) char *
end_of_own_data(void)
{
	char *end = NULL;

	dl_iterate_phdr(look, &end);
	return end;
}

__attribute__((constructor)) static void
bend(void)
{
	struct sl_plugin *m = &mine;
	void *heap = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)m;
	(void)heap;
	%s
}
"""


def compiled(r, name, source, flags=()):
    return compile_plugin(source, r.d.path(name + ".so"), flags)


def bent(r, statement, text):
    path = compiled(r, "bent", BENT.replace("%s", statement))
    r.without(path, r"bent\.so: .*" + text)


def test_functions_of_others():
    with Refusals() as r:
        for name in ("check", "start", "reload", "stop", "migrate", "timer"):
            bent(r, "m->%s = (void *)abort;" % name,
                 r'its callback "%s" lies in libc\.so\S*, not in' % name)
        for name in ("open", "data", "drain", "end", "timeout", "handshake",
                     "error", "connect_error", "close"):
            bent(r, "handlers.%s = (void *)abort;" % name,
                 r'its server handler "%s" lies in libc' % name)
        bent(r, "static struct sl_handlers h = { .size = sizeof(h) };"
             "h.data = on_data; h.end = (void *)abort; m->client = &h;",
             r'its client handler "end" lies in libc')
        bent(r, "m->start = heap;", r'callback "start" lies in memory of no file')
        bent(r, "handlers.size = offsetof(struct sl_handlers, data) + 4;",
             r'its server handler "data" lies in memory of no file')
        bent(r, "m->start = (void *)7;", r'callback "start" lies in memory of no file')
        bent(r, "m->start = (void *)table;",
             r"\"start\" is in the plugin's memory, but cannot be used")
        r.ready_again()


def test_data_of_others():
    with Refusals() as r:
        for name, words in (("name", "its name"), ("version", "its version"),
                            ("summary", "its summary"),
                            ("options", "its option table"),
                            ("server", "its table of server handlers"),
                            ("client", "its table of client handlers")):
            bent(r, "m->%s = heap;" % name, words + " lies in memory of no file")
            bent(r, "m->%s = (void *)stderr;" % name,
                 words + r" lies in libc\.so")
        for name, words in (("name", "name"), ("value", "default"),
                            ("help", "help")):
            bent(r, 'table[0].%s = strcpy(heap, "x");' % name,
                 "the %s of its option 1 lies in memory of no file" % words)
        bent(r, "handlers.size = 0xffffffff; m->server = (void *)((char *)"
             "&handlers + 1);", "its table of server handlers is at a misaligned")
        r.ready_again()


def test_what_does_not_end():
    with Refusals() as r:
        # After the table may come anything, even unmapped memory.
        bent(r, "static struct sl_option t[64]; size_t i;"
             "for (i = 0; i < 64; i++) { t[i] = table[0]; }"
             "memset(t + 1, 0x55, sizeof(t) - sizeof(t[0])); m->options = t;",
             "the name of its option 2 lies in memory of no file")
        end = "char *end = end_of_own_data();"
        bent(r, end + "struct sl_option *last = (void *)(((size_t)end"
             "- sizeof(*last)) & ~(size_t)7); *last = table[0];"
             "m->options = last;", "its option table does not end")
        bent(r, end + "m->options = (void *)(((size_t)end - 1) & ~(size_t)7);",
             "its option table is in the plugin's memory, but cannot")
        bent(r, end + "end[-1] = 'x'; m->name = end - 1;",
             "its name does not end")
        bent(r, end + "m->server = (void *)(((size_t)end - 1) & ~(size_t)7);"
             "memset((void *)m->server, 0x55, (size_t)end -"
             "(size_t)m->server);", "its table of server handlers is in the plugin's")
        r.ready_again()


def test_functions_of_another_plugin():
    """Another plugin in the same process has made its address known."""
    tells = HEAD + """
__attribute__((constructor)) static void
tell(void)
{
	char text[32];

	snprintf(text, sizeof(text), "%p", (void *)on_data);
	setenv("ON_DATA", text, 1);
}
SL_PLUGIN(.name = "tells", .server = SL_HANDLERS(.data = on_data));
"""
    with Refusals() as r:
        r.with_listener("tells", compiled(r, "tells", tells))
        equal(r.d.reload_ready(), 2, "generation")
        path = compiled(r, "bent", BENT.replace("%s", """
	void *theirs = NULL;
	if (getenv("ON_DATA") != NULL)
		sscanf(getenv("ON_DATA"), "%p", &theirs);
	handlers.data = theirs;"""))
        r.d.listeners.append({"name": "bad", "listen": "127.0.0.1:0",
                              "plugin": path})
        r.d.write_config()
        said = r.d.reload_refused()
        assert 'its server handler "data" lies in the plugin "tells"' in (
            said), said


def test_calls_of_the_daemon_may_be_handlers():
    with Refusals() as r:
        r.with_listener("calls", compiled(r, "calls", HEAD + """
SL_PLUGIN(.name = "calls", .server = SL_HANDLERS(.open = sl_flush,
    .data = sl_write), .client = SL_HANDLERS(.data = on_data));
"""))
        equal(r.d.reload_ready(), 2, "generation")
        s = r.d.connect("calls")
        s.sendall(b"echo\n")
        equal(receive_line(s), "echo")


def test_what_it_defines_and_calls_is_its_own():
    """The loader searches sluiced and its libraries first."""
    source = HEAD + """
SL_EXPORT %s;

static ssize_t
on_end(struct sl_conn *c, const void *buf, size_t len)
{
	(void)buf;
	sl_write(c, %s, 4);
	return len;
}
SL_PLUGIN(.name = "own", .server = SL_HANDLERS(.data = on_end),
    .client = SL_HANDLERS(.data = on_data));
"""
    library = source % ("const char *event_base_get_method(void);"
                        "const char *event_base_get_method(void)"
                        "{ return \"own\\n\"; } int daemon_is_not_called",
                        "event_base_get_method()")
    libc = source % ("extern char *program_invocation_name;"
                     "char *program_invocation_name = \"own\\n\"",
                     "program_invocation_name")
    table = source % (
        "int event_initialized(int); int event_initialized(int a)"
        "{ return a + 1; } typedef int f(int);"
        "SL_EXPORT extern f *const all[]; f *const all[] ="
        "{ event_initialized }",
        'all[0](1) == 2 ? "own\\n" : "no!\\n"')
    with Refusals() as r:
        for number, (name, text) in enumerate((
                ("own", library), ("data", libc), ("table", table),
                ("written", table.replace("*const", "*")))):
            r.with_listener(name, compiled(r, name, text))
            equal(r.d.reload_ready(), 2 + number, "generation")
            with r.d.connect(name) as s:
                s.sendall(b"?")
                equal(receive_line(s), "own", name)
        changed = source % (
            "int mine(int, int); int mine(int a, int b) { return a + b; }"
            "typedef int f(int, int); extern f *one; f *one = mine;"
            "__attribute__((constructor)) static void turn(void)"
            "{ one = (f *)abort; }", '"own\\n"')
        r.with_listener("changed", compiled(r, "changed", changed))
        equal(r.d.reload_ready(), 6, "generation")


def test_memory_has_one_owner():
    """A plugin frees what the C library has allocated, for example."""
    source = HEAD + """
SL_EXPORT void *malloc(size_t n);
%s
static size_t taken;
void *malloc(size_t n) { taken += n; return NULL; }
static ssize_t
on_end(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	return %s == buf ? 0 : len;
}
SL_PLUGIN(.name = "own", .server = SL_HANDLERS(.data = on_end),
    .client = SL_HANDLERS(.data = on_data));
"""
    table = source % ("typedef void *f(size_t);"
                      "SL_EXPORT extern f *const all[];"
                      "f *const all[] = { malloc };", "buf")
    with Refusals() as r:
        for text in (source % ("", "malloc(len)"), table,
                     table.replace("*const", "*")):
            r.without(compiled(r, "own", text, ["-fno-builtin"]),
                      r'own\.so: uses "malloc" of \S+, which comes before '
                      r"its own; .* -fvisibility=hidden")


main()
