/*
 * check_workers_random.c: the table of workers when workers say anything, at
 * any time, or die.
 */

#include <event2/event.h>

#include "base/log.h"
#include "config/settings.h"
#include "master/gen.h"
#include "master/workers.h"
#include "random_children.h"

#define WORKERS 2
#define GROUP_MAX 2 /* of another group, which comes and goes */
#define WORKER_SEEDS 100
#define WORKER_STEPS 400

/* A child that was killed ends later, and may send more until then. */
static void
reap_some(void)
{
	struct child *child = some_child();

	if (child != NULL && child->reason != NULL)
		child_end(child, false);
}

static struct {
	struct workers *workers;
	enum { IDLE, PREPARE, COMMIT, STOP } state;
	uint32_t waiting;
	bool bad, all_gone;
	unsigned int commits;
} master;

static void
on_prepared(void *arg, uint32_t worker)
{
	(void)arg;
	ck_assert_uint_lt(worker, workers_count(master.workers));
	ck_assert_int_eq(master.state, PREPARE);
	ck_assert_uint_gt(master.waiting, 0);
	master.waiting--;
}

static void
on_refused(void *arg, uint32_t worker)
{
	on_prepared(arg, worker);
	master.bad = true;
}

static void
on_committed(void *arg, uint32_t worker)
{
	(void)arg;
	ck_assert_uint_lt(worker, workers_count(master.workers));
	ck_assert_int_eq(master.state, COMMIT);
	ck_assert_uint_gt(master.waiting, 0);
	master.waiting--;
}

static void
on_lost(void *arg, uint32_t worker, const char *how)
{
	(void)arg;
	ck_assert_uint_lt(worker, workers_count(master.workers));
	ck_assert_ptr_nonnull(how);
	master.bad = true;
}

static void
on_crash(void *arg, const struct crash *crash)
{
	(void)arg;
	ck_assert_ptr_nonnull(crash);
}

static void
on_settled(void *arg)
{
	(void)arg;
	ck_assert(workers_settled(master.workers));
}

static void
on_problem(void *arg, uint32_t worker, int level, const char *file,
    uint32_t line, const char *text)
{
	(void)arg;
	(void)line;
	ck_assert_uint_lt(worker, workers_count(master.workers));
	ck_assert_int_ge(level, LOG_LEVEL_ERROR);
	ck_assert_int_le(level, LOG_LEVEL_DEBUG);
	ck_assert_uint_le(strlen(file) + strlen(text), MSG_PAYLOAD_MAX);
}

static void
on_reload(void *arg, uint32_t worker)
{
	(void)arg;
	ck_assert_uint_lt(worker, workers_count(master.workers));
}

static void
on_stop_listener(void *arg, uint32_t worker, const char *name,
    const char *plugin, bool close_active)
{
	(void)arg;
	ck_assert_uint_lt(worker, workers_count(master.workers));
	ck_assert_uint_le(strlen(name), 64);
	ck_assert_uint_lt(strlen(plugin), MSG_PAYLOAD_MAX);
	workers_stop_listener(master.workers, name, close_active);
}

static void
on_all_gone(void *arg)
{
	(void)arg;
	ck_assert_int_eq(master.state, STOP);
	ck_assert_uint_eq(workers_alive(master.workers), 0);
	master.all_gone = true;
}

static const struct workers_ops ops = {
	.on_prepared = on_prepared,
	.on_refused = on_refused,
	.on_committed = on_committed,
	.on_lost = on_lost,
	.on_crash = on_crash,
	.on_settled = on_settled,
	.on_problem = on_problem,
	.on_reload = on_reload,
	.on_stop_listener = on_stop_listener,
	.on_all_gone = on_all_gone,
};

static struct gen *
new_gen(uint32_t number)
{
	struct gen *gen = gen_new(number);
	struct worker_group_settings *group;

	ck_assert_ptr_nonnull(gen);
	gen->settings = settings_new();
	ck_assert_ptr_nonnull(gen->settings);
	gen->settings->workers = WORKERS;
	group =
	    keys_add(key_find(settings_keys, "worker_groups"), gen->settings);
	ck_assert_ptr_nonnull(group);
	group->name = strdup("other");
	group->workers = below(GROUP_MAX + 1);
	gen->bundle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ne(gen->bundle_fd, -1);
	return gen;
}

/* The next step of a reload, in the order of reload.c. */
static void
step(struct gen **gen, uint32_t *number)
{
	struct error err;

	switch (master.state) {
	case IDLE:
		workers_hold(master.workers);
		if (!workers_settled(master.workers))
			return;
		*gen = new_gen(++*number);
		master.state = PREPARE;
		master.bad = false;
		if (workers_assign(master.workers, *gen, &err) == -1 ||
		    workers_prepare(master.workers, *gen, WORKERS_ALL,
			&master.waiting, &err) == -1) {
			master.state = IDLE;
			workers_abort(master.workers, *gen);
			workers_dismiss(master.workers);
			gen_unref(*gen);
		}
		break;
	case PREPARE:
		if (master.bad || below(20) == 0) {
			master.state = IDLE;
			workers_abort(master.workers, *gen);
			workers_dismiss(master.workers);
			gen_unref(*gen);
		} else if (master.waiting == 0) {
			master.state = COMMIT;
			master.waiting =
			    workers_commit(master.workers, *gen, WORKERS_ALL);
			gen_unref(*gen);
		}
		break;
	case COMMIT:
		if (master.waiting == 0) {
			master.state = IDLE;
			workers_dismiss(master.workers);
			master.commits++;
		}
		break;
	default:
		break;
	}
}

/* A child sends something: most of the time an answer that is due. */
static void
say_something(void)
{
	static const enum msg_type answers[] = { MSG_PREPARED, MSG_PREPARED,
		MSG_COMMITTED, MSG_REFUSED, MSG_DONE, MSG_DONE };
	static struct packet room;
	struct child *child = some_child();
	struct msg msg;

	if (child == NULL)
		return;
	heard_msg(&msg, 1, &room);
	if (below(4) != 0) {
		msg.type = answers[below(6)];
		if (msg.type !=
			(master.state == COMMIT ? MSG_COMMITTED
						: MSG_PREPARED) &&
		    below(8) != 0)
			return;
	}
	child->ops->on_message(child->arg, &msg);
}

static void
live(struct event_base *base, const struct settings *settings)
{
	struct gen *gen = NULL;
	uint32_t number = 0;
	struct child *child;

	memset(&master.state, 0,
	    sizeof(master) - offsetof(__typeof__(master), state));
	master.workers =
	    workers_new(base, children_new(base), settings, &ops, NULL);
	ck_assert_ptr_nonnull(master.workers);
	for (unsigned int i = 0; i < WORKER_STEPS; i++) {
		if (below(4) == 0)
			step(&gen, &number);
		say_something();
		if (below(4) == 0)
			reap_some();
		if (below(60) == 0 && (child = some_child()) != NULL)
			child_end(child, below(2) == 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	if (master.state == PREPARE)
		gen_unref(gen);
	master.state = STOP;
	workers_stop(master.workers, false);
	for (unsigned int i = 0; i < 50; i++)
		say_something();
	workers_stop(master.workers, true);
	while ((child = some_child()) != NULL)
		child_end(child, below(2) == 0);
	ck_assert_uint_eq(workers_alive(master.workers), 0);
	workers_free(master.workers);
	ck_assert_ptr_null(children);
}

START_TEST(workers_may_say_anything_at_any_time)
{
	struct event_base *base = event_base_new();
	struct settings *settings = settings_new();
	unsigned int seed, before, commits = 0;

	be_quiet();
	settings->workers = WORKERS;
	before = fixture_descriptors();
	for (seed = 1; seed <= WORKER_SEEDS; seed++) {
		srandom(seed);
		live(base, settings);
		commits += master.commits;
		ck_assert_uint_eq(fixture_descriptors(), before);
	}
	/* In spite of all that, generations were committed. */
	ck_assert_uint_gt(commits, WORKER_SEEDS);
	settings_free(settings);
	event_base_free(base);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		workers_may_say_anything_at_any_time,
		NULL,
	};

	return fixture_run("workers_random", tests);
}
