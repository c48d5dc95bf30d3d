/*
 * chat.c: one room.  Shows state of a connection (its nick) and of a service
 * (the room), and a broadcast that a slow member does not delay: beyond
 * limits.write_queue it misses messages, and is told so when it has caught up.
 *
 * Without SL_MANY_WORKERS one worker serves the whole room.
 */

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#define NICK_MAX 20
#define TEXT_MAX 400 /* longer messages are cut */
#define LINE_BYTES (TEXT_MAX + NICK_MAX + 96)

struct room {
	unsigned int guests; /* the number of the last guest */
	unsigned int members;
};

struct member {
	char nick[NICK_MAX + 1];
};

static const struct sl_option options[] = {
	{ "motd", SL_OPTION_STRING, "welcome", "sent to each new member" },
	{ 0 },
};

static int
chat_check(const struct sl_options *o, struct sl_error *err)
{
	if (strlen(sl_option_string(o, "motd")) > TEXT_MAX)
		return sl_refuse(err, "motd", "longer than %d bytes", TEXT_MAX);
	return 0;
}

static int
chat_start(struct sl_service *service)
{
	struct room *room = calloc(1, sizeof(*room));

	if (room == NULL)
		return -1;
	sl_set_service_data(service, room);
	return 0;
}

static void
chat_stop(struct sl_service *service)
{
	free(sl_service_data(service));
}

SL_PRINTF(2, 3)
static void
tellf(struct sl_conn *c, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	sl_send(c, line, strlen(line));
}

/* The same, to all other members of the room. */
SL_PRINTF(2, 3)
static void
tell_others(struct sl_conn *from, const char *fmt, ...)
{
	char line[LINE_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	sl_broadcast(sl_service(from), line, strlen(line), from);
}

/* A message did not fit into its queue, which has drained now. */
static void
chat_drain(struct sl_conn *c)
{
	tellf(c, "* you missed messages, as you were slow to read\n");
}

static struct sl_conn *
find_nick(struct sl_service *service, const char *nick)
{
	struct sl_conn *c;
	struct member *m;

	for (c = sl_first(service); c != NULL; c = sl_next(c)) {
		m = sl_data(c);
		if (m != NULL && strcmp(m->nick, nick) == 0)
			return c;
	}
	return NULL;
}

static int
chat_open(struct sl_conn *c)
{
	struct sl_service *service = sl_service(c);
	struct room *room = sl_service_data(service);
	struct member *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return -1;
	do
		snprintf(m->nick, sizeof(m->nick), "guest%u", ++room->guests);
	while (find_nick(service, m->nick) != NULL);
	room->members++;
	sl_set_data(c, m);
	tellf(c, "* %s\n* you are %s, one of %u; /nick NAME, /who, /quit\n",
	    sl_option_string(sl_options(service), "motd"), m->nick,
	    room->members);
	tell_others(c, "* %s joined\n", m->nick);
	return 0;
}

static void
take_nick(struct sl_conn *c, const char *nick)
{
	struct member *m = sl_data(c);
	size_t len = strlen(nick);

	if (len == 0 || len > NICK_MAX || strchr(nick, ' ') != NULL) {
		tellf(c, "* a nick is 1 to %d characters, no spaces\n",
		    NICK_MAX);
		return;
	}
	if (find_nick(sl_service(c), nick) != NULL) {
		tellf(c, "* %s is taken\n", nick);
		return;
	}
	tell_others(c, "* %s is now %s\n", m->nick, nick);
	memcpy(m->nick, nick, len + 1);
	tellf(c, "* you are %s\n", m->nick);
}

static void
list_members(struct sl_conn *c)
{
	struct sl_conn *who = sl_first(sl_service(c));
	struct member *m;

	for (; who != NULL; who = sl_next(who))
		if ((m = sl_data(who)) != NULL)
			tellf(c, "* %s\n", m->nick);
}

static void
leave(struct sl_conn *c)
{
	struct room *room = sl_service_data(sl_service(c));
	struct member *m = sl_data(c);

	if (m == NULL)
		return; /* it has left already, by /quit */
	tell_others(c, "* %s left\n", m->nick);
	room->members--;
	sl_set_data(c, NULL);
	free(m);
}

/* Returns whether another line may follow. */
static bool
take_line(struct sl_conn *c, const char *text)
{
	struct member *m = sl_data(c);

	if (strcmp(text, "/quit") == 0) {
		/* Tell the room now, not when the peer has closed as well. */
		leave(c);
		sl_close(c);
		return false;
	}
	if (strncmp(text, "/nick ", 6) == 0)
		take_nick(c, text + 6);
	else if (strcmp(text, "/who") == 0)
		list_members(c);
	else if (text[0] == '/')
		tellf(c, "* /nick NAME, /who, /quit\n");
	else if (text[0] != '\0')
		tell_others(c, "<%s> %s\n", m->nick, text);
	return true;
}

/* The daemon deals with a line that never ends: limits.read_buffer. */
static ssize_t
chat_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *line = buf, *stop = line + len, *newline;
	char text[TEXT_MAX + 1];

	while ((newline = memchr(line, '\n', (size_t)(stop - line))) != NULL) {
		size_t n = 0;

		/* No control characters on other people's terminals. */
		for (; line < newline; line++)
			if (n < TEXT_MAX && (unsigned char)*line >= ' ' &&
			    *line != 127)
				text[n++] = *line;
		text[n] = '\0';
		line = newline + 1;
		if (!take_line(c, text))
			return (ssize_t)len;
	}
	return line - (const char *)buf;
}

static void
chat_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	leave(c);
}

SL_PLUGIN(.name = "chat", .version = "1.0", .summary = "one room to talk in",
    .flags = SL_UNLOADABLE, .state_version = 1, .options = options,
    .check = chat_check, .start = chat_start, .stop = chat_stop,
    .server = SL_HANDLERS(.open = chat_open, .data = chat_data,
	.drain = chat_drain, .close = chat_close));
