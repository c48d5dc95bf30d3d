/*
 * command.c: does what its client says, one command in each line, and traces
 * every callback and the result of every call.  "at EVENT COMMAND" keeps a
 * command for another callback, or several with ";" between them.  The options
 * "at_handshake", "at_open" and "at_close" do the same for callbacks of which a
 * client cannot speak in time.  In `end` it closes, unless a command was kept
 * for `end`.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* strerrorname_np */
#endif

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#ifndef VERSION
#define VERSION "1.0"
#endif
#ifndef FLAGS
#define FLAGS SL_MANY_WORKERS
#endif

#define COMMAND_MAX 128
#define TICK_TIMER 1000u
#define CHUNK 65536 /* of one long write */

enum event {
	AT_OPEN,
	AT_DRAIN,
	AT_END,
	AT_TIMEOUT,
	AT_ERROR,
	AT_CLOSE,
	AT_TIMER,
	EVENTS
};

static const char *const event_names[EVENTS] = {
	[AT_OPEN] = "open",
	[AT_DRAIN] = "drain",
	[AT_END] = "end",
	[AT_TIMEOUT] = "timeout",
	[AT_ERROR] = "error",
	[AT_CLOSE] = "close",
	[AT_TIMER] = "timer",
};

struct state {
	char at[EVENTS][COMMAND_MAX];
	uint64_t sent; /* bytes of the pattern so far */
	uint64_t left; /* bytes of a stream still to be written */
	uint64_t got;  /* bytes of data in sink mode */
	uint64_t tick_ms;
	unsigned int ticks;
	bool short_write; /* so that a drain is due */
	bool sink;	  /* take bytes, not commands */
	bool stop;	  /* leave the rest of the data for later */
	bool fail;
};

static int depth; /* of callbacks: they never nest */
static bool tracing = true;
static char big[1 << 20];

static const struct sl_option options[] = {
	{ "at_handshake", SL_OPTION_STRING, "", "command for `handshake`" },
	{ "at_open", SL_OPTION_STRING, "", "command for `open`" },
	{ "at_close", SL_OPTION_STRING, "", "command for `close`" },
	{ "trace", SL_OPTION_BOOL, "true", "log every callback" },
	{ 0 },
};

#define trace(c, ...)                                                 \
	do {                                                          \
		char text_[256];                                      \
		snprintf(text_, sizeof(text_), __VA_ARGS__);          \
		if (tracing)                                          \
			sl_log(sl_service(c), SL_LOG_INFO,            \
			    "trace %" PRIu64 " %s", sl_id(c), text_); \
	} while (0)

#define bad(c, what)                                                    \
	sl_log(sl_service(c), SL_LOG_ERROR, "trace %" PRIu64 " BAD %s", \
	    sl_id(c), (what))

static void
enter(struct sl_conn *c)
{
	if (depth++ != 0)
		bad(c, "callbacks nest");
}

static void
leave(void)
{
	depth--;
}

static const char *
error_name(int number)
{
	const char *name = strerrorname_np(number);

	return name != NULL ? name : "?";
}

/* Log and return the result of a call. */
static int64_t
result(struct sl_conn *c, const char *what, int64_t got)
{
	struct state *s = sl_data(c);

	/* A refused send also brings `drain`. */
	if (got < 0 && errno == ENOBUFS && sl_queued(c) > 0)
		s->short_write = true;
	if (got < 0)
		trace(c, "call %s = %" PRId64 " %s", what, got,
		    error_name(errno));
	else
		trace(c, "call %s = %" PRId64, what, got);
	return got;
}

/* The next bytes of the pattern for this connection. */
static const char *
pattern(struct state *s, size_t *len)
{
	static const char table[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXY";
	const size_t period = sizeof(table) - 1;

	if (big[0] == '\0')
		for (size_t i = 0; i < sizeof(big); i++)
			big[i] = table[i % period];
	if (*len > sizeof(big) - period)
		*len = sizeof(big) - period;
	return big + s->sent % period;
}

static int64_t
write_pattern(struct sl_conn *c, struct state *s, size_t len)
{
	size_t part = len;
	const char *from = pattern(s, &part);
	ssize_t taken = sl_write(c, from, part);

	if (taken >= 0) {
		s->sent += (size_t)taken;
		if ((size_t)taken < part)
			s->short_write = true;
		if ((size_t)taken > part)
			bad(c, "sl_write took more than there was");
	}
	return taken;
}

/* Write as much of the stream as is taken now. */
static void
stream(struct sl_conn *c, struct state *s)
{
	while (s->left > 0) {
		size_t want = s->left < CHUNK ? (size_t)s->left : CHUNK;
		int64_t taken = write_pattern(c, s, want);

		if (taken > 0)
			s->left -= (uint64_t)taken;
		if (taken < (int64_t)want)
			return;
	}
}

static void
facts(struct sl_conn *c)
{
	char text[512];
	int n;

	n = snprintf(text, sizeof(text),
	    "id=%" PRIu64 " state=%d local=%s remote=%s family=%d port=%d "
	    "read=%" PRIu64 " written=%" PRIu64 " queued=%zu service=%s "
	    "listen=%s client=%d fd=%d version=%s peer=%s\n",
	    sl_id(c), sl_state(c), sl_local(c)->text, sl_remote(c)->text,
	    sl_remote(c)->family, sl_remote(c)->port, sl_bytes_read(c),
	    sl_bytes_written(c), sl_queued(c), sl_service_name(sl_service(c)),
	    sl_listen_address(sl_service(c), 0)->text, sl_is_client(c),
	    sl_fd(c), VERSION, sl_peer(c)->text);
	sl_send(c, text, (size_t)n);
}

/* "tlv 1 2 h2": the type, the length and the value; or "tlv 1 ENODATA". */
static void
proxy_fact(struct sl_conn *c, uint8_t type)
{
	char text[64];
	size_t len;
	const void *value = sl_proxy_tlv(c, type, &len);
	int n;

	if (value == NULL)
		n = snprintf(text, sizeof(text), "tlv %d %s\n", type,
		    error_name(errno));
	else
		n = snprintf(text, sizeof(text), "tlv %d %zu ", type, len);
	sl_send(c, text, (size_t)n);
	if (value == NULL)
		return;
	sl_send(c, value, len);
	sl_send(c, "\n", 1);
}

static void
set_options(struct sl_conn *c)
{
	int on = -1, keep = -1, idle = -1, tos = -1;
	socklen_t len = sizeof(int);

	result(c, "nodelay", sl_set_nodelay(c, 0));
	getsockopt(sl_fd(c), IPPROTO_TCP, TCP_NODELAY, &on, &len);
	result(c, "keepalive", sl_set_keepalive(c, 1, 77000));
	len = sizeof(int);
	getsockopt(sl_fd(c), SOL_SOCKET, SO_KEEPALIVE, &keep, &len);
	len = sizeof(int);
	getsockopt(sl_fd(c), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len);
	result(c, "tos", sl_set_tos(c, 0x10));
	len = sizeof(int);
	getsockopt(sl_fd(c), IPPROTO_IP, IP_TOS, &tos, &len);
	trace(c, "call sockopt = nodelay %d keepalive %d idle %d tos %d", on,
	    keep, idle, tos);
}

/* Report the socket options that the configuration sets. */
static void
get_options(struct sl_conn *c)
{
	int on = -1, keep = -1, idle = -1;
	socklen_t len = sizeof(int);
	char text[128];
	int n;

	getsockopt(sl_fd(c), IPPROTO_TCP, TCP_NODELAY, &on, &len);
	len = sizeof(int);
	getsockopt(sl_fd(c), SOL_SOCKET, SO_KEEPALIVE, &keep, &len);
	len = sizeof(int);
	getsockopt(sl_fd(c), IPPROTO_TCP, TCP_KEEPIDLE, &idle, &len);
	n = snprintf(text, sizeof(text), "nodelay=%d keepalive=%d idle=%d\n",
	    on, keep, idle);
	sl_send(c, text, (size_t)n);
}

static void
get_environment(struct sl_conn *c, const char *name)
{
	const char *value = getenv(name);

	if (value == NULL)
		value = "(unset)";
	sl_send(c, value, strlen(value));
	sl_send(c, "\n", 1);
}

static void
broadcast(struct sl_conn *from, const char *text)
{
	struct sl_service *service = sl_service(from);
	struct sl_conn *c;
	int64_t n = 0;

	for (c = sl_first(service); c != NULL; c = sl_next(c), n++)
		sl_send(c, text, strlen(text));
	result(from, "broadcast", n);
}

/* Close every connection of the service in one walk, including the caller's. */
static void
close_everybody(struct sl_conn *from)
{
	struct sl_conn *c;
	int64_t n = 0;

	for (c = sl_first(sl_service(from)); c != NULL; c = sl_next(c), n++)
		sl_close(c);
	result(from, "closeall", n);
}

static void run(struct sl_conn *, struct state *, const char *);

static void
keep_command(struct sl_conn *c, struct state *s, const char *text)
{
	for (int i = 0; i < EVENTS; i++) {
		size_t n = strlen(event_names[i]);

		if (strncmp(text, event_names[i], n) == 0 && text[n] == ' ') {
			snprintf(s->at[i], COMMAND_MAX, "%s", text + n + 1);
			return;
		}
	}
	bad(c, "at what?");
}

static void
run_output(struct sl_conn *c, struct state *s, const char *word, uint64_t a,
    uint64_t b)
{
	if (strcmp(word, "write") == 0) {
		result(c, word, write_pattern(c, s, a));
	} else if (strcmp(word, "writes") == 0) { /* `a` calls of `b` bytes */
		int64_t sum = 0;

		for (uint64_t i = 0; i < a; i++)
			sum += write_pattern(c, s, b);
		result(c, word, sum);
	} else if (strcmp(word, "writev") == 0) { /* `a` pieces of `b` bytes */
		struct iovec iov[64];
		size_t len = a * b;
		const char *from = pattern(s, &len);
		ssize_t taken;

		for (uint64_t i = 0; i < a && i < 64; i++)
			iov[i] = (struct iovec){ (char *)from + i * b, b };
		taken = sl_writev(c, iov, (int)a);
		if (taken >= 0)
			s->sent += (size_t)taken;
		if (taken >= 0 && (size_t)taken < a * b)
			s->short_write = true;
		result(c, word, taken);
	} else if (strcmp(word, "send") == 0) {
		size_t len = a;
		const char *from = pattern(s, &len);
		int got = len == a ? sl_send(c, from, len) : -2;

		if (got == 0)
			s->sent += len;
		result(c, word, got);
	} else if (strcmp(word, "stream") == 0) {
		s->left = a;
		stream(c, s);
		result(c, word, (int64_t)(a - s->left));
	} else if (strcmp(word, "fill") == 0) { /* until a write is short */
		int64_t sum = 0, taken;

		do {
			taken = write_pattern(c, s, CHUNK);
			sum += taken > 0 ? taken : 0;
		} while (taken == CHUNK);
		result(c, word, sum);
	} else {
		bad(c, "unknown command");
	}
}

static void
run(struct sl_conn *c, struct state *s, const char *text)
{
	char word[32] = "";
	uint64_t a = 0, b = 0;
	int used = 0;

	sscanf(text, "%31s %n", word, &used);
	sscanf(text + used, "%" SCNu64 " %" SCNu64, &a, &b);
	if (strcmp(word, "at") == 0)
		keep_command(c, s, text + used);
	else if (strcmp(word, "say") == 0) {
		sl_write(c, text + used, strlen(text + used));
		sl_write(c, "\n", 1);
	} else if (strcmp(word, "end") == 0) {
		size_t len = a;
		const char *from = pattern(s, &len);

		result(c, word, sl_end(c, from, len));
	} else if (strcmp(word, "close") == 0)
		result(c, word, sl_close(c));
	else if (strcmp(word, "terminate") == 0)
		result(c, word, sl_terminate(c));
	else if (strcmp(word, "shutr") == 0)
		result(c, word, sl_shutdown(c, SL_SHUT_READ));
	else if (strcmp(word, "shutw") == 0)
		result(c, word, sl_shutdown(c, SL_SHUT_WRITE));
	else if (strcmp(word, "shutrw") == 0)
		result(c, word, sl_shutdown(c, SL_SHUT_READ | SL_SHUT_WRITE));
	else if (strcmp(word, "flush") == 0)
		result(c, word, sl_flush(c));
	else if (strcmp(word, "pause") == 0) {
		result(c, word, sl_pause(c));
		s->stop = true;
	} else if (strcmp(word, "resume") == 0)
		result(c, word, sl_resume(c));
	else if (strcmp(word, "timeout") == 0)
		result(c, word, sl_timeout(c, a));
	else if (strcmp(word, "timer") == 0) /* id, ms */
		result(c, word, sl_timer(sl_service(c), c, (uint32_t)a, b));
	else if (strcmp(word, "service-timer") == 0)
		result(c, word, sl_timer(sl_service(c), NULL, (uint32_t)a, b));
	else if (strcmp(word, "service-timers") == 0) { /* count, ms */
		for (uint64_t i = 1; i <= a; i++)
			sl_timer(sl_service(c), NULL, (uint32_t)i, b);
		result(c, word, (int64_t)a);
	} else if (strcmp(word, "tick") == 0) { /* ms, count */
		s->tick_ms = a;
		s->ticks = (unsigned int)b;
		result(c, word, sl_timer(sl_service(c), c, TICK_TIMER, a));
	} else if (strcmp(word, "sink") == 0)
		s->sink = true;
	else if (strcmp(word, "stop") == 0)
		result(c, word, sl_stop(sl_service(c), (int)a));
	else if (strcmp(word, "reload") == 0)
		result(c, word, sl_reload());
	else if (strcmp(word, "ref") == 0)
		sl_ref(c);
	else if (strcmp(word, "unref") == 0)
		sl_unref(c);
	else if (strcmp(word, "facts") == 0)
		facts(c);
	else if (strcmp(word, "tlv") == 0) /* type */
		proxy_fact(c, (uint8_t)a);
	else if (strcmp(word, "setsockopt") == 0)
		set_options(c);
	else if (strcmp(word, "getsockopt") == 0)
		get_options(c);
	else if (strcmp(word, "getenv") == 0)
		get_environment(c, text + used);
	else if (strcmp(word, "find") == 0)
		result(c, word, sl_find(sl_service(c), a) != NULL);
	else if (strcmp(word, "broadcast") == 0)
		broadcast(c, text + used);
	else if (strcmp(word, "closeall") == 0)
		close_everybody(c);
	else if (strcmp(word, "fail") == 0)
		s->fail = true;
	else if (strcmp(word, "abort") == 0)
		abort();
	else if (strcmp(word, "got") == 0)
		trace(c, "note got %" PRIu64, s->got);
	else if (word[0] != '\0')
		run_output(c, s, word, a, b);
}

/* Run the commands, with ";" between them. */
static void
run_list(struct sl_conn *c, struct state *s, const char *list)
{
	char text[COMMAND_MAX];
	size_t len;

	for (; *list != '\0'; list += len + (list[len] == ';')) {
		len = strcspn(list, ";");
		snprintf(text, sizeof(text), "%.*s", (int)len, list);
		run(c, s, text);
	}
}

/* Run the commands kept for this event: once, or every time after "!". */
static void
run_kept(struct sl_conn *c, struct state *s, enum event event)
{
	char text[COMMAND_MAX];

	memcpy(text, s->at[event], sizeof(text));
	if (text[0] == '!') {
		run_list(c, s, text + 1);
	} else if (text[0] != '\0') {
		s->at[event][0] = '\0';
		run_list(c, s, text);
	}
}

static struct state *
state_of(struct sl_conn *c)
{
	struct state *s = sl_data(c);

	if (s == NULL)
		bad(c, "callback without open, or after close");
	return s;
}

/* There is no state before `open`, and no `close` that would free it. */
static void
on_handshake(struct sl_conn *c, const struct sl_error *err)
{
	const struct sl_options *o = sl_options(sl_service(c));
	struct state none = { 0 };

	tracing = sl_option_bool(o, "trace");
	enter(c);
	if (err != NULL)
		trace(c, "handshake %" PRIu32 " %s %s", err->why,
		    err->sys_errno != 0 ? error_name(err->sys_errno) : "-",
		    err->text);
	else
		trace(c, "handshake ok");
	run_list(c, &none, sl_option_string(o, "at_handshake"));
	leave();
}

static int
on_open(struct sl_conn *c)
{
	const struct sl_options *o = sl_options(sl_service(c));
	struct state *s = calloc(1, sizeof(*s));
	bool refuse;

	tracing = sl_option_bool(o, "trace");
	if (s == NULL)
		return -1;
	if (sl_data(c) != NULL)
		bad(c, "open twice");
	snprintf(s->at[AT_OPEN], COMMAND_MAX, "%s",
	    sl_option_string(o, "at_open"));
	snprintf(s->at[AT_CLOSE], COMMAND_MAX, "%s",
	    sl_option_string(o, "at_close"));
	snprintf(s->at[AT_END], COMMAND_MAX, "close");
	enter(c);
	sl_set_data(c, s);
	refuse = strcmp(s->at[AT_OPEN], "fail") == 0;
	trace(c, "%s", refuse ? "refuse" : "open");
	if (refuse) {
		sl_set_data(c, NULL);
		free(s);
	} else {
		run_kept(c, s, AT_OPEN);
	}
	leave();
	return refuse ? -1 : 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *line = buf, *stop = line + len, *newline;
	struct state *s = state_of(c);
	char text[COMMAND_MAX];

	if (s == NULL)
		return -1;
	enter(c);
	trace(c, "data %zu", len);
	if (len == 0)
		bad(c, "no data in data");
	s->stop = false;
	while (!s->sink && !s->stop && line < stop &&
	    (newline = memchr(line, '\n', (size_t)(stop - line))) != NULL) {
		snprintf(text, sizeof(text), "%.*s", (int)(newline - line),
		    line);
		line = newline + 1;
		run(c, s, text);
	}
	if (s->sink) {
		s->got += (uint64_t)(stop - line);
		line = stop;
	}
	leave();
	return s->fail ? -1 : line - (const char *)buf;
}

static void
on_drain(struct sl_conn *c)
{
	struct state *s = state_of(c);

	if (s == NULL)
		return;
	enter(c);
	trace(c, "drain %zu", sl_queued(c));
	if (!s->short_write)
		bad(c, "drain without a short write");
	s->short_write = false;
	stream(c, s);
	run_kept(c, s, AT_DRAIN);
	leave();
}

#ifndef WITHOUT_END
static void
on_end(struct sl_conn *c)
{
	struct state *s = state_of(c);

	if (s == NULL)
		return;
	enter(c);
	trace(c, "end");
	run_kept(c, s, AT_END);
	leave();
}
#else
#define on_end NULL
#endif

#ifndef WITHOUT_TIMEOUT
static void
on_timeout(struct sl_conn *c)
{
	struct state *s = state_of(c);

	if (s == NULL)
		return;
	enter(c);
	trace(c, "timeout");
	run_kept(c, s, AT_TIMEOUT);
	leave();
}
#else
#define on_timeout NULL
#endif

static void
on_error(struct sl_conn *c, const struct sl_error *err)
{
	struct state *s = state_of(c);

	if (s == NULL)
		return;
	enter(c);
	trace(c, "error %" PRIu32 " %s %s", err->why,
	    err->sys_errno != 0 ? error_name(err->sys_errno) : "-", err->text);
	if (err->size != sizeof(*err) || err->text[0] == '\0')
		bad(c, "odd error");
	run_kept(c, s, AT_ERROR);
	leave();
}

static void
on_close(struct sl_conn *c, const struct sl_error *why)
{
	struct state *s = state_of(c);

	if (s == NULL)
		return;
	enter(c);
	trace(c,
	    "close %" PRIu32 " in %" PRIu64 " out %" PRIu64 " sink %" PRIu64
	    " from %s",
	    why->why, sl_bytes_read(c), sl_bytes_written(c), s->got,
	    sl_remote(c)->text);
	run_kept(c, s, AT_CLOSE);
	sl_set_data(c, NULL);
	free(s);
	leave();
}

static void
on_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	struct state *s;

	if (c == NULL) {
		sl_log(service, SL_LOG_INFO,
		    "trace 0 service-timer %" PRIu32 " " VERSION, id);
		return;
	}
	if ((s = state_of(c)) == NULL)
		return;
	enter(c);
	if (id == TICK_TIMER) {
		sl_write(c, "tick\n", 5);
		if (--s->ticks > 0)
			sl_timer(service, c, TICK_TIMER, s->tick_ms);
	} else {
		trace(c, "timer %" PRIu32 " %s", id, VERSION);
		run_kept(c, s, AT_TIMER);
	}
	leave();
}

SL_PLUGIN(.name = "command", .version = VERSION,
    .summary = "does what its client says", .flags = FLAGS, .options = options,
    .timer = on_timer,
    .server = SL_HANDLERS(.handshake = on_handshake, .open = on_open,
	.data = on_data, .drain = on_drain, .end = on_end,
	.timeout = on_timeout, .error = on_error, .close = on_close));
