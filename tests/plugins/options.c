/* options.c: tells each client the options it was configured with. */

#include <inttypes.h>
#include <stdio.h>

#include <sluice.h>

#define TEXT_MAX 1024

static const struct sl_option options[] = {
	{ "string", SL_OPTION_STRING, "default", "a string" },
	{ "none", SL_OPTION_STRING, NULL, "a string without a default" },
	{ "int", SL_OPTION_INT, "-7", "an integer" },
	{ "float", SL_OPTION_FLOAT, "0.5", "a number" },
	{ "bool", SL_OPTION_BOOL, "true", "yes or no" },
	{ "duration", SL_OPTION_DURATION, "1500ms", "a time" },
	{ "size", SL_OPTION_SIZE, "64KiB", "bytes" },
	{ "address", SL_OPTION_ADDRESS, "127.0.0.1:80", "an address" },
	{ "strings", SL_OPTION_STRINGS, NULL, "a list" },
	{ "group.inner", SL_OPTION_INT, "1", "an integer in a group" },
	{ 0 },
};

static int
on_open(struct sl_conn *c)
{
	const struct sl_options *o = sl_options(sl_service(c));
	const char *none = sl_option_string(o, "none");
	char text[TEXT_MAX];
	int n;

	n = snprintf(text, sizeof(text),
	    "string=%s none=%s int=%" PRId64 " float=%g bool=%d "
	    "duration=%" PRIu64 " size=%" PRIu64 " address=%s inner=%" PRId64
	    " strings=%zu",
	    sl_option_string(o, "string"), none != NULL ? none : "NULL",
	    sl_option_int(o, "int"), sl_option_float(o, "float"),
	    sl_option_bool(o, "bool"), sl_option_ms(o, "duration"),
	    sl_option_size(o, "size"), sl_option_string(o, "address"),
	    sl_option_int(o, "group.inner"), sl_option_count(o, "strings"));
	for (size_t i = 0; i < sl_option_count(o, "strings"); i++)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ",%s",
		    sl_option_at(o, "strings", i));
	text[n++] = '\n';
	sl_send(c, text, (size_t)n);
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	return (ssize_t)len;
}

SL_PLUGIN(.name = "options", .version = "1.0", .flags = SL_MANY_WORKERS,
    .summary = "tells its options", .options = options,
    .server = SL_HANDLERS(.open = on_open, .data = on_data));
