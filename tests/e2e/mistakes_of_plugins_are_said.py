"""What a plugin does wrong without noticing is in the log, once."""

from sluice_test import (Daemon, compile_plugin, equal, listener, main,
                         receive_line)

WRONG_OPTIONS = """
#include <stdio.h>
#include <sluice.h>

static const struct sl_option options[] = {
	{ "workers", SL_OPTION_INT, "7", "a number" },
	{ NULL, 0, NULL, NULL },
};

static int
on_check(const struct sl_options *o, struct sl_error *err)
{
	(void)err;
	return sl_option_ms(o, "workers") == 0 ? 0 : -1;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const struct sl_options *o = sl_options(sl_service(c));
	char text[32];
	int n;

	(void)buf;
	n = snprintf(text, sizeof(text), "%d\\n",
	    (int)sl_option_int(o, "wrokers"));
	sl_send(c, text, (size_t)n);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "wrong", .version = "1", .options = options,
    .check = on_check, .server = SL_HANDLERS(.data = on_data));
"""


def test_options():
    with Daemon(listener("web", "./wrong.so"), start=False) as d:
        compile_plugin(WRONG_OPTIONS, d.path("wrong.so"))
        d.start()
        with d.connect() as s:
            for _ in range(3):
                s.sendall(b"?")
                equal(receive_line(s), "0")
        mistakes = d.messages("it calls sl_option_")
        equal(len(mistakes), 2, "\n".join(mistakes))
        d.wait_log(r'web": plugin "\S*wrong.so": it calls '
                   r'sl_option_ms\("workers"\), .* has to use sl_option_int')
        d.wait_log(r'web": plugin "\S*wrong.so": it calls '
                   r'sl_option_int\("wrokers"\), .* mean "workers"\?')


main()
