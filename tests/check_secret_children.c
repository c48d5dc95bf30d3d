/*
 * check_secret_children.c: which children of the master get a secret, and how
 * long it is kept.  Each child is a socket that the test reads.
 */

#include <event2/event.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "child_fixture.h"
#include "config/bundle.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "master/build.h"
#include "master/gen.h"
#include "master/workers.h"
#include "secret_fixture.h"
#include "worker/material.h"
#include "worker/ours.h"

static struct child *spawned; /* the last one */

struct child *
child_spawn(struct children *all, const char *role, const struct hello *hello,
    int hello_fd, const struct child_ops *ops, void *arg, struct error *err)
{
	struct child *child = calloc(1, sizeof(*child));
	int pair[2];

	(void)all;
	(void)hello;
	(void)hello_fd;
	(void)err;
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	child->ops = ops;
	child->arg = arg;
	child->role = role;
	child->master = pair[0];
	child->end = pair[1];
	return spawned = child;
}

int
child_send(struct child *child, const struct msg *msg)
{
	return packet_send(child->master, msg);
}

void
child_kill(struct child *child, const char *reason)
{
	(void)child;
	ck_abort_msg("killed: %s", reason);
}

void
child_abort(struct child *child, const char *reason)
{
	child_kill(child, reason);
}

void
child_free(struct child *child)
{
	if (child == NULL)
		return;
	close(child->master);
	close(child->end);
	free(child);
}

/* The child answers MSG_PREPARED and exits. */
static void
child_end(struct child *child)
{
	const struct child_ops *ops = child->ops;
	struct msg msg = { .type = MSG_PREPARED, .generation = 1, .fd = -1 };
	void *arg = child->arg;

	ops->on_message(arg, &msg);
	child_free(child);
	ops->on_gone(arg, "exited with status 0", true);
}

/* Read the next message to the child.  Returns false when there is none. */
static bool
next_sent(const struct child *child, struct msg *ret)
{
	static struct packet room;
	struct error err;

	ck_assert_int_eq(fcntl(child->end, F_SETFL, O_NONBLOCK), 0);
	return packet_recv(child->end, &room, ret, &err) == 1;
}

static struct gen *built;

static void
on_build_problem(void *arg, int level, const char *file, uint32_t line,
    const char *text)
{
	(void)arg;
	(void)level;
	ck_abort_msg("%s:%u: %s", file, line, text);
}

static void
on_build_done(void *arg, struct gen *gen)
{
	(void)arg;
	built = gen;
}

static const struct build_ops build_ops = {
	.on_problem = on_build_problem,
	.on_done = on_build_done,
};

/* Build a generation with one secret, by way of reader and probe. */
static struct gen *
build(void)
{
	struct settings *settings;
	struct msg msg = { .generation = 1 };
	struct error err = { "" };

	settings = made_settings("sluice.conf");
	ck_assert_ptr_nonnull(
	    build_start(NULL, "sluice.conf", 1, false, &build_ops, NULL, &err));
	ck_assert_str_eq(spawned->role, "reader");
	msg.type = MSG_BUNDLE;
	msg.fd = bundle_write(settings, &err);
	spawned->ops->on_message(spawned->arg, &msg);
	msg.type = MSG_SECRET;
	msg.fd = sealed(BYTES);
	spawned->ops->on_message(spawned->arg, &msg);
	child_end(spawned);
	settings_free(settings);
	ck_assert_str_eq(spawned->role, "probe");
	while (next_sent(spawned, &msg)) {
		ck_assert_uint_ne(msg.type, MSG_SECRET);
		ck_assert(msg.type == MSG_BUNDLE || msg.type == MSG_PREPARE);
		if (msg.fd != -1)
			close(msg.fd);
	}
	child_end(spawned);
	ck_assert_ptr_nonnull(built);
	return built;
}

START_TEST(the_probe_gets_no_secret)
{
	unsigned int before = fixture_descriptors();
	struct gen *gen = build(), *again;
	struct error err = { "" };

	/* A generation for a rollback keeps its own copy. */
	again = gen_again(gen, 2, &err);
	ck_assert_msg(again != NULL, "%s", err.text);
	gen_unref(gen);
	is_secret(again->secrets[0]);
	gen_unref(again);
	ck_assert_uint_eq(fixture_descriptors(), before);
}
END_TEST

START_TEST(without_its_secret_a_generation_is_not_complete)
{
	struct settings *settings = made_settings("sluice.conf");
	struct msg msg = { .type = MSG_BUNDLE, .generation = 1 };
	struct gen *gen = gen_new(1);
	struct error err;

	msg.fd = bundle_write(settings, &err);
	ck_assert_int_eq(gen_take_bundle(gen, &msg, &err), 0);
	ck_assert(!gen_complete(gen));
	msg.type = MSG_SECRET;
	msg.secret.index = 1;
	msg.fd = sealed(BYTES);
	ck_assert_int_eq(gen_take_secret(gen, &msg, &err), -1);
	msg.secret.index = 0;
	ck_assert_int_eq(gen_take_secret(gen, &msg, &err), 0);
	ck_assert_int_eq(msg.fd, -1);
	ck_assert(gen_complete(gen));
	msg.fd = sealed(BYTES);
	ck_assert_int_eq(gen_take_secret(gen, &msg, &err),
	    -1); /* it came before */
	close(msg.fd);
	gen_unref(gen);
	settings_free(settings);
}
END_TEST

static void
on_worker(void *arg, uint32_t worker)
{
	(void)arg;
	(void)worker;
}

static void
on_settled(void *arg)
{
	(void)arg;
}

static const struct workers_ops workers_ops = {
	.on_prepared = on_worker,
	.on_settled = on_settled,
};

static void
report(uint32_t generation, int level, const struct origin *origin,
    const char *text)
{
	(void)generation;
	(void)level;
	(void)origin;
	ck_abort_msg("%s", text);
}

START_TEST(a_worker_keeps_secrets_until_the_generation_is_made)
{
	unsigned int at_first = fixture_descriptors(), before;
	struct event_base *base = event_base_new();
	struct gen *gen = build();
	struct workers *workers;
	struct material material;
	struct secret *secret;
	struct error err = { "" };
	uint32_t waiting;
	struct msg msg;

	workers = workers_new(base, children_new(base), gen->settings,
	    &workers_ops, NULL);
	ck_assert_ptr_nonnull(workers);
	ck_assert_int_eq(workers_assign(workers, gen, &err), 0);
	ck_assert_int_eq(
	    workers_prepare(workers, gen, WORKERS_ALL, &waiting, &err), 0);
	ck_assert_str_eq(spawned->role, "worker");
	material_init(&material, report);
	before = fixture_descriptors();
	while (next_sent(spawned, &msg) && msg.type != MSG_PREPARE) {
		if (msg.type == MSG_ROW || msg.type == MSG_TICKETS)
			close(msg.fd);
		else
			ck_assert_int_eq(material_add(&material, &msg, &err),
			    0);
	}
	ck_assert_uint_eq(msg.type, MSG_PREPARE);
	ck_assert_int_eq(material_read(&material, &err), 0);
	secret = material_secret(&material, 0, &err);
	ck_assert_msg(secret != NULL, "%s", err.text);
	ck_assert_uint_eq(secret->len, strlen(BYTES));
	ck_assert_mem_eq(secret->bytes, BYTES, secret->len);
	secret_free(secret);
	ck_assert_ptr_null(material_secret(&material, 1, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "was not sent"));
	material_clear(&material);
	ck_assert_ptr_null(material_secret(&material, 0, &err));
	ck_assert_uint_eq(fixture_descriptors(), before);
	/* When the generation is freed, the master has no secret left. */
	gen_unref(gen);
	workers_free(workers);
	event_base_free(base);
	ck_assert_uint_eq(fixture_descriptors(), at_first);
}
END_TEST

START_TEST(a_process_forked_by_a_plugin_has_no_secret)
{
	struct msg msg = { .type = MSG_SECRET, .generation = 1 };
	struct material material;
	struct error err;
	int status;
	pid_t pid;

	ck_assert_int_eq(ours_init(), 0);
	material_init(&material, report);
	msg.fd = sealed(BYTES);
	ck_assert_int_eq(material_add(&material, &msg, &err), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		_exit(fcntl(msg.fd, F_GETFD) == -1 ? 0 : 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_int_ne(fcntl(msg.fd, F_GETFD), -1);
	material_clear(&material);
	ck_assert_int_eq(fcntl(msg.fd, F_GETFD), -1);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_probe_gets_no_secret,
		without_its_secret_a_generation_is_not_complete,
		a_worker_keeps_secrets_until_the_generation_is_made,
		a_process_forked_by_a_plugin_has_no_secret,
		NULL,
	};

	return fixture_run("secret_children", tests);
}
