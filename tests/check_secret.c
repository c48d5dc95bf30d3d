/*
 * check_secret.c: a secret on its way from a file to a worker, and who does not
 * get it.  No key of the configuration makes one yet, so conf_read() is made
 * here, and so is child.h: each child is a socket that the test reads.
 */

#include "fixture.h"
#include "tiny_elf.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/log.h"
#include "base/memfd.h"
#include "base/roles.h"
#include "config/bundle.h"
#include "config/secret.h"
#include "config/settings.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "master/build.h"
#include "master/child.h"
#include "master/gen.h"
#include "master/probation.h"
#include "master/workers.h"
#include "reader/conf.h"
#include "reader/problems.h"
#include "worker/material.h"
#include "worker/ours.h"

#define BYTES "-----BEGIN SOMETHING-----\nxyzzy\n"

/* -- conf.h, without keys -- */

struct settings *
conf_read(const char *path, struct problems *problems)
{
	struct settings *settings = settings_new();
	struct secret_settings *secret = settings_add_secret(settings);

	(void)problems;
	settings->workers = 1;
	secret->origin.file = settings_add_file(settings, path);
	secret->origin.line = 5;
	secret->path = strdup(fixture_path("key.pem"));
	return settings;
}

/* -- child.h, without processes -- */

struct child {
	const struct child_ops *ops;
	void *arg;
	const char *role;
	int master, end; /* what is sent comes out at the end */
};

static struct child *spawned; /* the last */

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

void
child_pass(struct child *child, const struct child_ops *ops, void *arg)
{
	child->ops = ops;
	child->arg = arg;
}

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

pid_t
child_pid(const struct child *child)
{
	(void)child;
	return 1000;
}

int
child_send(struct child *child, const struct msg *msg)
{
	return packet_send(child->master, msg);
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

/* It says yes, and goes. */
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

/* The next that was sent to it; false: no more. */
static bool
next_sent(const struct child *child, struct msg *ret)
{
	static struct packet room;
	struct error err;

	ck_assert_int_eq(fcntl(child->end, F_SETFL, O_NONBLOCK), 0);
	return packet_recv(child->end, &room, ret, &err) == 1;
}

static int
sealed(const char *bytes)
{
	struct secret *secret = secret_new(strlen(bytes));
	struct error err = { "" };
	int fd;

	ck_assert_ptr_nonnull(secret);
	memcpy(secret->bytes, bytes, strlen(bytes));
	secret->len = strlen(bytes);
	fd = secret_seal(secret, &err);
	ck_assert_msg(fd != -1, "%s", err.text);
	secret_free(secret);
	return fd;
}

static void
is_secret(int fd)
{
	struct error err = { "" };
	struct secret *secret = secret_read(fd, &err);

	ck_assert_msg(secret != NULL, "%s", err.text);
	ck_assert_uint_eq(secret->len, strlen(BYTES));
	ck_assert_mem_eq(secret->bytes, BYTES, secret->len);
	secret_free(secret);
}

static bool
opens_anew(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC) != -1;
}

/* As another user, in a process whose /proc is open to it. */
static int
as_nobody(int secret, int other)
{
	if (setresuid(65534, 65534, 65534) == -1 ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 || !opens_anew(other))
		return 2;
	if (opens_anew(secret) || errno != EACCES)
		return 1;
	is_secret(secret); /* but whoever was given it reads it */
	return 0;
}

START_TEST(a_secret_is_sealed_and_for_its_owner_alone)
{
	int fd = sealed(BYTES), other = memfd_new("test", false), status;
	struct stat st;
	pid_t pid;

	is_secret(fd);
	ck_assert(memfd_is_sealed(fd));
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0400);
	if (geteuid() != 0)
		return;
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		_exit(as_nobody(fd, other));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(fd);
	close(other);
}
END_TEST

/* Do the pages at the address have the flag, as smaps calls it? */
static bool
has_flag(const void *address, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long from, to, at = (unsigned long)(uintptr_t)address;
	bool in = false, has = false;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = from <= at && at < to;
		else if (in && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag) != NULL;
	}
	fclose(maps);
	return has;
}

START_TEST(its_memory_is_neither_dumped_nor_forked)
{
	struct error err;
	struct secret *secret;
	int fd = sealed(BYTES), status;
	pid_t pid;

	secret = secret_read(fd, &err);
	ck_assert_ptr_nonnull(secret);
	ck_assert(has_flag(secret->bytes, " dd"));
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		_exit(secret->bytes[0] == '\0' &&
			    memcmp(secret->bytes, secret->bytes + 1,
				secret->len - 1) == 0
			? 0
			: 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_mem_eq(secret->bytes, BYTES, secret->len);
	secret_free(secret);
	close(fd);
}
END_TEST

START_TEST(what_is_no_secret_is_refused)
{
	struct error err;
	int fd = memfd_new("test", false);

	ck_assert_int_eq(memfd_append(fd, "x", 1), 0);
	ck_assert_ptr_null(secret_read(fd, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "sealed"));
	close(fd);
	fd = memfd_new("test", false);
	ck_assert_int_eq(memfd_seal(fd), 0);
	ck_assert_ptr_null(secret_read(fd, &err));
	close(fd);
	fd = memfd_new("test", false);
	ck_assert_int_eq(ftruncate(fd, SECRET_SIZE_MAX + 1), 0);
	ck_assert_int_eq(memfd_seal(fd), 0);
	ck_assert_ptr_null(secret_read(fd, &err));
	close(fd);
	ck_assert_ptr_null(secret_read(-1, &err));
}
END_TEST

/* -- the reader -- */

static struct {
	int bundle, secret;
	uint32_t verdict, line;
	char problem[512];
	unsigned int sources;
} said;

static void
take(const struct msg *msg)
{
	switch (msg->type) {
	case MSG_BUNDLE:
		said.bundle = msg->fd;
		break;
	case MSG_SECRET:
		ck_assert_int_ne(said.bundle, -1);
		ck_assert_int_eq(said.secret, -1);
		ck_assert_uint_eq(msg->secret.index, 0);
		said.secret = msg->fd;
		break;
	case MSG_PROBLEM:
		said.line = msg->problem.line;
		snprintf(said.problem, sizeof(said.problem), "%s",
		    msg->problem.text);
		break;
	case MSG_SOURCE:
		said.sources++;
		break;
	default:
		said.verdict = msg->type;
		break;
	}
}

/* Run the reader, with what is in key.pem. */
static void
read_config(void)
{
	struct msg hello = {
		.type = MSG_HELLO,
		.generation = 1,
		.fd = -1,
		.hello.uid = (uint32_t)-1,
		.hello.gid = (uint32_t)-1,
		.hello.master_pid = (uint32_t)getpid(),
		.hello.check_only = true,
	};
	struct packet room;
	struct error err;
	struct msg msg;
	int pair[2], status;
	pid_t pid;

	memset(&said, 0, sizeof(said));
	said.bundle = said.secret = -1;
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		if (pair[0] != CHILD_CHANNEL_FD)
			close(pair[0]);
		if (pair[1] == CHILD_CHANNEL_FD)
			fcntl(pair[1], F_SETFD, 0);
		else
			dup2(pair[1], CHILD_CHANNEL_FD);
		_exit(reader_main());
	}
	close(pair[1]);
	ck_assert_int_eq(packet_send(pair[0], &hello), 0);
	while (packet_recv(pair[0], &room, &msg, &err) == 1)
		take(&msg);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	close(pair[0]);
}

START_TEST(the_reader_sends_it_beside_the_bundle)
{
	struct error err = { "" };
	struct settings *settings;
	char data[8192] = "";
	struct stat st;

	fixture_text("key.pem", BYTES);
	read_config();
	ck_assert_uint_eq(said.verdict, MSG_PREPARED);
	/* Whoever watches files hears of it. */
	ck_assert_uint_eq(said.sources, 1);
	is_secret(said.secret);
	ck_assert_int_eq(fstat(said.bundle, &st), 0);
	ck_assert_int_lt(st.st_size, (off_t)sizeof(data));
	ck_assert_int_eq(memfd_read(said.bundle, data, (size_t)st.st_size, 0),
	    0);
	ck_assert_ptr_null(
	    memmem(data, (size_t)st.st_size, "xyzzy", strlen("xyzzy")));
	settings = bundle_read(said.bundle, &err);
	ck_assert_msg(settings != NULL, "%s", err.text);
	ck_assert_uint_eq(settings->secret_count, 1);
	ck_assert_str_eq(settings->secrets[0].path, fixture_path("key.pem"));
	ck_assert_uint_eq(settings->secrets[0].origin.line, 5);
	settings_free(settings);
}
END_TEST

START_TEST(a_new_secret_makes_another_generation)
{
	struct gen *a = gen_new(1), *b = gen_new(2), *c = gen_new(3);

	fixture_text("key.pem", BYTES);
	read_config();
	a->bundle_fd = said.bundle;
	read_config();
	b->bundle_fd = said.bundle;
	ck_assert(probation_same(a, b));
	fixture_text("new.pem", "-----BEGIN SOMETHING-----\nplugh\n");
	ck_assert_int_eq(
	    rename(fixture_path("new.pem"), fixture_path("key.pem")), 0);
	read_config();
	c->bundle_fd = said.bundle;
	ck_assert(!probation_same(a, c));
	gen_unref(a);
	gen_unref(b);
	gen_unref(c);
}
END_TEST

START_TEST(a_secret_that_cannot_be_read_has_its_line)
{
	read_config();
	ck_assert_uint_eq(said.verdict, MSG_REFUSED);
	ck_assert_ptr_nonnull(strstr(said.problem, "key.pem: cannot open"));
	ck_assert_uint_eq(said.line, 5);
	ck_assert_int_eq(said.secret, -1);
	fixture_text("key.pem", "");
	read_config();
	ck_assert_ptr_nonnull(strstr(said.problem, "key.pem: is empty"));
	ck_assert_int_eq(unlink(fixture_path("key.pem")), 0);
	ck_assert_int_eq(mkfifo(fixture_path("key.pem"), 0600), 0);
	read_config();
	ck_assert_ptr_nonnull(strstr(said.problem, "is not a regular file"));
	ck_assert_uint_eq(said.verdict, MSG_REFUSED);
}
END_TEST

/* -- the master -- */

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

/* A generation with one secret, as reader and probe make it. */
static struct gen *
build(void)
{
	struct settings *settings;
	struct msg msg = { .generation = 1 };
	struct error err = { "" };

	settings = conf_read("sluice.conf", NULL);
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

START_TEST(the_probe_gets_none)
{
	unsigned int before = fixture_descriptors();
	struct gen *gen = build(), *again;
	struct error err = { "" };

	/* One for the way back has its own, for as long as it lives. */
	again = gen_again(gen, 2, &err);
	ck_assert_msg(again != NULL, "%s", err.text);
	gen_unref(gen);
	is_secret(again->secrets[0]);
	gen_unref(again);
	ck_assert_uint_eq(fixture_descriptors(), before);
}
END_TEST

START_TEST(without_it_the_generation_is_not_whole)
{
	struct settings *settings = conf_read("sluice.conf", NULL);
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
	ck_assert_int_eq(gen_take_secret(gen, &msg, &err), -1); /* twice */
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

START_TEST(a_worker_gets_it_until_its_generation_is_made)
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
	ck_assert_int_eq(workers_start(workers, &err), 0);
	ck_assert_int_eq(
	    workers_prepare(workers, gen, WORKERS_ALL, &waiting, &err), 0);
	ck_assert_str_eq(spawned->role, "worker");
	material_init(&material, report);
	before = fixture_descriptors();
	while (next_sent(spawned, &msg) && msg.type != MSG_PREPARE) {
		if (msg.type == MSG_ROW) /* a row of the shared memory */
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
	/* And the master has none when the generation is gone. */
	gen_unref(gen);
	workers_free(workers);
	event_base_free(base);
	ck_assert_uint_eq(fixture_descriptors(), at_first);
}
END_TEST

START_TEST(what_a_plugin_forks_does_not_have_it)
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
		a_secret_is_sealed_and_for_its_owner_alone,
		its_memory_is_neither_dumped_nor_forked,
		what_is_no_secret_is_refused,
		the_reader_sends_it_beside_the_bundle,
		a_new_secret_makes_another_generation,
		a_secret_that_cannot_be_read_has_its_line,
		the_probe_gets_none,
		without_it_the_generation_is_not_whole,
		a_worker_gets_it_until_its_generation_is_made,
		what_a_plugin_forks_does_not_have_it,
		NULL,
	};

	return fixture_run("secret", tests);
}
