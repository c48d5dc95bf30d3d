/*
 * worker_memory.c: limits.memory.  A worker above it is replaced as by `workers
 * recycle`, one at a time, the largest first.  When the new process is soon above
 * it as well, its plugin needs that much, and the next time comes after growing
 * waits: to replace it again and again would only cut long connections.
 */

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "config/value.h"
#include "master/gen.h"
#include "master/process.h"
#include "master/worker_row.h"
#include "master/workers.h"

#define WAIT_FIRST_MS (60 * 1000ull)
#define WAIT_MAX_MS (60 * WAIT_FIRST_MS)
/* Until one is tried again that could not be replaced; others come before. */
#define RETRY_MS (10 * 1000ull)
/* A process that stayed below the limit for so long had a new reason. */
#define WAIT_FORGET 10 /* times the wait */

static bool
may_be_replaced(const struct worker_memory *memory)
{
	return memory->wait_ms == 0 ||
	    clock_ms() - memory->recycled_ms >= memory->wait_ms;
}

/* Has it been tried lately, in vain? */
static bool
failed_lately(const struct worker_memory *memory)
{
	return memory->failed_ms != 0 &&
	    clock_ms() - memory->failed_ms < RETRY_MS;
}

/* MiB with a decimal: such numbers are never exact. */
static const char *
mib_text(uint64_t bytes, char text[32])
{
	snprintf(text, 32, "%" PRIu64 ".%" PRIu64 " MiB", bytes >> 20,
	    (bytes % (1 << 20)) * 10 >> 20);
	return text;
}

/* Once for each wait. */
static void
tell_wait(struct worker_memory *memory, uint32_t number, uint64_t bytes)
{
	char size[32], time[TIME_TEXT_MAX];

	if (memory->told)
		return;
	memory->told = true;
	log_warnx("worker %u has %s, which is above limits.memory, soon after "
		  "its process was replaced; the next one comes %s after the "
		  "last: look for a leak, or raise the limit",
	    number + 1, mib_text(bytes, size),
	    duration_text(memory->wait_ms, time));
}

static void
wait_longer(struct worker_memory *memory)
{
	uint64_t now = clock_ms(), wait_ms = 2 * memory->wait_ms;

	if (wait_ms == 0 ||
	    now - memory->recycled_ms >= WAIT_FORGET * memory->wait_ms)
		wait_ms = WAIT_FIRST_MS;
	if (wait_ms > WAIT_MAX_MS)
		wait_ms = WAIT_MAX_MS;
	memory->wait_ms = wait_ms;
	memory->recycled_ms = now;
	memory->told = false;
}

static void
on_done(void *arg, bool good, const char *text)
{
	struct worker_memory *memory = arg;

	if (good) {
		memory->recycled++;
		memory->failed_ms = 0;
		wait_longer(memory);
		return;
	}
	memory->failed_ms = clock_ms();
	log_warnx("limits.memory: %s", text);
}

static void
replace(struct workers *workers, uint32_t number, uint64_t bytes,
    uint64_t limit)
{
	struct worker_memory *memory = &workers->memory[number];
	char size[32], most[VALUE_TEXT_MAX], who[128];
	struct error err;

	snprintf(who, sizeof(who), "it has %s, and limits.memory is %s",
	    mib_text(bytes, size), value_size_text(limit, most));
	if (workers_recycle(workers, number, who, on_done, memory, &err) == 0)
		return;
	/* A reload runs, or too many that were replaced have connections. */
	memory->failed_ms = clock_ms();
	if (!memory->told)
		log_warnx("limits.memory: worker %u should be replaced, since "
			  "%s; %s",
		    number + 1, who, err.text);
	memory->told = true;
}

void
workers_memory_cb(evutil_socket_t fd, short what, void *arg)
{
	struct workers *workers = arg;
	const struct gen *committed = workers->committed;
	uint64_t limit, bytes, largest = 0;
	const struct worker_row *row;
	uint32_t chosen = 0;

	(void)fd;
	(void)what;
	limit = committed != NULL ? committed->settings->limits.memory : 0;
	if (limit == 0 || workers->stopping || workers->recycle.busy)
		return;
	for (uint32_t i = 0; i < workers->count; i++) {
		row = workers->by_number[i];
		if (row->state != WORKER_SERVING || !worker_is_wanted(row))
			continue;
		bytes = process_memory(row->pid);
		if (bytes <= limit || failed_lately(&workers->memory[i]))
			continue;
		if (!may_be_replaced(&workers->memory[i])) {
			tell_wait(&workers->memory[i], i, bytes);
		} else if (bytes > largest) {
			largest = bytes;
			chosen = i;
		}
	}
	if (largest > 0)
		replace(workers, chosen, largest, limit);
}
