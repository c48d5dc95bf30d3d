/*
 * refuse.c: `check` accepts no motd but "good"; `start` and `reload` refuse for
 * the reason that an option gives.
 */

#include <string.h>

#include <sluice.h>

static const struct sl_option options[] = {
	{ "motd", SL_OPTION_STRING, "good", "must be good" },
	{ "other", SL_OPTION_INT, "0", "3 is refused, without a place" },
	{ "start", SL_OPTION_STRING, "", "why `start` refuses" },
	{ "reload", SL_OPTION_STRING, "", "why `reload` refuses" },
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

/* A reason that is not used must not be told with a later refusal. */
static int
refuse_by(struct sl_service *service, const char *option)
{
	const char *reason = sl_option_string(sl_options(service), option);

	if (reason[0] == '\0')
		return 0;
	if (strcmp(reason, "silently") == 0)
		return -1;
	if (strcmp(reason, "nothing") == 0)
		return sl_refuse(NULL, NULL, "it starts all the same") + 1;
	return sl_refuse(NULL, option, "%s", reason);
}

static int
on_start(struct sl_service *service)
{
	return refuse_by(service, "start");
}

static int
on_reload(struct sl_service *next, struct sl_service *prev)
{
	(void)prev;
	return refuse_by(next, "reload");
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "refuse", .version = "1.0",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE, .options = options,
    .check = on_check, .start = on_start, .reload = on_reload,
    .server = SL_HANDLERS(.data = on_data));
