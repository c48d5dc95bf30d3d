/*
 * check_protocol.c: each side of the channel between the master and its
 * children when the other side sends random packets.  Seeds are fixed, so a
 * failure can be repeated.
 */

#include "fixture.h"
#include "packets.h"

#include <event2/event.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/memfd.h"
#include "base/roles.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "image/image.h"
#include "ipc/answers.h"
#include "ipc/channel.h"
#include "ipc/packet.h"
#include "ipc/shm.h"
#include "reader/conf.h"
#include "reader/plugin_files.h"
#include "reader/problems.h"

#define CHANNEL_SEEDS 400
#define CHILD_SEEDS 120
#define CHILD_PACKETS 100
#define GOOD_EXIT \
	40 /* when a role returns 1; a sanitizer exits with 1 as well */
#define STUCK_MS 30000

/* Descriptors of several kinds, none of which is of the kind expected. */
static void
odd_descriptors(int fds[4])
{
	int pipes[2];

	fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
	fds[1] = memfd_new("odd", false);
	ck_assert_int_eq(memfd_append(fds[1], "sluice", 6), 0);
	ck_assert_int_eq(memfd_seal(fds[1]), 0);
	fds[2] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(listen(fds[2], 1), 0);
	ck_assert_int_eq(pipe2(pipes, O_CLOEXEC), 0);
	close(pipes[1]);
	fds[3] = pipes[0];
}

static void
close_all(const int *fds, unsigned int count)
{
	while (count-- > 0)
		close(fds[count]);
}

static struct {
	unsigned int messages, closes;
} seen;

static void
on_message(void *arg, struct msg *msg)
{
	static struct packet again;

	(void)arg;
	ck_assert_uint_eq(seen.closes, 0);
	ck_assert_uint_gt(msg->type, MSG_NONE);
	ck_assert_uint_lt(msg->type, MSG_TYPES);
	/* What was decoded can be encoded again, with its texts. */
	ck_assert_int_eq(msg_encode(msg, &again), 0);
	ck_assert_str_ne(msg_name(msg->type), "unknown");
	seen.messages++;
	if (msg->fd != -1)
		close(msg->fd);
}

static void
on_close(void *arg, const struct error *err)
{
	(void)arg;
	ck_assert(err == NULL || err->text[0] != '\0');
	seen.closes++;
}

static const struct channel_ops ops = {
	.on_message = on_message,
	.on_close = on_close,
};

START_TEST(a_channel_survives_any_packet)
{
	struct event_base *base = event_base_new();
	unsigned int before, seed, whole = 0;
	struct channel *channel;
	int fds[4], pair[2];

	odd_descriptors(fds);
	before = fixture_descriptors();
	for (seed = 1; seed <= CHANNEL_SEEDS; seed++) {
		srandom(seed);
		memset(&seen, 0, sizeof(seen));
		ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair),
		    0);
		channel =
		    channel_new(base, CHANNEL_BOTH, pair[0], NULL, &ops, NULL);
		ck_assert_ptr_nonnull(channel);
		for (unsigned int i = 0; i < 100 && seen.closes == 0; i++) {
			send_odd_packet(pair[1], 1, fds, 10);
			event_base_loop(base, EVLOOP_NONBLOCK);
		}
		whole += seen.messages;
		close(pair[1]);
		event_base_loop(base, EVLOOP_NONBLOCK);
		event_base_loop(base, EVLOOP_NONBLOCK);
		ck_assert_uint_eq(seen.closes, 1);
		channel_free(channel);
		ck_assert_uint_eq(fixture_descriptors(), before);
	}
	/* Enough of them are good messages for the test to mean something. */
	ck_assert_uint_gt(whole, 3 * CHANNEL_SEEDS);
	close_all(fds, 4);
	event_base_free(base);
}
END_TEST

/* What an honest master would send. */
struct gen {
	int bundle;
	struct plugin_files files;
	struct settings *settings;
};

static void
make_gen(struct gen *ret)
{
	const char *dir = getenv("SLUICE_TEST_PLUGINS");
	struct problems problems = { 0 };
	struct error err = { "" };
	const char *config;
	char text[1024];

	snprintf(text, sizeof(text),
	    "workers = 1;\n"
	    "listeners = ( { name = \"echo\"; listen = \"127.0.0.1:0\";\n"
	    "  plugin = \"%s/stamp.so\"; } );\n",
	    dir != NULL ? dir : "./tests/plugins");
	config = fixture_text("sluice.conf", text);
	ret->settings = conf_read(config, &problems);
	ck_assert_ptr_nonnull(ret->settings);
	plugin_files_open(dir != NULL ? config : "sluice.conf", ret->settings,
	    &problems, &ret->files);
	ck_assert_msg(problems.errors == 0, "%s",
	    problems.count > 0 ? problems.list[0].text : "");
	ret->bundle = bundle_write(ret->settings, &err);
	ck_assert_msg(ret->bundle != -1, "%s", err.text);
	problems_done(&problems);
}

static void
drop_gen(struct gen *gen)
{
	close(gen->bundle);
	plugin_files_close(&gen->files);
	settings_free(gen->settings);
}

/* Put the child's end at the descriptors where it expects it. */
static void
place(int channel, struct answers *answers)
{
	int fds[] = { channel, answers_take_memory(answers),
		answers_bell(answers) };

	for (int i = 0; i < 3; i++)
		fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 10);
	for (int i = 0; i < 3; i++)
		dup2(fds[i], CHILD_CHANNEL_FD + i);
	close_range(CHILD_CHANNEL_FD + 3, ~0U, 0);
}

/* Start a role in a process.  Returns our end of the channel. */
static int
start(int (*role)(void), struct answers *answers, pid_t *ret_pid)
{
	struct timeval limit = { STUCK_MS / 1000, 0 };
	int pair[2], null, status;

	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	*ret_pid = fork();
	ck_assert_int_ne(*ret_pid, -1);
	if (*ret_pid == 0) {
		/* It logs a line about every bad packet. */
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		dup2(null, STDERR_FILENO);
		place(pair[1], answers);
		status = role();
		_exit(status == EXIT_SUCCESS ? 0 : GOOD_EXIT);
	}
	close(pair[1]);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return pair[0];
}

/* When our end is closed, it must end by itself, and soon. */
static void
expect_end(pid_t pid, unsigned int seed)
{
	unsigned int waited;
	int status;

	for (waited = 0; waitpid(pid, &status, WNOHANG) != pid; waited += 5) {
		if (waited > STUCK_MS) {
			kill(pid, SIGKILL);
			ck_abort_msg("seed %u: it does not end", seed);
		}
		poll(NULL, 0, 5);
	}
	ck_assert_msg(WIFEXITED(status), "seed %u: signal %d", seed,
	    WTERMSIG(status));
	ck_assert_msg(WEXITSTATUS(status) == 0 ||
		WEXITSTATUS(status) == GOOD_EXIT,
	    "seed %u: exit status %d", seed, WEXITSTATUS(status));
}

/* Read all its answers.  Returns how many were of that type. */
static unsigned int
hear_out(int channel, struct answers *answers, uint32_t type)
{
	static struct packet packet;
	unsigned int count = 0;
	struct error err;
	struct msg msg;

	/* The reader answers on the channel, the others in shared memory. */
	while (recv(channel, &packet, sizeof(packet), MSG_DONTWAIT) > 0)
		count += packet.head.type == type;
	while (answers_get(answers, &packet, &msg, &err) == 1)
		count += msg.type == type;
	ck_assert_int_eq(errno, EAGAIN);
	return count;
}

static bool
say_hello(int channel, struct shm *shm)
{
	struct msg hello = {
		.type = MSG_HELLO,
		.fd = shm != NULL ? shm_head_fd(shm) : -1,
		.hello.workers = 1,
		.hello.uid = (uint32_t)-1,
		.hello.gid = (uint32_t)-1,
		.hello.master_pid = (uint32_t)getpid(),
	};
	struct msg row = { .type = MSG_ROW };

	if (packet_send(channel, &hello) == -1)
		return false;
	if (shm == NULL)
		return true;
	if (shm_begin_row(shm, 0) == -1)
		return false;
	row.fd = shm_row_fd(shm, 0, &row.row.serial);
	return packet_send(channel, &row) == 0;
}

static bool
order(int channel, enum msg_type type, uint32_t number)
{
	struct msg msg = { .type = type, .generation = number };

	return packet_send(channel, &msg) == 0;
}

/* Send the next correct message, so that the child gets far enough. */
static bool
say_right(int channel, const struct gen *gen, int listening)
{
	uint32_t number = 1 + below(3);
	struct msg bundle = {
		.type = MSG_BUNDLE,
		.generation = number,
		.fd = gen->bundle,
	};
	struct msg image = {
		.type = MSG_IMAGE,
		.generation = number,
		.fd = gen->files.images[0].fd,
	};
	struct msg sock = {
		.type = MSG_SOCKET,
		.generation = number,
		.fd = listening,
		.socket.id = 1,
	};

	if (below(2) == 0)
		return packet_send(channel, &bundle) == 0 &&
		    packet_send(channel, &image) == 0 &&
		    packet_send(channel, &sock) == 0 &&
		    order(channel, MSG_PREPARE, number) &&
		    (below(3) == 0 || order(channel, MSG_COMMIT, number));
	return order(channel, below(2) == 0 ? MSG_PREPARE : MSG_ABORT, number);
}

/* Send random packets to a role.  Returns how many answers had that type. */
static unsigned int
confuse(int (*role)(void), bool with_shm, uint32_t type)
{
	struct gen gen;
	unsigned int seed, count = 0;
	int channel, fds[4];
	struct answers *answers;
	struct shm *shm;
	bool there;
	pid_t pid;

	make_gen(&gen);
	odd_descriptors(fds);
	shm = shm_new(1);
	ck_assert_ptr_nonnull(shm);
	for (seed = 1; seed <= CHILD_SEEDS; seed++) {
		srandom(seed);
		answers = answers_new();
		ck_assert_ptr_nonnull(answers);
		channel = start(role, answers, &pid);
		/* One in sixteen gets no hello at first. */
		there =
		    seed % 16 == 0 || say_hello(channel, with_shm ? shm : NULL);
		for (unsigned int i = 0; there && i < CHILD_PACKETS; i++) {
			there = below(2) == 0
			    ? say_right(channel, &gen, fds[2])
			    : send_odd_packet(channel, 1 + below(3), fds, 100);
			count += hear_out(channel, answers, type);
		}
		shutdown(channel, SHUT_WR);
		expect_end(pid, seed);
		count += hear_out(channel, answers, type);
		close(channel);
		answers_free(answers);
	}
	shm_free(shm);
	close_all(fds, 4);
	drop_gen(&gen);
	return count;
}

START_TEST(a_worker_survives_random_packets)
{
	/* Some of the messages were accepted. */
	ck_assert_uint_gt(confuse(worker_main, true, MSG_COMMITTED), 0);
}
END_TEST

START_TEST(the_probe_survives_random_packets)
{
	ck_assert_uint_gt(confuse(probe_main, false, MSG_PREPARED), 0);
}
END_TEST

START_TEST(the_reader_survives_random_packets)
{
	confuse(reader_main, false, MSG_REFUSED);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_channel_survives_any_packet,
		a_worker_survives_random_packets,
		the_probe_survives_random_packets,
		the_reader_survives_random_packets,
		NULL,
	};

	return fixture_run("protocol", tests);
}
