/*
 * liar.c: sends messages to the master that no worker would send.  Each line of
 * the client names one of them; the answer is "ok".
 */

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <sluice.h>

#include "ring.h"

/* extra: how many bytes more the head announces than are sent. */
static void
say(uint32_t type, const char *payload, size_t length, uint32_t extra)
{
	struct {
		struct msg_head head;
		char payload[64];
	} message = { .head = { .type = type, .generation = 1 } };

	message.head.length = (uint32_t)length + extra;
	memcpy(message.payload, payload, length);
	ring_put(ring_find(), &message, sizeof(message.head) + length);
}

/* MSG_STOP_LISTENER, in the format of msg.c. */
static void
say_stop(const char *name, const char *plugin)
{
	char payload[64];
	uint32_t close_active = 0;

	memcpy(payload, &close_active, sizeof(close_active));
	say(MSG_STOP_LISTENER, payload,
	    4 + (size_t)sprintf(payload + 4, "%s%c%s", name, '\0', plugin) + 1,
	    0);
}

static void
say_problem(const char *text, uint32_t level, uint32_t extra)
{
	char payload[64] = "";

	memcpy(payload, &level, sizeof(level)); /* line 0, no file */
	say(MSG_PROBLEM, payload,
	    9 + (size_t)sprintf(payload + 9, "%s", text) + 1, extra);
}

/* Send messages with random types, lengths and contents. */
static void
babble(unsigned int seed, int count)
{
	char text[40];

	srandom(seed);
	while (count-- > 0) {
		for (size_t i = 0; i < sizeof(text); i++)
			text[i] = (char)(random() % 3 == 0 ? 0 : random());
		say((uint32_t)random() % (MSG_TYPES + 2), text,
		    (size_t)random() % 40,
		    random() % 20 == 0 ? (uint32_t)random() : 0);
	}
}

/* Fill the shared memory with random bytes, its indices as well. */
static void
scribble(unsigned int seed)
{
	struct ring *ring = ring_find();
	char *bytes = (char *)ring;

	srandom(seed);
	for (size_t i = 0; ring != NULL && i < sizeof(*ring); i++)
		bytes[i] = (char)random();
	ring_bell();
}

/* Give the worker another channel to read from, and keep the real one open. */
static void
go_deaf(void)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) ==
		-1 ||
	    dup(CHILD_CHANNEL_FD) == -1)
		return;
	dup2(pair[0], CHILD_CHANNEL_FD);
}

#define HOARD_MAX 256

static int hoarded[HOARD_MAX], hoarded_count;

/* Ask for new keys, and take all descriptors, which the test has limited. */
static void
hoard(void)
{
	say(MSG_NO_TICKETS, "", 0, 0);
	while (hoarded_count < HOARD_MAX &&
	    (hoarded[hoarded_count] = dup(CHILD_CHANNEL_FD)) != -1)
		hoarded_count++;
}

static void
release(void)
{
	while (hoarded_count > 0)
		close(hoarded[--hoarded_count]);
}

static void
lie(const char *what)
{
	char name[24] = "", plugin[24] = "";
	int seed;

	if (strcmp(what, "garbage") == 0)
		ring_put(ring_find(), "xyz", 3);
	else if (strncmp(what, "type ", 5) == 0)
		say((uint32_t)atoi(what + 5), "x", 2, 0);
	else if (strcmp(what, "length") == 0)
		say_problem("b", 3, 7);
	else if (strcmp(what, "endless") == 0)
		say_problem("b", 3, UINT32_MAX - 4);
	else if (strcmp(what, "level") == 0)
		say_problem("b", 8, 0);
	else if (sscanf(what, "stop %20s %20s", name, plugin) >= 1)
		say_stop(name, plugin);
	else if (strcmp(what, "unfinished") == 0)
		say(MSG_STOP_LISTENER, "\0\0\0\0aaaa", 8, 0);
	else if (strcmp(what, "silence") == 0)
		dup2(open("/dev/null", O_RDWR), CHILD_CHANNEL_FD);
	else if (strcmp(what, "half") == 0)
		ring_put(ring_find(), "\13\0\0\0\1\0\0\0\3\0", 10);
	else if (strcmp(what, "deaf") == 0)
		go_deaf();
	else if (sscanf(what, "scribble %d", &seed) == 1)
		scribble((unsigned int)seed);
	else if (sscanf(what, "babble %d", &seed) == 1)
		babble((unsigned int)seed, 1000);
	else if (strcmp(what, "no tickets") == 0)
		hoard();
	else if (strcmp(what, "release") == 0)
		release();
	else if (strcmp(what, "bells") == 0)
		for (int i = 0; i < 100000; i++)
			ring_bell();
	else if (strcmp(what, "flood stop") == 0)
		for (int i = 0; i < 100000; i++)
			say_stop("nobody", "liar");
	else if (strcmp(what, "flood reload") == 0)
		for (int i = 0; i < 100000; i++)
			say(MSG_RELOAD, "", 0, 0);
	else if (strcmp(what, "flood") == 0)
		for (int i = 0; i < 100000; i++)
			say_problem("flood", 3, 0);
}

static ssize_t
liar_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *newline = memchr(buf, '\n', len);
	char what[48];
	size_t length;

	if (newline == NULL)
		return 0;
	length = (size_t)(newline - (const char *)buf);
	if (length >= sizeof(what))
		return -1;
	memcpy(what, buf, length);
	what[length] = '\0';
	lie(what);
	sl_send(c, "ok\n", 3);
	return (ssize_t)length + 1;
}

SL_PLUGIN(.name = "liar", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = liar_data));
