/* check_channel.c: messages between processes, good ones and others. */

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/event.h>

#include "fixture.h"
#include "ipc/channel.h"
#include "ipc/msg.h"

static struct event_base *base;
static struct channel *channel; /* our end, on the base */
static int other = -1;		/* the other end, blocking */

static struct {
	unsigned int messages, closes;
	int error;
	struct msg last;
	bool free_inside;
} seen;

static void
on_message(void *arg, struct msg *msg)
{
	ck_assert_ptr_eq(arg, &seen);
	ck_assert_uint_eq(seen.closes, 0);
	seen.messages++;
	seen.last = *msg;
	if (seen.free_inside) {
		channel_free(channel);
		channel = NULL;
	}
}

static void
on_close(void *arg, int error)
{
	ck_assert_ptr_eq(arg, &seen);
	seen.closes++;
	seen.error = error;
	if (seen.free_inside) {
		channel_free(channel);
		channel = NULL;
	}
}

static const struct channel_ops ops = {
	.on_message = on_message,
	.on_close = on_close,
};

static void
make(void)
{
	int pair[2];

	base = event_base_new();
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
	other = pair[1];
	channel = channel_new(base, CHANNEL_BOTH, pair[0], NULL, &ops, &seen);
	ck_assert_ptr_nonnull(channel);
}

static void
unmake(void)
{
	channel_free(channel);
	if (other != -1)
		close(other);
	event_base_free(base);
}

static void
loop(void)
{
	ck_assert_int_ne(event_base_loop(base, EVLOOP_NONBLOCK), -1);
}

static unsigned int
open_descriptors(void)
{
	unsigned int fd, count = 0;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl((int)fd, F_GETFD) != -1;
	return count;
}

static bool
same_file(int a, int b)
{
	struct stat one, two;

	return fstat(a, &one) == 0 && fstat(b, &two) == 0 &&
	    one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* A packet as only somebody else would send it. */
static void
send_raw(const void *bytes, size_t length, const int *fds, size_t count)
{
	struct iovec iov = { (void *)(uintptr_t)bytes, length };
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(16 * sizeof(int))];
	struct msghdr mh;
	struct cmsghdr *cmsg;

	memset(&mh, 0, sizeof(mh));
	memset(control, 0, sizeof(control));
	mh.msg_iov = &iov;
	mh.msg_iovlen = 1;
	if (count > 0) {
		mh.msg_control = control;
		mh.msg_controllen = CMSG_SPACE(count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&mh);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, count * sizeof(int));
	}
	ck_assert_int_eq(sendmsg(other, &mh, 0), (ssize_t)length);
}

START_TEST(a_message_arrives_whole_with_its_descriptor)
{
	const uint32_t arg[4] = { 1, 2, 3, UINT32_MAX };
	static struct msg msg;
	int fd;

	make();
	fd = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(
	    channel_send(channel, MSG_SOCKET, 7, arg, "hello", 6, fd), 0);
	ck_assert_int_eq(msg_recv(other, &msg), 1);
	ck_assert_uint_eq(msg.type, MSG_SOCKET);
	ck_assert_uint_eq(msg.generation, 7);
	ck_assert_mem_eq(msg.arg, arg, sizeof(arg));
	ck_assert_uint_eq(msg.length, 6);
	ck_assert_str_eq(msg.payload, "hello");
	ck_assert(same_file(msg.fd, fd));
	ck_assert_int_eq(fcntl(msg.fd, F_GETFD), FD_CLOEXEC);
	close(msg.fd);
	ck_assert_int_eq(msg_send(other, MSG_COMMITTED, 8, NULL, NULL, 0, -1),
	    0);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.last.type, MSG_COMMITTED);
	ck_assert_uint_eq(seen.last.generation, 8);
	ck_assert_uint_eq(seen.last.length, 0);
	ck_assert_int_eq(seen.last.fd, -1);
	close(fd);
	unmake();
}
END_TEST

START_TEST(a_payload_of_the_greatest_size_fits_and_no_more)
{
	static char payload[MSG_PAYLOAD_MAX + 1];
	static struct msg msg;

	make();
	memset(payload, 'x', sizeof(payload));
	ck_assert_int_eq(channel_send(channel, MSG_PROBLEM, 1, NULL, payload,
			     MSG_PAYLOAD_MAX, -1),
	    0);
	ck_assert_int_eq(msg_recv(other, &msg), 1);
	ck_assert_uint_eq(msg.length, MSG_PAYLOAD_MAX);
	ck_assert_mem_eq(msg.payload, payload, MSG_PAYLOAD_MAX);
	ck_assert_int_eq(channel_send(channel, MSG_PROBLEM, 1, NULL, payload,
			     MSG_PAYLOAD_MAX + 1, -1),
	    -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	unmake();
}
END_TEST

START_TEST(the_end_is_told_once_after_the_last_words)
{
	make();
	for (int i = 0; i < 100; i++)
		ck_assert_int_eq(
		    msg_send(other, MSG_PROBLEM, 1, NULL, NULL, 0, -1), 0);
	/* What we sent and it never read must not eat its words. */
	ck_assert_int_eq(channel_send(channel, MSG_STOP, 1, NULL, NULL, 0, -1),
	    0);
	close(other);
	other = -1;
	for (int i = 0; i < 10; i++)
		loop();
	ck_assert_uint_eq(seen.messages, 100);
	ck_assert_uint_eq(seen.closes, 1);
	ck_assert_int_eq(seen.error, 0);
	ck_assert_int_eq(channel_send(channel, MSG_STOP, 1, NULL, NULL, 0, -1),
	    -1);
	ck_assert_int_eq(errno, EPIPE);
	unmake();
}
END_TEST

START_TEST(pump_delivers_what_is_there_without_the_loop)
{
	make();
	for (int i = 0; i < 200; i++)
		ck_assert_int_eq(
		    msg_send(other, MSG_PROBLEM, 1, NULL, NULL, 0, -1), 0);
	channel_pump(channel);
	ck_assert_uint_eq(seen.messages, 200);
	ck_assert_uint_eq(seen.closes, 0);
	unmake();
}
END_TEST

START_TEST(garbage_closes_the_channel_and_leaks_nothing)
{
	struct {
		struct msg_head head;
		char payload[16];
	} packet;
	static char big[2 * MSG_PAYLOAD_MAX];
	unsigned int before;
	int fds[12];

	for (unsigned int i = 0; i < 12; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	before = open_descriptors();
	for (unsigned int i = 0; i < 7; i++) {
		memset(&seen, 0, sizeof(seen));
		memset(&packet, 0, sizeof(packet));
		packet.head.type = MSG_PROBLEM;
		packet.head.length = sizeof(packet.payload);
		make();
		switch (i) {
		case 0: /* too short */
			send_raw("hello", 5, fds, 1);
			break;
		case 1: /* no such type */
			packet.head.type = MSG_TYPES;
			send_raw(&packet, sizeof(packet), fds, 1);
			break;
		case 2:
			packet.head.type = MSG_NONE;
			send_raw(&packet, sizeof(packet), fds, 1);
			break;
		case 3: /* says more than it brings */
			packet.head.length++;
			send_raw(&packet, sizeof(packet), fds, 1);
			break;
		case 4: /* two descriptors */
			send_raw(&packet, sizeof(packet), fds, 2);
			break;
		case 5: /* more descriptors than there is room for */
			send_raw(&packet, sizeof(packet), fds, 12);
			break;
		case 6: /* longer than any message */
			memcpy(big, &packet, sizeof(packet));
			send_raw(big, sizeof(big), fds, 1);
			break;
		}
		loop();
		ck_assert_uint_eq(seen.messages, 0);
		ck_assert_uint_eq(seen.closes, 1);
		ck_assert_int_eq(seen.error, EBADMSG);
		loop();
		ck_assert_uint_eq(seen.closes, 1);
		unmake();
		ck_assert_uint_eq(open_descriptors(), before);
	}
}
END_TEST

/* Is the limit the kernel's own?  valgrind only pretends that it changed. */
static bool
kernel_limits_descriptors(int most)
{
	FILE *file = fopen("/proc/self/limits", "r");
	char line[256];
	long soft = -1;

	ck_assert_ptr_nonnull(file);
	while (fgets(line, sizeof(line), file) != NULL)
		if (sscanf(line, "Max open files %ld", &soft) == 1)
			break;
	fclose(file);
	return soft == most;
}

START_TEST(a_descriptor_there_is_no_room_for_costs_only_itself)
{
	struct rlimit limit, none;
	bool real;
	int spare;

	make();
	ck_assert_int_eq(msg_send(other, MSG_IMAGE, 7, NULL, NULL, 0, other),
	    0);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	spare = dup(other); /* the lowest that is free, and all below are not */
	ck_assert_int_ne(spare, -1);
	close(spare);
	none = limit;
	none.rlim_cur = spare + 1; /* to look at the limit takes one */
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	real = kernel_limits_descriptors(spare + 1);
	none.rlim_cur = spare;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
	loop();
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
	ck_assert_uint_eq(seen.closes, 0);
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.last.type, MSG_IMAGE);
	if (real)
		ck_assert_int_eq(seen.last.fd, -1);
	unmake();
}
END_TEST

START_TEST(an_empty_packet_is_an_end)
{
	make();
	send_raw("", 0, NULL, 0);
	loop();
	ck_assert_uint_eq(seen.closes, 1);
	unmake();
}
END_TEST

START_TEST(what_the_socket_does_not_take_waits_in_order)
{
	unsigned int count = 3000, before;
	static struct msg msg;
	char text[1024];
	int fd;

	make();
	before = open_descriptors();
	fd = open("/dev/null", O_RDONLY);
	memset(text, 'x', sizeof(text));
	for (unsigned int i = 0; i < count; i++) {
		memcpy(text, &i, sizeof(i));
		ck_assert_int_eq(channel_send(channel, MSG_PROBLEM, i, NULL,
				     text, sizeof(text),
				     i % 100 == 0 ? fd : -1),
		    0);
	}
	/* It has duplicates of the descriptors that wait. */
	close(fd);
	fcntl(other, F_SETFL, O_NONBLOCK);
	for (unsigned int i = 0; i < count;) {
		if (msg_recv(other, &msg) != 1) {
			ck_assert_int_eq(errno, EAGAIN);
			loop();
			continue;
		}
		ck_assert_uint_eq(msg.generation, i);
		ck_assert_mem_eq(msg.payload, &i, sizeof(i));
		ck_assert_int_eq(msg.fd != -1, i % 100 == 0);
		if (msg.fd != -1)
			close(msg.fd);
		i++;
	}
	ck_assert_uint_eq(open_descriptors(), before);
	unmake();
}
END_TEST

START_TEST(a_full_queue_says_so_and_goes_away_with_its_descriptors)
{
	unsigned int before, sent = 0;
	struct rlimit limit;

	before = open_descriptors();
	make();
	/* Not before the queue is full shall anything be short. */
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (channel_send(channel, MSG_PREPARE, 1, NULL, NULL, 0,
		   sent % 100 == 0 ? other : -1) == 0)
		ck_assert_uint_le(++sent, 2 * CHANNEL_QUEUE_MAX);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_ge(sent, CHANNEL_QUEUE_MAX);
	unmake();
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(it_may_be_freed_inside_its_callbacks)
{
	make();
	seen.free_inside = true;
	ck_assert_int_eq(msg_send(other, MSG_PROBLEM, 1, NULL, NULL, 0, -1), 0);
	ck_assert_int_eq(msg_send(other, MSG_PROBLEM, 2, NULL, NULL, 0, -1), 0);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.closes, 0);
	unmake();
	memset(&seen, 0, sizeof(seen));
	make();
	seen.free_inside = true;
	close(other);
	other = -1;
	loop();
	ck_assert_uint_eq(seen.closes, 1);
	unmake();
}
END_TEST

START_TEST(a_failed_send_to_the_dead_is_told_by_the_reading_half)
{
	make();
	ck_assert_int_eq(msg_send(other, MSG_PROBLEM, 1, NULL, NULL, 0, -1), 0);
	close(other);
	other = -1;
	ck_assert_int_eq(channel_send(channel, MSG_STOP, 1, NULL, NULL, 0, -1),
	    -1);
	ck_assert_int_eq(errno, EPIPE);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.closes, 1);
	unmake();
}
END_TEST

START_TEST(strings_of_a_payload_end_with_it)
{
	static struct msg msg;

	msg.length = 8;
	memcpy(msg.payload, "a\0bc\0defgh", 10);
	ck_assert_str_eq(msg_string(&msg, 0), "a");
	ck_assert_str_eq(msg_string(&msg, 1), "bc");
	ck_assert_str_eq(msg_string(&msg, 2), "");
	ck_assert_str_eq(msg_string(&msg, 99), "");
	msg.length = 0;
	ck_assert_str_eq(msg_string(&msg, 0), "");
}
END_TEST

START_TEST(a_problem_keeps_its_place_and_is_cut_to_fit)
{
	static char big[3 * MSG_PAYLOAD_MAX];
	static struct msg msg;

	msg.length = (uint32_t)msg_problem(msg.payload, "a.conf", "no");
	ck_assert_str_eq(msg_string(&msg, 0), "a.conf");
	ck_assert_str_eq(msg_string(&msg, 1), "no");
	msg.length = (uint32_t)msg_problem(msg.payload, NULL, "oh");
	ck_assert_str_eq(msg_string(&msg, 0), "");
	ck_assert_str_eq(msg_string(&msg, 1), "oh");
	memset(big, 'x', sizeof(big) - 1);
	msg.length = (uint32_t)msg_problem(msg.payload, big, big);
	ck_assert_uint_le(msg.length, MSG_PAYLOAD_MAX);
	ck_assert_uint_eq(strlen(msg_string(&msg, 0)), MSG_PAYLOAD_MAX / 2 - 1);
	ck_assert_uint_gt(strlen(msg_string(&msg, 1)), 4000);
}
END_TEST

START_TEST(each_type_has_a_name)
{
	uint32_t type;

	for (type = 0; type < MSG_TYPES; type++)
		ck_assert_str_ne(msg_name(type), "unknown");
	ck_assert_str_eq(msg_name(MSG_TYPES), "unknown");
	ck_assert_str_eq(msg_name(UINT32_MAX), "unknown");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_message_arrives_whole_with_its_descriptor,
		a_payload_of_the_greatest_size_fits_and_no_more,
		the_end_is_told_once_after_the_last_words,
		pump_delivers_what_is_there_without_the_loop,
		garbage_closes_the_channel_and_leaks_nothing,
		a_descriptor_there_is_no_room_for_costs_only_itself,
		an_empty_packet_is_an_end,
		what_the_socket_does_not_take_waits_in_order,
		a_full_queue_says_so_and_goes_away_with_its_descriptors,
		it_may_be_freed_inside_its_callbacks,
		a_failed_send_to_the_dead_is_told_by_the_reading_half,
		strings_of_a_payload_end_with_it,
		a_problem_keeps_its_place_and_is_cut_to_fit,
		each_type_has_a_name,
		NULL,
	};

	return fixture_run("channel", tests);
}
