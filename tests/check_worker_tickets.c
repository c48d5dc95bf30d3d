/*
 * check_worker_tickets.c: each worker gets the newest keys for session tickets,
 * in the end.  Children are as in child_fixture.h, and sending fails on demand.
 */

#include <errno.h>
#include <event2/event.h>

#include "base/error.h"
#include "child_fixture.h"
#include "config/settings.h"
#include "log_fixture.h"
#include "master/gen.h"
#include "master/tickets.h"
#include "master/worker_row.h"
#include "master/workers.h"

#define WORKERS 3

static struct {
	struct child child[WORKERS];
	unsigned int keys[WORKERS]; /* how often each was sent some */
	uint32_t spawned;
	int broken; /* it cannot be sent any; -1: none of them */
} sent;

struct child *
child_spawn(struct children *all, const char *role, const struct hello *hello,
    int hello_fd, const struct child_ops *ops, void *arg, struct error *err)
{
	(void)all;
	(void)role;
	(void)hello;
	(void)hello_fd;
	(void)err;
	sent.child[sent.spawned].ops = ops;
	sent.child[sent.spawned].arg = arg;
	return &sent.child[sent.spawned++];
}

int
child_send(struct child *child, const struct msg *msg)
{
	int number = (int)(child - sent.child);

	if (msg->type != MSG_TICKETS)
		return 0;
	if (number == sent.broken) {
		errno = EMFILE;
		return -1;
	}
	sent.keys[number]++;
	return 0;
}

void
child_kill(struct child *child, const char *reason)
{
	(void)child;
	ck_abort_msg("a worker was killed: it %s", reason);
}

void
child_abort(struct child *child, const char *reason)
{
	child_kill(child, reason);
}

void
child_free(struct child *child)
{
	(void)child;
}

static const struct workers_ops ops = { 0 };

static struct event_base *base;
static struct gen *gen;
static struct workers *workers;

static void
begin_workers(void)
{
	struct error err;

	base = event_base_new();
	gen = gen_new(1);
	gen->settings = settings_new();
	capture(0);
	gen->settings->workers = WORKERS;
	sent.broken = -1;
	workers =
	    workers_new(base, children_new(base), gen->settings, &ops, NULL);
	ck_assert_int_eq(workers_assign(workers, gen, &err), 0);
	for (int i = 0; i < WORKERS; i++)
		ck_assert_uint_eq(sent.keys[i], 1);
	ck_assert_ptr_nonnull(strstr(logged(), "worker 3 (pid 1000) started"));
}

static void
end_workers(void)
{
	workers_free(workers);
	gen_unref(gen);
	event_base_free(base);
}

START_TEST(keys_that_cannot_be_sent_are_sent_again)
{
	begin_workers();
	sent.broken = 1;
	tickets_rotate(workers->tickets);
	ck_assert_uint_eq(sent.keys[1], 1);
	ck_assert_ptr_nonnull(strstr(logged(),
	    "worker 2 goes on with the old keys for session tickets, and is "
	    "tried again every second: cannot send the new ones: Too many"));
	/* It is said once. */
	ck_assert_int_eq(workers_share_tickets(workers), -1);
	ck_assert_str_eq(logged(), "");
	/* New keys meanwhile: only the newest are of use. */
	tickets_rotate(workers->tickets);
	sent.broken = -1;
	while (sent.keys[1] == 1)
		event_base_loop(base, EVLOOP_ONCE);
	ck_assert_uint_eq(sent.keys[1], 2);
	ck_assert_ptr_nonnull(strstr(logged(),
	    "worker 2 has the new keys for session tickets now"));
	/* The others have got each once. */
	ck_assert_uint_eq(sent.keys[0], 3);
	ck_assert_uint_eq(sent.keys[2], 3);
	ck_assert_int_eq(workers_share_tickets(workers), 0);
	ck_assert_uint_eq(sent.keys[1], 2);
	end_workers();
}
END_TEST

START_TEST(keys_that_a_worker_cannot_take_are_sent_again)
{
	struct msg msg = { .type = MSG_NO_TICKETS, .fd = -1 };

	begin_workers();
	/* One that says so all the time does not hold up the others. */
	sent.child[2].ops->on_message(sent.child[2].arg, &msg);
	while (sent.keys[2] == 1) {
		sent.child[0].ops->on_message(sent.child[0].arg, &msg);
		event_base_loop(base, EVLOOP_ONCE);
	}
	ck_assert_uint_eq(sent.keys[0], 2);
	ck_assert_uint_eq(sent.keys[1], 1);
	ck_assert_uint_eq(sent.keys[2], 2);
	end_workers();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		keys_that_cannot_be_sent_are_sent_again,
		keys_that_a_worker_cannot_take_are_sent_again,
		NULL,
	};

	return fixture_run("worker_tickets", tests);
}
