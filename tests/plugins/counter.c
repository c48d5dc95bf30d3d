/*
 * counter.c: obeys each line and then sends it back: "count NAME NUMBER",
 * "sleep MS", "close", "fail", "hang" (which never returns).
 */

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <sluice.h>

#ifndef VERSION
#define VERSION "1"
#endif

/* Returns false to end the connection by an error. */
static bool
obey(struct sl_conn *c, const char *line)
{
	char name[64];
	uint64_t n;

	if (sscanf(line, "count %63s %" SCNu64, name, &n) == 2) {
		sl_count(sl_service(c), name, n);
	} else if (sscanf(line, "sleep %" SCNu64, &n) == 1) {
		struct timespec time = { 0, (long)n * 1000000 };

		while (nanosleep(&time, &time) == -1)
			;
	} else if (strcmp(line, "close") == 0) {
		sl_close(c);
	} else if (strcmp(line, "hang") == 0) {
		for (;;)
			pause();
	}
	return strcmp(line, "fail") != 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *newline = memchr(buf, '\n', len);
	char line[128] = "";
	size_t length;

	if (newline == NULL)
		return 0;
	length = (size_t)(newline - (const char *)buf);
	if (length >= sizeof(line))
		return -1;
	memcpy(line, buf, length);
	sl_write(c, buf, length + 1);
	if (!obey(c, line))
		return -1;
	return (ssize_t)length + 1;
}

SL_PLUGIN(.name = "counter", .version = VERSION, .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
