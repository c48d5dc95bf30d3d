"""ELF files that are refused: for the machine, the ABI, the size, or a
descriptor in the wrong place."""

import os
import struct

from sluice_test import compile_plugin, equal, main, plugin, test_plugin

from refusals import Refusals

HEAD = '#include <sluice.h>\n'
DATA = HEAD + """
static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}
"""
WHOLE = DATA + """
SL_PLUGIN(.name = "whole", .version = "1", .server =
    SL_HANDLERS(.data = on_data));
"""


def compiled(r, name, source, flags=()):
    return compile_plugin(source, r.d.path(name + ".so"), flags)


def patched(r, name, offset, data):
    with open(plugin("echo"), "rb") as file:
        whole = bytearray(file.read())
    whole[offset:offset + len(data)] = data
    with open(r.d.path(name), "wb") as file:
        file.write(whole)
    return "./" + name


def test_another_machine():
    with Refusals() as r:
        for offset, data in ((18, struct.pack("=H", 22)),   # e_machine: s390
                             (4, b"\x01"),                  # 32 bits
                             (5, b"\x02")):                 # big endian
            r.without(patched(r, "other.so", offset, data),
                      r"other\.so: is built for another machine")
        r.ready_again()


def test_other_kinds():
    with Refusals() as r:
        r.without(patched(r, "exec.so", 16, struct.pack("=H", 2)),
                  r"exec\.so: is not a shared object; link it with -shared")
        r.without(patched(r, "object.so", 16, struct.pack("=H", 1)),
                  r"object\.so: is an object file")
        r.ready_again()


def test_executable_stack():
    with Refusals() as r:
        r.without(compiled(r, "stack", WHOLE, ["-Wl,-z,execstack"]),
                  r"stack\.so: wants an executable stack")
        r.ready_again()


def test_static_tls():
    source = WHOLE + """
SL_EXPORT int count(void);
static __thread int calls;

int
count(void)
{
	return ++calls;
}
"""
    with Refusals() as r:
        r.without(compiled(r, "static", source,
                           ["-ftls-model=initial-exec"]),
                  r"static\.so: uses static thread-local storage")
        # Dynamic thread-local storage is accepted.
        r.with_listener("tls", compiled(r, "dynamic", source))
        equal(r.d.reload_ready(), 2, "generation")


def test_abi_and_size():
    with Refusals() as r:
        r.without(test_plugin("badabi"),
                  r"badabi\S*: was built for plugin ABI \d+, this daemon has")
        short = DATA + """
SL_EXPORT const struct sl_plugin sl_plugin = { .abi = SL_ABI, .size = 8,
    .name = "short", .server = SL_HANDLERS(.data = on_data) };
"""
        r.without(compiled(r, "short", short),
                  r"short\.so: its descriptor says it has 8 bytes")
        r.without(compiled(r, "long", short.replace("= 8", "= 4096")),
                  r"long\.so: its descriptor has \d+ bytes, less than")
        r.without(compiled(r, "nameless", short.replace(
            "= 8", "= sizeof(struct sl_plugin)").replace(
                '"short"', "NULL")), r"nameless\.so: its descriptor has no")
        r.without(test_plugin("nohandlers"), "neither data nor drain")
        r.ready_again()


def test_missing_descriptor():
    with Refusals() as r:
        r.without(test_plugin("nodescriptor"),
                  r'it exports no "sl_plugin"; is SL_PLUGIN\(\) missing')
        # The descriptor exists, but is not exported.
        hidden = DATA + """
__attribute__((visibility("hidden"))) extern const struct sl_plugin hidden
    __asm__("sl_plugin");
const struct sl_plugin hidden = { .abi = SL_ABI };
"""
        r.without(compiled(r, "hidden", hidden), 'it exports no "sl_plugin"')
        r.ready_again()


def test_misplaced_descriptor():
    with Refusals() as r:
        r.without(compiled(r, "function", """
__attribute__((visibility("default"))) int sl_plugin(void);

int
sl_plugin(void)
{
	return 0;
}
"""), r'function\.so: .* "sl_plugin" is not plain data')
        r.without(compiled(r, "code", """
__asm__(".text\\n.globl sl_plugin\\n.type sl_plugin, %object\\n"
    ".size sl_plugin, 256\\nsl_plugin: .fill 64, 4, 1\\n");
"""), r'code\.so: .* "sl_plugin" lies among the code')
        r.without(compiled(r, "thread", """
__attribute__((visibility("default"))) __thread int sl_plugin[64];
"""), r'thread\.so: .* "sl_plugin" is not plain data')
        # The descriptor of a library is not that of the plugin.
        library = compiled(r, "library", WHOLE)
        r.without(compiled(r, "borrows", HEAD + """
extern const struct sl_plugin sl_plugin;
SL_EXPORT const void *borrow(void);

const void *
borrow(void)
{
	return &sl_plugin;
}
""", ["-Wl,--no-as-needed", library]), r'borrows\.so: .* "sl_plugin" is that of another file')
        r.ready_again()


def test_unresolved_symbol():
    with Refusals() as r:
        r.without(test_plugin("unresolved"), "sl_no_such_call")
        # A missing function is noticed at once, not at the first call.
        r.without(compiled(r, "lazy", WHOLE + """
int nowhere_at_all(void);
SL_EXPORT int call(void);

int
call(void)
{
	return nowhere_at_all();
}
""", ["-Wl,-z,lazy"]), r"lazy\.so: cannot be loaded: .*nowhere_at_all")
        gone = compiled(r, "gone", WHOLE)
        path = compiled(r, "needs", WHOLE, ["-Wl,--no-as-needed", gone])
        os.unlink(gone)
        r.without(path, r"needs\.so: cannot be loaded: .*gone\.so")
        r.ready_again()


def test_damaged():
    """A damaged file may crash the loader only in the probe."""
    with Refusals() as r:
        for at in (0, 4, 16, 32, 40, 54):   # the ELF header
            r.without(patched(r, "part.so", at, b"\xff\xff\xff\xff"),
                      r"part\.so")
        r.ready_again()


main()
