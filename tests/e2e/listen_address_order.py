"""sl_listen_address() has the order of the configuration, whatever the reloads
before."""

import os

from sluice_test import (Daemon, compile_plugin, equal, free_address, listener,
                         main, receive_line, scratch)

PLUGIN = r"""
#include <sluice.h>
#include <string.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const struct sl_address *address;
	unsigned int i;

	(void)buf;
	for (i = 0; (address = sl_listen_address(sl_service(c), i)) != NULL;
	     i++) {
		sl_write(c, address->text, strlen(address->text));
		sl_write(c, " ", 1);
	}
	sl_write(c, "\n", 1);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "where", .version = VERSION, .flags = MANY * SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""


def where(name, many):
    return compile_plugin(PLUGIN, os.path.join(scratch(), name + ".so"),
                          MANY=many, VERSION=name)


def test_order():
    many, one = where("many", 1), where("one", 0)
    a, b, c = [free_address() for _ in range(3)]
    with Daemon(listener("where", many, [a, c]), workers=3) as d:
        def said():
            s = d.connect("where", address=a)
            s.sendall(b"x")
            line = receive_line(s).split()
            s.close()
            return line

        equal(said(), [a, c])
        for path, order in ((many, [b, a, c]), (many, [c, a]),
                            (one, [c, b, a]), (one, [a, b]),
                            (many, [b, a])):
            d.listeners[0] = listener("where", path, order)
            d.write_config()
            d.reload_ready()
            equal(said(), order)


main()
