/*
 * redis-relay.c: passes messages of Redis channels on to TCP clients, a line for
 * each.  Shows a connector: the daemon keeps the connection to Redis up, and
 * this only says what to do on it.
 *
 *	connectors = ( { name = "redis"; connect = "127.0.0.1:6379";
 *	    plugin = "redis-relay"; per_worker = true;
 *	    options : { to = "news"; channels = [ "news" ]; };
 *	    timeouts : { idle = "1m"; }; } );
 *	listeners = ( { name = "news"; listen = "*:7012";
 *	    plugin = "redis-relay"; } );
 *
 * Each worker has clients of its own, so with more than one worker each has to
 * hear what Redis says: per_worker.
 */

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#define PING_TIMER 1u  /* of the connection */
#define AGAIN_TIMER 2u /* of the service */
#define PING_MS 20000  /* so that `timeouts.idle` finds a dead Redis */
#define DEPTH_MAX 4    /* of arrays in arrays; messages have one */
#define WORDS_MAX 8    /* of an array that is looked at */
#define COMMAND_MAX 65536

static const struct sl_option options[] = {
	{ "to", SL_OPTION_STRING, "", "the listener whose clients are told" },
	{ "channels", SL_OPTION_STRINGS, NULL, "the channels of Redis" },
	{ "password", SL_OPTION_STRING, "", "of Redis; empty: none" },
	{ 0 },
};

/* A part of the input; NULL: not there. */
struct word {
	const char *text;
	size_t len;
};

/* -- What Redis says (RESP2) -- */

enum parsed {
	PARSED_MORE = 0,   /* more input is needed */
	PARSED_WRONG = -1, /* this is not RESP */
	PARSED_GOOD = 1,
};

/* The line at *at, without its end; *at moves behind it. */
static enum parsed
take_line(const char **at, const char *end, struct word *ret)
{
	const char *stop = memchr(*at, '\r', (size_t)(end - *at));

	if (stop == NULL || stop + 1 == end)
		return PARSED_MORE;
	if (stop[1] != '\n')
		return PARSED_WRONG;
	*ret = (struct word){ *at, (size_t)(stop - *at) };
	*at = stop + 2;
	return PARSED_GOOD;
}

/* A length, or a count; -1: there is no value. */
static bool
to_number(const struct word *word, long *ret)
{
	char digits[16], *end;

	if (word->len == 0 || word->len >= sizeof(digits))
		return false;
	memcpy(digits, word->text, word->len);
	digits[word->len] = '\0';
	*ret = strtol(digits, &end, 10);
	return *end == '\0' && *ret >= -1;
}

/* The bytes of a bulk string, whose length was just read. */
static enum parsed
take_bulk(const char **at, const char *end, long len, struct word *ret)
{
	*ret = (struct word){ *at, len < 0 ? 0 : (size_t)len };
	if (len < 0)
		return PARSED_GOOD;
	if (end - *at < len + 2)
		return PARSED_MORE;
	if (memcmp(*at + len, "\r\n", 2) != 0)
		return PARSED_WRONG;
	*at += len + 2;
	return PARSED_GOOD;
}

/* What a value is made of: its first words, whatever they are nested in. */
struct value {
	struct word words[WORDS_MAX];
	unsigned int count;
	char type; /* '+', '-', ':', '$' or '*' */
};

static void
keep(struct value *value, struct word word)
{
	if (value->count < WORDS_MAX)
		value->words[value->count++] = word;
}

/* Arrays are walked without recursion: what is left of each that is open. */
static enum parsed
take_value(const char **at, const char *end, struct value *ret)
{
	long left[DEPTH_MAX + 1] = { 1 }, number;
	unsigned int depth = 0;
	enum parsed parsed;
	struct word line;
	char type;

	memset(ret, 0, sizeof(*ret));
	for (;;) {
		while (left[depth] == 0 && depth > 0)
			depth--;
		if (left[depth] == 0)
			return PARSED_GOOD;
		if (*at == end)
			return PARSED_MORE;
		type = *(*at)++;
		ret->type = ret->type != '\0' ? ret->type : type;
		parsed = take_line(at, end, &line);
		if (parsed != PARSED_GOOD)
			return parsed;
		left[depth]--;
		if (type == '+' || type == '-' || type == ':') {
			keep(ret, line);
			continue;
		}
		if ((type != '$' && type != '*') || !to_number(&line, &number))
			return PARSED_WRONG;
		if (type == '*' && depth == DEPTH_MAX)
			return PARSED_WRONG;
		if (type == '*') {
			left[++depth] = number > 0 ? number : 0;
			continue;
		}
		parsed = take_bulk(at, end, number, &line);
		if (parsed != PARSED_GOOD)
			return parsed;
		keep(ret, line);
	}
}

static bool
is(const struct word *word, const char *text)
{
	return word->len == strlen(text) &&
	    memcmp(word->text, text, word->len) == 0;
}

/* -- The connection to Redis -- */

/* Append a command of these words to *command. */
static void
add_word(char command[COMMAND_MAX], size_t *len, const char *word)
{
	int n = snprintf(command + *len, COMMAND_MAX - *len, "$%zu\r\n%s\r\n",
	    strlen(word), word);

	*len += (size_t)n;
}

/* relay_check() has seen to it that all of it fits. */
static int
subscribe(struct sl_conn *c)
{
	static char command[COMMAND_MAX];
	const struct sl_options *o = sl_options(sl_service(c));
	const char *password = sl_option_string(o, "password");
	size_t count = sl_option_count(o, "channels"), len = 0;

	if (password[0] != '\0') {
		len += (size_t)sprintf(command, "*2\r\n$4\r\nAUTH\r\n");
		add_word(command, &len, password);
	}
	len += (size_t)sprintf(command + len, "*%zu\r\n", count + 1);
	add_word(command, &len, "SUBSCRIBE");
	for (size_t i = 0; i < count; i++)
		add_word(command, &len, sl_option_at(o, "channels", i));
	return sl_send(c, command, len);
}

static int
redis_open(struct sl_conn *c)
{
	const char *to = sl_option_string(sl_options(sl_service(c)), "to");

	sl_timer(sl_service(c), c, PING_TIMER, PING_MS);
	if (to[0] != '\0' && sl_find_service(sl_service(c), to) == NULL)
		sl_conn_log(c, SL_LOG_WARN,
		    "to: this worker has no listener \"%s\" with this plugin: "
		    "messages are lost",
		    to);
	return subscribe(c);
}

static int
say(struct sl_conn *c, const char *command)
{
	return sl_send(c, command, strlen(command));
}

/* Other channels, on the connection that is there. */
static void
subscribe_again(struct sl_service *service)
{
	struct sl_conn *c;

	for (c = sl_first(service); c != NULL; c = sl_next(c))
		if (sl_is_client(c) &&
		    (say(c, "*1\r\n$11\r\nUNSUBSCRIBE\r\n") == -1 ||
			subscribe(c) == -1))
			sl_terminate(c); /* the daemon makes another */
}

static void
relay_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	if (id == AGAIN_TIMER) {
		subscribe_again(service);
	} else if (c != NULL && say(c, "*1\r\n$4\r\nPING\r\n") == 0) {
		sl_timer(service, c, PING_TIMER, PING_MS);
	}
}

/*
 * The options may be others now.  The connections come to this service when the
 * reload is through, and so does its timer.
 */
static int
relay_reload(struct sl_service *next, struct sl_service *prev)
{
	(void)prev;
	return sl_option_count(sl_options(next), "channels") > 0
	    ? sl_timer(next, NULL, AGAIN_TIMER, 1)
	    : 0;
}

/* A message is one line for each client: no text of Redis may end it early. */
static void
pass_on(struct sl_conn *c, const struct word *text)
{
	struct sl_service *service = sl_service(c);
	const char *to = sl_option_string(sl_options(service), "to");
	struct sl_service *listener = sl_find_service(service, to);
	char *line = malloc(text->len + 1);
	int told;

	if (listener == NULL || line == NULL) {
		free(line);
		sl_count(service, "lost", 1);
		return;
	}
	for (size_t i = 0; i < text->len; i++)
		line[i] = text->text[i] != '\n' ? text->text[i] : ' ';
	line[text->len] = '\n';
	told = sl_broadcast(listener, line, text->len + 1, NULL);
	free(line);
	sl_count(service, "messages", 1);
	sl_count(service, "told", told > 0 ? (uint64_t)told : 0);
}

/* Returns false if Redis has refused something. */
static bool
take_reply(struct sl_conn *c, const struct value *value)
{
	const struct word *words = value->words;

	if (value->type == '-') {
		sl_conn_log(c, SL_LOG_ERROR, "Redis says: %.*s",
		    (int)words[0].len, words[0].text);
		return false;
	}
	if (value->type == '*' && value->count == 3 && is(&words[0], "message"))
		pass_on(c, &words[2]);
	return true;
}

/* Returning less keeps the rest until more has come; see limits.read_buffer. */
static ssize_t
redis_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *at = buf, *end = at + len, *done = at;
	enum parsed parsed;
	struct value value;

	while ((parsed = take_value(&at, end, &value)) == PARSED_GOOD) {
		if (!take_reply(c, &value))
			return -1; /* the daemon connects again, later */
		done = at;
	}
	if (parsed == PARSED_WRONG) {
		sl_conn_log(c, SL_LOG_ERROR, "this is not what Redis says");
		return -1;
	}
	return done - (const char *)buf;
}

/* -- Clients, who only listen -- */

static ssize_t
client_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	return (ssize_t)len;
}

static int
relay_check(const struct sl_options *o, struct sl_error *err)
{
	size_t room = 256, count = sl_option_count(o, "channels");

	for (size_t i = 0; i < count; i++)
		room += strlen(sl_option_at(o, "channels", i)) + 32;
	room += strlen(sl_option_string(o, "password")) + 32;
	if (room > COMMAND_MAX)
		return sl_refuse(err, "channels", "too many");
	if ((count > 0) != (sl_option_string(o, "to")[0] != '\0'))
		return sl_refuse(err, count > 0 ? "channels" : "to",
		    "\"to\" and \"channels\" go together, in a connector");
	return 0;
}

SL_PLUGIN(.name = "redis-relay", .version = "1.0",
    .summary = "messages of Redis, a line for each",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE, .options = options,
    .check = relay_check, .reload = relay_reload, .timer = relay_timer,
    .server = SL_HANDLERS(.data = client_data),
    .client = SL_HANDLERS(.open = redis_open, .data = redis_data));
