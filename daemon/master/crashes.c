/* crashes.c: a ring of the last crashes, and the reports of dead workers. */

#include "master/crashes.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

struct crashes {
	uint64_t count;
	struct crash ring[CRASHES_MAX];
};

struct crashes *
crashes_new(void)
{
	return calloc(1, sizeof(struct crashes));
}

void
crashes_free(struct crashes *crashes)
{
	free(crashes);
}

void
crashes_add(struct crashes *crashes, const struct crash *crash)
{
	crashes->ring[crashes->count++ % CRASHES_MAX] = *crash;
}

uint64_t
crashes_count(const struct crashes *crashes)
{
	return crashes->count;
}

void
crashes_each(const struct crashes *crashes,
    void (*fn)(void *arg, const struct crash *crash), void *arg)
{
	uint64_t i =
	    crashes->count > CRASHES_MAX ? crashes->count - CRASHES_MAX : 0;

	for (; i < crashes->count; i++)
		fn(arg, &crashes->ring[i % CRASHES_MAX]);
}

/*
 * The worker ran foreign code, so its row may hold anything.  Keep printable
 * ASCII only, in lines that are not empty and all end with a newline.
 */
void
crash_take_report(struct crash *crash, const struct board_row *row)
{
	uint32_t length, used = 0;
	char c, before = '\n';

	length =
	    atomic_load_explicit(&row->report_length, memory_order_acquire);
	if (length > sizeof(crash->text) - 2)
		length = sizeof(crash->text) - 2;
	for (uint32_t i = 0; i < length; i++) {
		c = row->report[i];
		if (c == '\n' ? before == '\n' : c < ' ' || c > '~')
			continue;
		before = c;
		crash->text[used++] = c;
	}
	if (before != '\n')
		crash->text[used++] = '\n';
	crash->text[used] = '\0';
}

#define NO_MEMORY                                                              \
	"if nobody has sent that signal, the kernel did, for lack of memory: " \
	"see journalctl -k\n"

void
crash_make_report(struct crash *crash, const char *line)
{
	/* When the master sends it, the end has another reason. */
	bool foreign = strcmp(crash->how, "was killed by SIGKILL") == 0;

	snprintf(crash->text, sizeof(crash->text), "%.*s\n%s",
	    (int)(sizeof(crash->text) - sizeof(NO_MEMORY) - 1), line,
	    foreign ? NO_MEMORY : "");
}

void
crash_log(const struct crash *crash)
{
	const char *line = crash->text, *end;

	for (; (end = strchr(line, '\n')) != NULL; line = end + 1)
		log_errorx("worker %u: %.*s", crash->worker + 1,
		    (int)(end - line), line);
	if (crash->connections > 0)
		log_errorx("worker %u: %" PRIu64 " connection%s lost with it",
		    crash->worker + 1, crash->connections,
		    crash->connections == 1 ? " was" : "s were");
}
