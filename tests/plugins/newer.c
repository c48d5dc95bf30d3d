/* newer.c: built from a later header: a longer descriptor, but the same ABI. */

#include <sluice.h>

struct newer {
	struct sl_plugin plugin;
	int (*invention)(void);
	const char *more;
};

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

static int
invent(void)
{
	return 0;
}

/* The symbol is sl_plugin, of a type that this sluice.h does not have. */
SL_EXPORT extern const struct newer newer __asm__("sl_plugin");

const struct newer newer = {
	.plugin = {
		.abi = SL_ABI,
		.size = sizeof(struct newer),
		.name = "newer",
		.version = "9.0",
		.flags = SL_MANY_WORKERS,
		.server = SL_HANDLERS(.data = on_data),
	},
	.invention = invent,
	.more = "unknown here",
};
