/*
 * check_talk.c: the master's table of workers, and its reader and probe, when
 * those on the other side say anything, at any time, or die.  Their processes
 * are not real: child.h is made here.
 */

#include "fixture.h"
#include "packets.h"

#include <event2/event.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memfd.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "master/build.h"
#include "master/child.h"
#include "master/gen.h"
#include "master/workers.h"

#define WORKERS 4
#define WORKER_SEEDS 100
#define WORKER_STEPS 400
#define BUILD_SEEDS 1500
#define BUILD_STEPS 40

/* -- child.h, without processes -- */

struct child {
	const struct child_ops *ops;
	void *arg;
	const char *reason; /* it was killed */
	struct child *next;
};

static struct child *children; /* alive, or killed and not gone yet */
static unsigned int spawned;

struct children *
children_new(struct event_base *base)
{
	return (struct children *)base;
}

void
children_free(struct children *all)
{
	(void)all;
}

void
children_verbose(struct children *all)
{
	(void)all;
}

struct child *
child_spawn(struct children *all, const char *role, const struct hello *hello,
    int hello_fd, const struct child_ops *ops, void *arg, struct error *err)
{
	struct child *child = calloc(1, sizeof(*child));

	(void)all;
	(void)hello;
	(void)hello_fd;
	if (below(50) == 0) {
		free(child);
		error_set(err, "cannot start a %s", role);
		return NULL;
	}
	spawned++;
	child->ops = ops;
	child->arg = arg;
	child->next = children;
	children = child;
	return child;
}

pid_t
child_pid(const struct child *child)
{
	(void)child;
	return 1000;
}

int
child_send(struct child *child, const struct msg *msg)
{
	struct packet packet;

	(void)child;
	/* What the master says can be said. */
	ck_assert_int_eq(msg_encode(msg, &packet), 0);
	if (below(500) != 0)
		return 0;
	errno = below(2) == 0 ? EPIPE : ENOBUFS;
	return -1;
}

void
child_deadline(struct child *child, unsigned int ms)
{
	(void)child;
	(void)ms;
}

void
child_kill(struct child *child, const char *reason)
{
	child->reason = reason;
}

void
child_abort(struct child *child, const char *reason)
{
	child->reason = reason;
}

void
child_pass(struct child *child, const struct child_ops *ops, void *arg)
{
	child->ops = ops;
	child->arg = arg;
}

void
child_free(struct child *child)
{
	struct child **at = &children;

	if (child == NULL)
		return;
	while (*at != child)
		at = &(*at)->next;
	*at = child->next;
	free(child);
}

static void
child_end(struct child *child, bool clean)
{
	const struct child_ops *child_ops = child->ops;
	const char *reason = child->reason;
	void *arg = child->arg;

	child_free(child);
	child_ops->on_gone(arg,
	    reason != NULL ? reason
		: clean	   ? "exited with status 0"
			   : "was killed by SIGSEGV",
	    clean && reason == NULL);
}

static struct child *
some_child(void)
{
	struct child *child = children;
	unsigned int count = 0, n;

	for (; child != NULL; child = child->next)
		count++;
	if (count == 0)
		return NULL;
	n = below(count);
	for (child = children; n > 0; n--)
		child = child->next;
	return child;
}

/* Those that were killed go sooner or later, and until then may say more. */
static void
reap_some(void)
{
	struct child *child = some_child();

	if (child != NULL && child->reason != NULL)
		child_end(child, false);
}

/* -- what the master hears -- */

/* Each broken rule and each death is logged. */
static void
be_quiet(void)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	ck_assert_int_ne(dup2(null, STDERR_FILENO), -1);
	close(null);
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
	ck_assert_uint_lt(worker, WORKERS);
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
	ck_assert_uint_lt(worker, WORKERS);
	ck_assert_int_eq(master.state, COMMIT);
	ck_assert_uint_gt(master.waiting, 0);
	master.waiting--;
}

static void
on_lost(void *arg, uint32_t worker, const char *how)
{
	(void)arg;
	ck_assert_uint_lt(worker, WORKERS);
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
	ck_assert_uint_lt(worker, WORKERS);
	ck_assert_int_ge(level, LOG_LEVEL_ERROR);
	ck_assert_int_le(level, LOG_LEVEL_DEBUG);
	ck_assert_uint_le(strlen(file) + strlen(text), MSG_PAYLOAD_MAX);
}

static void
on_reload(void *arg, uint32_t worker)
{
	(void)arg;
	ck_assert_uint_lt(worker, WORKERS);
}

static void
on_stop_listener(void *arg, uint32_t worker, const char *name,
    const char *plugin, bool close_active)
{
	(void)arg;
	ck_assert_uint_lt(worker, WORKERS);
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

	ck_assert_ptr_nonnull(gen);
	gen->settings = settings_new();
	ck_assert_ptr_nonnull(gen->settings);
	gen->bundle_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ne(gen->bundle_fd, -1);
	return gen;
}

/* As reload.c goes about it. */
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
		if (workers_prepare(master.workers, *gen, WORKERS_ALL,
			&master.waiting, &err) == -1) {
			master.state = IDLE;
			workers_abort(master.workers, *gen);
			gen_unref(*gen);
		}
		break;
	case PREPARE:
		if (master.bad || below(20) == 0) {
			master.state = IDLE;
			workers_abort(master.workers, *gen);
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
			master.commits++;
		}
		break;
	default:
		break;
	}
}

/* What is due is worth more than what is not. */
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
	struct error err;

	memset(&master.state, 0,
	    sizeof(master) - offsetof(__typeof__(master), state));
	master.workers =
	    workers_new(base, children_new(base), settings, &ops, NULL);
	ck_assert_ptr_nonnull(master.workers);
	if (workers_start(master.workers, &err) == -1)
		goto out;
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
out:
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
	/* With all that, work is done, too. */
	ck_assert_uint_gt(commits, WORKER_SEEDS);
	settings_free(settings);
	event_base_free(base);
}
END_TEST

static struct {
	unsigned int ends, good;
} built;

static void
on_build_problem(void *arg, int level, const char *file, uint32_t line,
    const char *text)
{
	(void)arg;
	(void)line;
	ck_assert_int_ge(level, LOG_LEVEL_ERROR);
	ck_assert_int_le(level, LOG_LEVEL_DEBUG);
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(text);
}

static void
on_build_done(void *arg, struct gen *gen)
{
	(void)arg;
	built.ends++;
	built.good += gen != NULL;
	gen_unref(gen);
}

static const struct build_ops build_ops = {
	.on_problem = on_build_problem,
	.on_done = on_build_done,
};

/* A generation of one listener and two images. */
static int
some_bundle(void)
{
	struct settings *settings = settings_new();
	struct listener_settings *listener;
	struct error err;
	int fd;

	settings->workers = 1;
	settings->plugin_dir =
	    settings->plugin_dir != NULL ? settings->plugin_dir : strdup("/");
	settings_add_image(settings)->path = strdup("/a.so");
	settings_add_image(settings)->path = strdup("/b.so");
	listener = keys_add(key_find(settings_keys, "listeners"), settings);
	listener->name = strdup("a");
	listener->plugin = strdup("a");
	fd = bundle_write(settings, &err);
	ck_assert_msg(fd != -1, "%s", err.text);
	settings_free(settings);
	return fd;
}

/* Where it goes on: the next right message, now and then. */
static void
say_next(struct msg *msg, struct packet *room, unsigned int at, int bundle,
    int image)
{
	static const enum msg_type order[] = { MSG_BUNDLE, MSG_IMAGE, MSG_IMAGE,
		MSG_PREPARED, MSG_PROGRESS, MSG_FACTS, MSG_PROGRESS, MSG_FACTS,
		MSG_PREPARED };

	heard_msg(msg, 1, room);
	if (below(15) != 0) {
		memset(msg, 0, sizeof(*msg));
		msg->type = order[at % 9];
		msg->fd = -1;
	}
	if (msg->type == MSG_IMAGE) {
		msg->image.index = at == 2;
	} else if (msg->type == MSG_PROGRESS) {
		msg->progress.step = PROGRESS_LOAD;
		msg->progress.index = at == 6;
	} else if (msg->type == MSG_FACTS) {
		msg->facts.image = at == 7;
		msg->facts.name = msg->facts.version = odd_text();
	}
	if (msg->type == MSG_BUNDLE && below(20) != 0)
		msg->fd = fcntl(bundle, F_DUPFD_CLOEXEC, 0);
	else if (msg->type == MSG_IMAGE || below(40) == 0)
		msg->fd = fcntl(image, F_DUPFD_CLOEXEC, 0);
}

START_TEST(reader_and_probe_may_say_anything)
{
	static struct packet room;
	unsigned int seed, i, at, before;
	int bundle = some_bundle(), image = memfd_new("image", true);
	struct build *build;
	struct child *child;
	struct error err;
	struct msg msg;

	be_quiet();
	ck_assert_int_eq(memfd_append(image, "x", 1), 0);
	ck_assert_int_eq(memfd_seal(image), 0);
	before = fixture_descriptors();
	for (seed = 1; seed <= BUILD_SEEDS; seed++) {
		srandom(seed);
		built.ends = 0;
		build = build_start(NULL, "sluice.conf", 1, false, &build_ops,
		    NULL, &err);
		if (build == NULL)
			continue;
		for (i = 0, at = 0; i < BUILD_STEPS && built.ends == 0; i++) {
			child = children;
			ck_assert_ptr_nonnull(child);
			say_next(&msg, &room, at++, bundle, image);
			child->ops->on_message(child->arg, &msg);
			/*
			 * Each of them goes after its answer, or at any time.
			 */
			if (at == 4 || at == 9 || child->reason != NULL ||
			    below(30) == 0)
				child_end(child, below(10) != 0);
		}
		if (built.ends == 0)
			build_cancel(build);
		ck_assert_uint_le(built.ends, 1);
		ck_assert_ptr_null(children);
		ck_assert_uint_eq(fixture_descriptors(), before);
	}
	ck_assert_uint_gt(built.good, BUILD_SEEDS / 20);
	close(bundle);
	close(image);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		workers_may_say_anything_at_any_time,
		reader_and_probe_may_say_anything,
		NULL,
	};

	return fixture_run("talk", tests);
}
