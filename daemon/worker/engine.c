/* engine.c: the event loop of a worker and what its connections share. */

#include "worker/engine.h"

#include <event2/event.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log_libevent.h"
#include "base/log_limit.h"
#include "worker/timers.h"

/*
 * The kernel copies to and from the beginning of a page twice as fast as 16
 * bytes after it, where malloc() would put the buffer.
 */
#define RECV_ALIGN ((size_t)4096)

struct engine engine;

uint64_t
engine_read_clock(void)
{
	return engine.now_ms = clock_ms();
}

int
engine_init(struct shm *shm)
{
	struct event_config *config;

	engine.shm = shm;
	log_libevent();
	config = event_config_new();
	if (config == NULL)
		return -1;
	event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
	/* libevent must not change its ways by our environment. */
	event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
	/* We have a clock of our own; libevent need not read it every pass. */
	event_config_set_flag(config, EVENT_BASE_FLAG_NO_CACHE_TIME);
	engine.base = event_base_new_with_config(config);
	event_config_free(config);
	if (engine.base == NULL)
		return -1;
	engine.timers = timers_new(engine.base, engine_now);
	if (engine.timers == NULL || log_limit_begin(engine.base) == -1)
		return -1;
	return engine_reserve_recv(RECV_BUFFER_MIN);
}

void
engine_done(void)
{
	log_limit_end();
	timers_free(engine.timers);
	if (engine.base != NULL)
		event_base_free(engine.base);
	free(engine.recv_buffer);
	engine = (struct engine){ 0 };
}

int
engine_reserve_recv(size_t size)
{
	unsigned char *buffer;

	if (size <= engine.recv_size)
		return 0;
	buffer = aligned_alloc(RECV_ALIGN, size + -size % RECV_ALIGN);
	if (buffer == NULL)
		return -1;
	free(engine.recv_buffer);
	engine.recv_buffer = buffer;
	engine.recv_size = size;
	return 0;
}

int
engine_pass(bool wait, void (*at_end)(void))
{
	if (event_base_loop(engine.base,
		wait ? EVLOOP_ONCE : EVLOOP_ONCE | EVLOOP_NONBLOCK) == -1)
		return -1;
	if (engine.after_pass_due) {
		engine.after_pass_due = false;
		at_end();
	}
	engine.now_ms = 0;
	return engine.after_pass_due;
}

int
engine_run(void (*at_end)(void), const bool *stop)
{
	int due = 0;

	while (!*stop && due != -1)
		due = engine_pass(due == 0, at_end);
	return due == -1 ? -1 : 0;
}
