/*
 * control_status.c: the state of the daemon, from what the master knows and the
 * shared memory shows.  No worker is asked, so this never waits.
 */

#include "master/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/json_text.h"
#include "base/log_sink.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "ipc/upstreams.h"
#include "master/bygones.h"
#include "master/control_conn.h"
#include "master/crashes.h"
#include "master/doing.h"
#include "master/gen.h"
#include "master/log_process.h"
#include "master/reload.h"
#include "master/workers.h"

/* A callback that runs for so long is shown. */
#define BUSY_MS 100

static json_t *
worker_object(const struct control_subject *subject, uint32_t place,
    const struct worker_facts *facts)
{
	const struct shm *shm = workers_shm(subject->workers);
	struct counts_sum sum;
	char doing[DOING_MAX];
	json_t *object;

	shm_sum_worker(shm, place, &sum);
	sum.named = 0; /* plugins' counters are shown with the listener */
	object = json_pack("{s:I, s:s?, s:I, s:s, s:I, s:I, s:I, s:I, s:I, "
			   "s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:o}",
	    "worker", (json_int_t)facts->worker + 1, "group", facts->group,
	    "pid", (json_int_t)facts->pid, "state", facts->state, "generation",
	    (json_int_t)facts->generation, "connections",
	    (json_int_t)facts->connections, "slow_callbacks",
	    (json_int_t)sum.value[COUNT_SLOW], "aborts",
	    (json_int_t)facts->aborted, "restarts", (json_int_t)facts->restarts,
	    "memory", (json_int_t)facts->memory, "memory_recycled",
	    (json_int_t)facts->memory_recycled, "heap", (json_int_t)facts->heap,
	    "descriptors", (json_int_t)facts->descriptors, "descriptors_max",
	    (json_int_t)facts->descriptors_max, "loop_lag_us",
	    (json_int_t)facts->lag_us, "loop_lag_max_us",
	    (json_int_t)facts->lag_max_us, "counts",
	    control_counts(&sum, shm_tick_scale(shm)));
	if (facts->lasted_ms >= BUSY_MS) {
		workers_doing(subject->workers, place, NULL, doing);
		json_object_set_new(object, "doing", json_text(doing));
	}
	return object;
}

static json_t *
workers_array(const struct control_subject *subject)
{
	json_t *array = json_array();
	struct worker_facts facts;
	uint32_t place;

	for (uint32_t i = 0; i < workers_count(subject->workers); i++) {
		place = workers_place(subject->workers, i);
		if (workers_facts(subject->workers, place, &facts))
			json_array_append_new(array,
			    worker_object(subject, place, &facts));
	}
	return array;
}

static void
add_old_worker(void *arg, const struct bygone_facts *facts)
{
	json_array_append_new(arg,
	    json_pack("{s:I, s:I, s:s, s:I, s:o}", "worker",
		(json_int_t)facts->worker + 1, "pid", (json_int_t)facts->pid,
		"state", facts->state, "connections_at_upgrade",
		(json_int_t)facts->connections, "left_ms",
		facts->ends ? json_integer((json_int_t)facts->left_ms)
			    : json_null()));
}

/* Those of the program before an upgrade. */
static json_t *
old_workers_array(const struct control_subject *subject)
{
	json_t *array = json_array();

	if (array != NULL)
		bygones_each(subject->bygones, add_old_worker, array);
	return array;
}

json_t *
control_lines(const char *text, const char *last)
{
	json_t *lines = json_array(), *line;
	const char *end;
	char *copy;

	while (lines != NULL && text < last) {
		end = strchrnul(text, '\n');
		copy = strndup(text, (size_t)(end - text));
		line = copy != NULL ? json_text(copy) : NULL;
		free(copy);
		if (line == NULL || json_array_append_new(lines, line) == -1) {
			json_decref(lines);
			return NULL;
		}
		text = *end != '\0' ? end + 1 : end;
	}
	return lines;
}

/* Processes that were replaced and still have connections. */
static json_t *
replaced_array(const struct control_subject *subject)
{
	json_t *array = json_array();
	struct worker_facts facts;

	for (uint32_t i = 0; i < workers_places(subject->workers); i++)
		if (workers_facts(subject->workers, i, &facts) &&
		    facts.replaced)
			json_array_append_new(array,
			    worker_object(subject, i, &facts));
	return array;
}

/* null: there is none. */
static json_t *
generation_number(const struct gen *gen)
{
	return gen != NULL ? json_integer(gen->number) : json_null();
}

static json_t *
last_verdict(const struct reload *reload)
{
	const struct reload_verdict *last = reload_last_verdict(reload);
	char when[TIME_TEXT_MAX];

	if (last == NULL)
		return json_null();
	return json_pack("{s:b, s:s, s:o, s:o}", "ok", last->good, "time",
	    time_text(last->time_ms, when), "verdict", json_text(last->text),
	    "problems",
	    control_lines(last->reasons, strchr(last->reasons, '\0')));
}

/* error: why lines are lost now, or null. */
static json_t *
log_object(const struct control_subject *subject, const struct gen *gen)
{
	const struct log_settings *settings =
	    gen != NULL ? &gen->settings->log : NULL;
	const struct log_loss *writer = log_process_loss();
	uint64_t lost = workers_lost_lines(subject->workers) +
	    atomic_load(&log_sink_loss()->lines);
	int error = 0;

	if (writer != NULL) {
		lost += atomic_load(&writer->lines);
		error = atomic_load(&writer->error);
	}
	return json_pack("{s:o, s:o, s:I, s:o}", "file",
	    settings != NULL && settings->file != NULL
		? json_text(settings->file)
		: json_null(),
	    "syslog",
	    settings != NULL && settings->syslog != SYSLOG_OFF
		? json_text(settings->syslog_socket)
		: json_null(),
	    "lost", (json_int_t)lost, "error",
	    error != 0 ? json_text(error_text(error)) : json_null());
}

void
control_status(struct control_conn *conn, const struct control_args *args)
{
	const struct control_subject *subject = conn->subject;
	const struct gen *gen = reload_committed(subject->reload);
	struct upstream_list upstreams;
	struct timespec now;

	(void)args;
	clock_gettime(CLOCK_MONOTONIC, &now);
	/* Without memory there are fewer of them. */
	upstreams_sum(workers_shm(subject->workers), clock_ms(), &upstreams);
	control_reply(conn,
	    json_pack(
		"{s:s, s:I, s:I, s:o, s:o, s:o, s:s, s:o, s:I, s:o, s:o, s:o, "
		"s:o, s:o, s:o}",
		"version", PACKAGE_VERSION, "pid", (json_int_t)getpid(),
		"uptime_s", (json_int_t)(now.tv_sec - subject->started_s),
		"config", json_text(subject->config), "generation",
		generation_number(gen), "previous",
		generation_number(reload_previous(subject->reload)), "reload",
		reload_state_name(subject->reload), "last",
		last_verdict(subject->reload), "crashes",
		(json_int_t)crashes_count(subject->crashes), "workers",
		workers_array(subject), "replaced", replaced_array(subject),
		"old_workers", old_workers_array(subject), "listeners",
		control_listeners(subject, gen, &upstreams), "connectors",
		control_connectors(subject, gen, &upstreams), "log",
		log_object(subject, gen)));
	upstreams_free(&upstreams);
}
