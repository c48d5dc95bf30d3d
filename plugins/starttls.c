/*
 * starttls.c: a mail server that accepts every mail and drops it.  Shows a
 * protocol that begins in plain text and goes on with TLS (RFC 3207), when its
 * listener has a group `tls` with `starttls = true`.
 */

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <sluice.h>

#define LINE_BYTES 512 /* of a command, with its end (RFC 5321, 4.5.3.1.4) */
#define HOSTNAME_MAX 255
#define REPLY_MAX (HOSTNAME_MAX + 100)

enum step {
	STEP_NEW,     /* EHLO or HELO is missing */
	STEP_GREETED, /* MAIL may come */
	STEP_MAIL,    /* RCPT may come */
	STEP_RCPT,    /* more of it, or DATA */
	STEP_TEXT,    /* the mail, up to a line with a dot */
};

struct session {
	enum step step;
	bool too_long; /* the beginning of this line was dropped */
};

static const struct sl_option options[] = {
	{ "hostname", SL_OPTION_STRING, "localhost",
	    "the name it greets with" },
	{ "require_tls", SL_OPTION_BOOL, "false",
	    "refuse mail from a client that has not sent STARTTLS" },
	{ 0 },
};

static int
starttls_check(const struct sl_options *o, struct sl_error *err)
{
	const char *name = sl_option_string(o, "hostname"), *p = name;

	while (isgraph((unsigned char)*p))
		p++;
	if (p == name || *p != '\0')
		return sl_refuse(err, "hostname", "not a host name");
	if (p - name > HOSTNAME_MAX)
		return sl_refuse(err, "hostname", "longer than %d bytes",
		    HOSTNAME_MAX);
	return 0;
}

static const struct sl_options *
options_of(struct sl_conn *c)
{
	return sl_options(sl_service(c));
}

/* Send a reply.  Returns whether there is room for another one. */
SL_PRINTF(2, 3)
static bool
reply(struct sl_conn *c, const char *fmt, ...)
{
	char text[REPLY_MAX];
	ssize_t taken;
	size_t len;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	len = strlen(text);
	taken = sl_write(c, text, len);
	if (taken == (ssize_t)len)
		return true;
	/* No half replies: lines.c says more about this and sl_room(). */
	if (taken >= 0 && sl_send(c, text + taken, len - (size_t)taken) == -1)
		sl_terminate(c);
	return false;
}

static int
starttls_open(struct sl_conn *c)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -1;
	sl_set_data(c, s);
	reply(c, "220 %s ESMTP, drops all mail\r\n",
	    sl_option_string(options_of(c), "hostname"));
	return 0;
}

static bool
is_encrypted(struct sl_conn *c)
{
	return sl_tls_version(c) != NULL;
}

/* Returns whether the input behind the command may be looked at. */
static bool
start_tls(struct sl_conn *c, struct session *s)
{
	if (is_encrypted(c))
		return reply(c, "503 this is TLS already\r\n");
	/* The last plain text: until TLS is there, nothing can be written. */
	reply(c, "220 go ahead\r\n");
	if (sl_upgrade_tls(c, SL_TLS_SERVER, NULL) == -1) {
		sl_conn_log(c, SL_LOG_WARN,
		    "STARTTLS needs a listener with tls.starttls = true");
		sl_terminate(c);
	}
	/* What was said before may have come from somebody in between. */
	s->step = STEP_NEW;
	return false;
}

static bool
greet(struct sl_conn *c, struct session *s, bool extended)
{
	const char *name = sl_option_string(options_of(c), "hostname");

	s->step = STEP_GREETED;
	if (!extended)
		return reply(c, "250 %s\r\n", name);
	return reply(c, "250-%s\r\n%s250 PIPELINING\r\n", name,
	    is_encrypted(c) ? "" : "250-STARTTLS\r\n");
}

/* A command that is allowed only at some steps, and leads to another one. */
static bool
advance(struct sl_conn *c, struct session *s, enum step from, enum step last,
    enum step to, const char *text)
{
	if (s->step < from || s->step > last)
		return reply(c, "503 not now\r\n");
	if (!is_encrypted(c) && sl_option_bool(options_of(c), "require_tls"))
		return reply(c, "530 STARTTLS first\r\n");
	s->step = to;
	return reply(c, "%s\r\n", text);
}

/* Is this the command?  One that ends with a colon has an argument. */
static bool
is(const char *line, const char *command)
{
	size_t len = strlen(command);

	return strncasecmp(line, command, len) == 0 &&
	    (command[len - 1] == ':' || line[len] == ' ' || line[len] == '\0');
}

/* Returns whether to go on with the next line. */
static bool
take_command(struct sl_conn *c, struct session *s, const char *line)
{
	if (is(line, "EHLO"))
		return greet(c, s, true);
	if (is(line, "HELO"))
		return greet(c, s, false);
	if (is(line, "STARTTLS"))
		return start_tls(c, s);
	if (is(line, "MAIL FROM:"))
		return advance(c, s, STEP_GREETED, STEP_GREETED, STEP_MAIL,
		    "250 ok");
	if (is(line, "RCPT TO:"))
		return advance(c, s, STEP_MAIL, STEP_RCPT, STEP_RCPT, "250 ok");
	if (is(line, "DATA"))
		return advance(c, s, STEP_RCPT, STEP_RCPT, STEP_TEXT,
		    "354 end with a line that is a dot");
	if (is(line, "RSET")) {
		if (s->step > STEP_GREETED)
			s->step = STEP_GREETED;
		return reply(c, "250 ok\r\n");
	}
	if (is(line, "NOOP"))
		return reply(c, "250 ok\r\n");
	if (is(line, "QUIT")) {
		reply(c, "221 bye\r\n");
		sl_close(c);
		return false;
	}
	return reply(c, "500 what is that?\r\n");
}

/* A line without its end. */
static bool
take_line(struct sl_conn *c, struct session *s, const char *line, size_t len)
{
	bool too_long = s->too_long || len > LINE_BYTES - 2;
	char text[LINE_BYTES];

	s->too_long = false;
	if (s->step == STEP_TEXT) {
		if (too_long || len != 1 || *line != '.')
			return true;
		s->step = STEP_GREETED;
		sl_count(sl_service(c), "dropped", 1);
		return reply(c, "250 dropped\r\n");
	}
	if (too_long)
		return reply(c, "500 line too long\r\n");
	memcpy(text, line, len);
	text[len] = '\0';
	return take_command(c, s, text);
}

/*
 * The CR LF that ends the line, or NULL.  A line feed alone ends no line: where
 * servers disagree about that, one mail can be smuggled inside another.
 */
static const char *
find_end(const char *line, const char *stop)
{
	while ((line = memchr(line, '\r', (size_t)(stop - line))) != NULL) {
		if (++line < stop && *line == '\n')
			return line - 1;
	}
	return NULL;
}

/*
 * Consumes whole lines.  In particular nothing behind STARTTLS is consumed: the
 * daemon ends the connection if there is plain text, which somebody in between
 * may have put there for the server to take as encrypted.
 */
static ssize_t
starttls_data(struct sl_conn *c, const void *buf, size_t len)
{
	struct session *s = sl_data(c);
	const char *line = buf, *stop = line + len, *end;
	bool more = true;

	while (more && (end = find_end(line, stop)) != NULL) {
		/* Nothing is done whose reply could not be sent. */
		if (sl_room(c) < REPLY_MAX)
			return line - (const char *)buf;
		more = take_line(c, s, line, (size_t)(end - line));
		line = end + 2;
	}
	/* Drop what is too long already, but for a CR that may be its end. */
	if (more && stop - line >= LINE_BYTES) {
		s->too_long = true;
		line = stop - 1;
	}
	return line - (const char *)buf;
}

static void
starttls_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	free(sl_data(c));
}

SL_PLUGIN(.name = "starttls", .version = "1.0",
    .summary = "accepts mail, with STARTTLS (RFC 3207), and drops it",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE, .state_version = 1,
    .options = options, .check = starttls_check,
    .server = SL_HANDLERS(.open = starttls_open, .data = starttls_data,
	.close = starttls_close));
