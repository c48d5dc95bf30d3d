/* check_channel.c: good and bad messages between processes. */

#include <errno.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <event2/event.h>

#include "base/error.h"
#include "fixture.h"
#include "ipc/channel.h"
#include "ipc/msg.h"
#include "ipc/packet.h"

static struct event_base *base;
static struct channel *channel; /* our end, on the base */
static int other = -1;		/* the other end, blocking */

static struct {
	unsigned int messages, closes;
	struct error error; /* "" when the other end closed */
	struct msg last;    /* without its texts */
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
on_close(void *arg, const struct error *err)
{
	ck_assert_ptr_eq(arg, &seen);
	seen.closes++;
	if (err != NULL)
		seen.error = *err;
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

static bool
same_file(int a, int b)
{
	struct stat one, two;

	return fstat(a, &one) == 0 && fstat(b, &two) == 0 &&
	    one.st_dev == two.st_dev && one.st_ino == two.st_ino;
}

/* Our end, the master's, sends. */
static int
tell(enum msg_type type, uint32_t generation, int fd)
{
	return channel_send(channel,
	    &(struct msg){
		.type = type,
		.generation = generation,
		.fd = fd,
	    });
}

/* The other end sends. */
static void
answer(enum msg_type type, uint32_t generation, int fd)
{
	const struct msg msg = {
		.type = type,
		.generation = generation,
		.fd = fd,
	};

	ck_assert_int_eq(packet_send(other, &msg), 0);
}

/* Read a message at the other end.  Its texts are valid until the next call. */
static int
hear(struct msg *ret)
{
	static struct packet room;
	struct error err;

	return packet_recv(other, &room, ret, &err);
}

/* Send a packet that our own code would never send. */
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
	struct msg msg = {
		.type = MSG_SOCKET,
		.generation = 7,
		.socket.listener = 1,
		.socket.address = 2,
		.socket.id = 3,
		.socket.slot = UINT32_MAX,
	};
	int fd;

	make();
	fd = msg.fd = open("/dev/null", O_RDONLY);
	ck_assert_int_eq(channel_send(channel, &msg), 0);
	memset(&msg, 0, sizeof(msg));
	ck_assert_int_eq(hear(&msg), 1);
	ck_assert_uint_eq(msg.type, MSG_SOCKET);
	ck_assert_uint_eq(msg.generation, 7);
	ck_assert_uint_eq(msg.socket.listener, 1);
	ck_assert_uint_eq(msg.socket.address, 2);
	ck_assert_uint_eq(msg.socket.id, 3);
	ck_assert_uint_eq(msg.socket.slot, UINT32_MAX);
	ck_assert(same_file(msg.fd, fd));
	ck_assert_int_eq(fcntl(msg.fd, F_GETFD), FD_CLOEXEC);
	close(msg.fd);
	answer(MSG_COMMITTED, 8, -1);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.last.type, MSG_COMMITTED);
	ck_assert_uint_eq(seen.last.generation, 8);
	ck_assert_int_eq(seen.last.fd, -1);
	close(fd);
	unmake();
}
END_TEST

START_TEST(a_message_that_cannot_be_encoded_is_not_sent)
{
	static char text[2 * MSG_PAYLOAD_MAX];
	struct msg msg = { .type = MSG_SOURCE };

	make();
	memset(text, 'x', sizeof(text) - 1);
	msg.source.pattern = text;
	ck_assert_int_eq(channel_send(channel, &msg), -1);
	ck_assert_int_eq(errno, EMSGSIZE);
	ck_assert_int_eq(tell(MSG_BUNDLE, 1, -1), -1);
	ck_assert_int_eq(errno, EBADF);
	text[MSG_PATH_MAX] = '\0';
	ck_assert_int_eq(channel_send(channel, &msg), 0);
	ck_assert_int_eq(hear(&msg), 1);
	ck_assert_uint_eq(strlen(msg.source.pattern), MSG_PATH_MAX);
	unmake();
}
END_TEST

START_TEST(the_end_is_told_once_after_the_last_message)
{
	make();
	for (int i = 0; i < 100; i++)
		answer(MSG_RELOAD, 1, -1);
	/* Our message, which it never reads, must not make us lose its own. */
	ck_assert_int_eq(tell(MSG_STOP, 1, -1), 0);
	close(other);
	other = -1;
	for (int i = 0; i < 10; i++)
		loop();
	ck_assert_uint_eq(seen.messages, 100);
	ck_assert_uint_eq(seen.closes, 1);
	ck_assert_str_eq(seen.error.text, "");
	ck_assert_int_eq(tell(MSG_STOP, 1, -1), -1);
	ck_assert_int_eq(errno, EPIPE);
	unmake();
}
END_TEST

START_TEST(pump_delivers_what_is_there_without_the_loop)
{
	make();
	for (int i = 0; i < 200; i++)
		answer(MSG_RELOAD, 1, -1);
	channel_pump(channel);
	ck_assert_uint_eq(seen.messages, 200);
	ck_assert_uint_eq(seen.closes, 0);
	unmake();
}
END_TEST

START_TEST(garbage_closes_the_channel_and_leaks_nothing)
{
	static const char *const sentences[] = {
		"what is not a message (5 bytes)",
		"a message of type 999, which is unknown",
		"a message of type 0, which is unknown",
		"a message that is not as long as it says",
		"a message with several descriptors",
		"a message with several descriptors",
		"a message that is not as long as it says",
		"a message (commit) that is too long",
		"a message (commit) with a descriptor",
	};
	struct {
		struct msg_head head;
		char payload[16];
	} packet;
	static char big[2 * MSG_PAYLOAD_MAX];
	unsigned int before;
	int fds[12];

	for (unsigned int i = 0; i < 12; i++)
		fds[i] = open("/dev/null", O_RDONLY);
	before = fixture_descriptors();
	for (unsigned int i = 0; i < 9; i++) {
		memset(&seen, 0, sizeof(seen));
		memset(&packet, 0, sizeof(packet));
		packet.head.type = MSG_COMMIT;
		packet.head.length = sizeof(packet.payload);
		make();
		switch (i) {
		case 0:
			send_raw("hello", 5, fds, 1);
			break;
		case 1:
			packet.head.type = 999;
			send_raw(&packet, sizeof(packet), fds, 1);
			break;
		case 2:
			packet.head.type = MSG_NONE;
			send_raw(&packet, sizeof(packet), fds, 1);
			break;
		case 3:
			packet.head.length++;
			send_raw(&packet, sizeof(packet), fds, 1);
			break;
		case 4:
			send_raw(&packet, sizeof(packet), fds, 2);
			break;
		case 5:
			send_raw(&packet, sizeof(packet), fds, 12);
			break;
		case 6:
			memcpy(big, &packet, sizeof(packet));
			send_raw(big, sizeof(big), fds, 1);
			break;
		case 7:
			send_raw(&packet, sizeof(packet), NULL, 0);
			break;
		case 8:
			packet.head.length = 0;
			send_raw(&packet.head, sizeof(packet.head), fds, 1);
			break;
		}
		loop();
		ck_assert_uint_eq(seen.messages, 0);
		ck_assert_uint_eq(seen.closes, 1);
		ck_assert_str_eq(seen.error.text, sentences[i]);
		loop();
		ck_assert_uint_eq(seen.closes, 1);
		unmake();
		ck_assert_uint_eq(fixture_descriptors(), before);
	}
}
END_TEST

/* Does the kernel enforce the limit?  valgrind only pretends to change it. */
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

START_TEST(without_a_free_descriptor_only_that_one_is_lost)
{
	struct rlimit limit, none;
	bool real;
	int spare;

	make();
	answer(MSG_IMAGE, 7, other);
	ck_assert_int_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
	spare = dup(other); /* the lowest free descriptor */
	ck_assert_int_ne(spare, -1);
	close(spare);
	none = limit;
	none.rlim_cur = spare + 1; /* checking the limit needs one */
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

START_TEST(what_does_not_fit_in_the_socket_waits_in_order)
{
	struct msg file = { .type = MSG_FILE };
	unsigned int count = 3000, before;
	char text[1024];
	struct msg msg;
	int fd;

	make();
	before = fixture_descriptors();
	fd = open("/dev/null", O_RDONLY);
	memset(text, 'x', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	file.file.path = text;
	for (unsigned int i = 0; i < count; i++) {
		text[0] = (char)('a' + i % 26);
		file.generation = i;
		file.fd = i % 100 == 0 ? fd : -1;
		ck_assert_int_eq(channel_send(channel, &file), 0);
	}
	/* The channel has duplicates of the descriptors that wait. */
	close(fd);
	fcntl(other, F_SETFL, O_NONBLOCK);
	for (unsigned int i = 0; i < count;) {
		if (hear(&msg) != 1) {
			ck_assert_int_eq(errno, EAGAIN);
			loop();
			continue;
		}
		ck_assert_uint_eq(msg.generation, i);
		text[0] = (char)('a' + i % 26);
		ck_assert_str_eq(msg.file.path, text);
		ck_assert_int_eq(msg.fd != -1, i % 100 == 0);
		if (msg.fd != -1)
			close(msg.fd);
		i++;
	}
	ck_assert_uint_eq(fixture_descriptors(), before);
	unmake();
}
END_TEST

START_TEST(a_full_queue_refuses_and_is_freed_with_its_descriptors)
{
	unsigned int before, sent = 0;
	struct rlimit limit;

	before = fixture_descriptors();
	make();
	/* Nothing may run out before the queue is full. */
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	while (tell(MSG_FILE, 1, sent % 100 == 0 ? other : -1) == 0)
		ck_assert_uint_le(++sent, 2 * CHANNEL_QUEUE_MAX);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_uint_ge(sent, CHANNEL_QUEUE_MAX);
	unmake();
	ck_assert_uint_eq(fixture_descriptors(), before);
}
END_TEST

START_TEST(it_may_be_freed_inside_its_callbacks)
{
	make();
	seen.free_inside = true;
	answer(MSG_RELOAD, 1, -1);
	answer(MSG_RELOAD, 2, -1);
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

START_TEST(a_failed_send_is_told_by_the_reading_half)
{
	make();
	answer(MSG_RELOAD, 1, -1);
	close(other);
	other = -1;
	ck_assert_int_eq(tell(MSG_STOP, 1, -1), -1);
	ck_assert_int_eq(errno, EPIPE);
	loop();
	ck_assert_uint_eq(seen.messages, 1);
	ck_assert_uint_eq(seen.closes, 1);
	unmake();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_message_arrives_whole_with_its_descriptor,
		a_message_that_cannot_be_encoded_is_not_sent,
		the_end_is_told_once_after_the_last_message,
		pump_delivers_what_is_there_without_the_loop,
		garbage_closes_the_channel_and_leaks_nothing,
		without_a_free_descriptor_only_that_one_is_lost,
		an_empty_packet_is_an_end,
		what_does_not_fit_in_the_socket_waits_in_order,
		a_full_queue_refuses_and_is_freed_with_its_descriptors,
		it_may_be_freed_inside_its_callbacks,
		a_failed_send_is_told_by_the_reading_half,
		NULL,
	};

	return fixture_run("channel", tests);
}
