/* refuse.c: `check` accepts no motd but "good". */

#include <string.h>

#include <sluice.h>

static const struct sl_option options[] = {
	{ "motd", SL_OPTION_STRING, "good", "must be good" },
	{ "other", SL_OPTION_INT, "0", "3 is refused, without a place" },
	{ 0 },
};

static int
on_check(const struct sl_options *o, struct sl_error *err)
{
	if (strcmp(sl_option_string(o, "motd"), "good") != 0)
		return sl_refuse(err, "motd", "%s is not good",
		    sl_option_string(o, "motd"));
	if (sl_option_int(o, "other") == 3)
		return sl_refuse(err, NULL, "three of them");
	if (sl_option_int(o, "other") == 4)
		return -1;
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "refuse", .version = "1.0", .flags = SL_MANY_WORKERS,
    .options = options, .check = on_check,
    .server = SL_HANDLERS(.data = on_data));
