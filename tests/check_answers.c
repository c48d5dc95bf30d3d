/*
 * check_answers.c: the answers of a child that runs plugin code.  Whatever the
 * child does, it cannot make the master wait or crash.
 */

#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "base/error.h"
#include "base/log.h"
#include "fixture.h"
#include "ipc/answers.h"
#include "ipc/channel.h"
#include "ipc/msg.h"
#include "ipc/packet.h"

/* The same layout as in daemon/ipc/answers.c. */
#define RING_SIZE 65536
struct ring {
	volatile uint32_t put, got;
	char bytes[RING_SIZE];
};

static struct event_base *base;
static struct channel *channel; /* the master's end */
static struct answers *child;	/* the child's end */
static struct ring *ring; /* the memory of `child`, to write nonsense to */
static int child_fd, child_bell, ring_fd;

static struct {
	unsigned int messages, closes;
	struct error error;		/* "" when the child closed */
	struct msg last;		/* without its texts */
	char text[MSG_PROBLEM_MAX + 1]; /* of a problem */
} seen;

static void
on_message(void *arg, struct msg *msg)
{
	(void)arg;
	ck_assert_uint_eq(seen.closes, 0);
	ck_assert_int_eq(msg->fd, -1);
	seen.messages++;
	seen.last = *msg;
	if (msg->type == MSG_PROBLEM)
		strcpy(seen.text, msg->problem.text);
}

static void
on_close(void *arg, const struct error *err)
{
	(void)arg;
	seen.closes++;
	if (err != NULL)
		seen.error = *err;
}

static const struct channel_ops ops = {
	.on_message = on_message,
	.on_close = on_close,
};

static void
make(void)
{
	struct answers *answers = answers_new();
	int pair[2];

	memset(&seen, 0, sizeof(seen));
	base = event_base_new();
	ck_assert_ptr_nonnull(answers);
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	ring_fd = answers_take_memory(answers);
	ring = mmap(NULL, sizeof(*ring), PROT_READ | PROT_WRITE, MAP_SHARED,
	    ring_fd, 0);
	ck_assert_ptr_ne(ring, MAP_FAILED);
	child_bell = dup(answers_bell(answers));
	child = answers_open(dup(ring_fd), child_bell);
	ck_assert_ptr_nonnull(child);
	child_fd = pair[1];
	channel =
	    channel_new(base, CHANNEL_MASTER, pair[0], answers, &ops, NULL);
	ck_assert_ptr_nonnull(channel);
}

static void
unmake(void)
{
	channel_free(channel);
	answers_free(child);
	munmap(ring, sizeof(*ring));
	close(ring_fd);
	if (child_fd != -1)
		close(child_fd);
	event_base_free(base);
}

static void
loop(void)
{
	for (unsigned int i = 0; i < 50; i++)
		ck_assert_int_ne(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

static void
put_raw(const void *bytes, size_t length)
{
	const char *from = bytes;
	const uint64_t one = 1;

	for (size_t i = 0; i < length; i++)
		ring->bytes[(ring->put + i) % RING_SIZE] = from[i];
	ring->put += (uint32_t)length;
	ck_assert_int_eq(write(child_bell, &one, sizeof(one)), sizeof(one));
}

/* The child sends a message. */
static int
put(enum msg_type type, uint32_t generation)
{
	const struct msg msg = { .type = type, .generation = generation };
	struct packet packet;

	ck_assert_int_eq(msg_encode(&msg, &packet), 0);
	return answers_put(child, &packet);
}

/* The master sends MSG_STOP. */
static int
stop(void)
{
	return channel_send(channel, &(struct msg){ .type = MSG_STOP });
}

static int
hear(struct msg *ret)
{
	static struct packet room;
	struct error err;

	return packet_recv(child_fd, &room, ret, &err);
}

START_TEST(an_answer_arrives_whole)
{
	const struct msg facts = {
		.type = MSG_FACTS,
		.generation = 7,
		.facts.image = 1,
		.facts.flags = UINT32_MAX,
	};
	const struct msg problem = {
		.type = MSG_PROBLEM,
		.problem.level = LOG_LEVEL_WARN,
		.problem.line = 12,
		.problem.text = "no",
	};

	make();
	loop();
	ck_assert_uint_eq(seen.messages, 0);
	ck_assert_int_eq(answers_say(child, &facts), 0);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.last.type, MSG_FACTS);
	ck_assert_uint_eq(seen.last.generation, 7);
	ck_assert_uint_eq(seen.last.facts.image, 1);
	ck_assert_uint_eq(seen.last.facts.flags, UINT32_MAX);
	ck_assert_int_eq(answers_say(child, &problem), 0);
	loop();
	ck_assert_uint_eq(seen.messages, 2);
	ck_assert_uint_eq(seen.last.problem.line, 12);
	ck_assert_str_eq(seen.text, "no");
	unmake();
}
END_TEST

START_TEST(answers_of_every_length_come_round_in_order)
{
	static char text[MSG_PROBLEM_MAX + 1];
	struct msg msg = {
		.type = MSG_PROBLEM,
		.problem.level = LOG_LEVEL_INFO,
		.problem.text = text,
	};

	make();
	for (uint32_t length = 0; length <= MSG_PROBLEM_MAX; length += 37) {
		for (uint32_t i = 0; i < length; i++)
			text[i] = (char)(1 + random() % 127);
		msg.generation = length;
		ck_assert_int_eq(answers_say(child, &msg), 0);
		ck_assert_int_eq(event_base_loop(base, EVLOOP_NONBLOCK), 0);
		ck_assert_uint_eq(seen.last.generation, length);
		ck_assert_str_eq(seen.text, text);
	}
	unmake();
}
END_TEST

START_TEST(bytes_that_are_not_a_message_end_the_child)
{
	struct msg_head head;

	for (unsigned int i = 0; i < 8; i++) {
		make();
		memset(&head, 0, sizeof(head));
		head.type = MSG_COMMITTED;
		switch (i) {
		case 0: /* less than a head */
			put_raw("hello", 5);
			break;
		case 1:
			head.type = MSG_TYPES;
			put_raw(&head, sizeof(head));
			break;
		case 2:
			head.type = MSG_NONE;
			put_raw(&head, sizeof(head));
			break;
		case 3: /* longer than the bytes that follow */
			head.length = 1;
			put_raw(&head, sizeof(head));
			break;
		case 4: /* longer than any message */
			head.length = MSG_PAYLOAD_MAX + 1;
			put_raw(&head, sizeof(head));
			break;
		case 5: /* so long that a sum would wrap */
			head.length = UINT32_MAX - sizeof(head) + 1;
			put_raw(&head, sizeof(head));
			break;
		case 6: /* more than the ring holds */
			ring->put = ring->got + RING_SIZE + 1;
			put_raw("", 0);
			break;
		case 7: /* a message with a descriptor cannot come through memory */
			head.type = MSG_BUNDLE;
			put_raw(&head, sizeof(head));
			break;
		}
		loop();
		ck_assert_uint_eq(seen.messages, 0);
		ck_assert_uint_eq(seen.closes, 1);
		ck_assert_str_ne(seen.error.text, "");
		put_raw(&head, sizeof(head));
		loop();
		ck_assert_uint_eq(seen.closes, 1);
		unmake();
	}
}
END_TEST

START_TEST(random_memory_ends_the_child_at_worst)
{
	unsigned int seed, closed = 0;

	for (seed = 1; seed <= 50; seed++) {
		srandom(seed);
		make();
		for (size_t i = 0; i < sizeof(*ring); i++)
			((volatile char *)ring)[i] = (char)random();
		/* Plausible enough that the bytes are looked at. */
		if (seed % 2 == 0)
			ring->put = (uint32_t)random() % RING_SIZE;
		put_raw("", 0);
		loop();
		ck_assert_uint_le(seen.closes, 1);
		closed += seen.closes;
		unmake();
	}
	ck_assert_uint_gt(closed, 40);
}
END_TEST

/* Whatever the child does to the bell, the memory and its end of the pair. */
START_TEST(nothing_but_bytes_comes_from_a_child)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { (void *)(uintptr_t) "x", 1 };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	struct msg msg;
	int fd;

	make();
	memset(&control, 0, sizeof(control));
	mh.msg_control = &control;
	mh.msg_controllen = sizeof(control.room);
	cmsg = CMSG_FIRSTHDR(&mh);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &child_fd, sizeof(int));
	ck_assert_int_eq(sendmsg(child_fd, &mh, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	mh.msg_control = NULL;
	mh.msg_controllen = 0;
	ck_assert_int_eq(sendmsg(child_fd, &mh, MSG_NOSIGNAL), -1);
	ck_assert_int_eq(errno, EPIPE);
	/* The memory cannot be truncated, which would kill a master that reads it. */
	ck_assert_int_eq(ftruncate(ring_fd, 0), -1);
	ck_assert_int_eq(errno, EPERM);
	/* From the master to the child, descriptors pass. */
	fd = open("/dev/null", O_RDONLY);
	msg = (struct msg){ .type = MSG_IMAGE, .fd = fd };
	ck_assert_int_eq(channel_send(channel, &msg), 0);
	ck_assert_int_eq(hear(&msg), 1);
	ck_assert_int_ne(msg.fd, -1);
	close(msg.fd);
	close(fd);
	loop();
	ck_assert_uint_eq(seen.closes, 0);
	unmake();
}
END_TEST

START_TEST(a_blocking_and_full_bell_does_not_stop_the_master)
{
	const uint64_t full = UINT64_MAX - 1;
	uint64_t count;

	make();
	fcntl(child_bell, F_SETFL, 0);
	ck_assert_int_eq(write(child_bell, &full, sizeof(full)), sizeof(full));
	loop();
	ck_assert_int_eq(read(child_bell, &count, sizeof(count)),
	    sizeof(count));
	loop();
	ck_assert_int_eq(put(MSG_RELOAD, 1), 0);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	fcntl(child_bell, F_SETFL, O_NONBLOCK);
	ck_assert_int_eq(write(child_bell, &full, sizeof(full)), -1);
	ck_assert_int_eq(put(MSG_RELOAD, 1), 0);
	channel_pump(channel);
	ck_assert_uint_eq(seen.messages, 2);
	unmake();
}
END_TEST

static bool time_is_up;

static void
on_time(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	time_is_up = true;
}

/* The loop waits when there is nothing to read. */
START_TEST(the_loop_does_not_spin_when_nothing_is_said)
{
	static const struct timeval pause = { 0, 50000 };
	struct msg msg;
	unsigned int i;

	make();
	for (i = 0; i < 1000; i++)
		ck_assert_int_eq(put(MSG_RELOAD, i), 0);
	loop();
	ck_assert_uint_eq(seen.messages, 1000);
	ck_assert_int_eq(stop(), 0);
	ck_assert_int_eq(hear(&msg), 1);
	loop();
	ck_assert_int_eq(
	    event_base_once(base, -1, EV_TIMEOUT, on_time, NULL, &pause), 0);
	for (i = 0; !time_is_up; i++)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_uint_lt(i, 10);
	unmake();
}
END_TEST

START_TEST(the_end_is_told_once_after_the_last_message)
{
	make();
	for (unsigned int i = 0; i < 1000; i++)
		ck_assert_int_eq(put(MSG_RELOAD, i), 0);
	/* The child never reads this. */
	ck_assert_int_eq(stop(), 0);
	/* Another process may still have the memory and the bell. */
	close(child_fd);
	child_fd = -1;
	loop();
	ck_assert_uint_eq(seen.messages, 1000);
	ck_assert_uint_eq(seen.closes, 1);
	ck_assert_str_eq(seen.error.text, "");
	ck_assert_int_eq(stop(), -1);
	ck_assert_int_eq(errno, EPIPE);
	unmake();
}
END_TEST

START_TEST(a_child_that_shuts_its_end_has_ended)
{
	make();
	ck_assert_int_eq(shutdown(child_fd, SHUT_WR), 0);
	loop();
	ck_assert_uint_eq(seen.closes, 0);
	ck_assert_int_eq(shutdown(child_fd, SHUT_RDWR), 0);
	loop();
	ck_assert_uint_eq(seen.closes, 1);
	unmake();
}
END_TEST

START_TEST(pump_delivers_what_is_there_without_the_loop)
{
	make();
	for (unsigned int i = 0; i < 200; i++)
		ck_assert_int_eq(put(MSG_RELOAD, i), 0);
	channel_pump(channel);
	ck_assert_uint_eq(seen.messages, 200);
	ck_assert_uint_eq(seen.closes, 0);
	unmake();
}
END_TEST

/* At the worker's end. */
START_TEST(what_does_not_fit_in_the_ring_waits_in_order)
{
	const struct channel_ops none = { on_message, on_close };
	struct channel *worker;
	char text[1024];
	struct msg msg = {
		.type = MSG_PROBLEM,
		.problem.level = LOG_LEVEL_INFO,
		.problem.text = text,
	};
	uint32_t i;

	make();
	worker =
	    channel_new(base, CHANNEL_CHILD, dup(child_fd), child, &none, NULL);
	ck_assert_ptr_nonnull(worker);
	child = NULL; /* `worker` owns it now */
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < 1000; i++) {
		msg.generation = i;
		ck_assert_int_eq(channel_send(worker, &msg), 0);
	}
	while (seen.messages < 1000) {
		i = seen.messages;
		ck_assert_int_ne(event_base_loop(base, EVLOOP_ONCE), -1);
		if (seen.messages > i)
			ck_assert_uint_eq(seen.last.generation,
			    seen.messages - 1);
	}
	channel_free(worker);
	unmake();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_answer_arrives_whole,
		answers_of_every_length_come_round_in_order,
		bytes_that_are_not_a_message_end_the_child,
		random_memory_ends_the_child_at_worst,
		nothing_but_bytes_comes_from_a_child,
		a_blocking_and_full_bell_does_not_stop_the_master,
		the_loop_does_not_spin_when_nothing_is_said,
		the_end_is_told_once_after_the_last_message,
		a_child_that_shuts_its_end_has_ended,
		pump_delivers_what_is_there_without_the_loop,
		what_does_not_fit_in_the_ring_waits_in_order,
		NULL,
	};

	return fixture_run("answers", tests);
}
