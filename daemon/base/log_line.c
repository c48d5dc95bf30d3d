/*
 * log_line.c: lines of the log.  Text may come from a peer: what is not
 * printable UTF-8 is escaped, and json is always valid.
 */

#include "base/log_line.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/json_text.h"
#include "base/time_text.h"

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error";
	case LOG_LEVEL_WARN:
		return "warn";
	case LOG_LEVEL_INFO:
		return "info";
	case LOG_LEVEL_DEBUG:
		break;
	}
	return "debug";
}

static const char *
now_text(char text[TIME_TEXT_MAX])
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return time_text((uint64_t)now.tv_sec * 1000 +
		(uint64_t)now.tv_nsec / 1000000,
	    text);
}

static void
line_put(struct log_line *line, const char *bytes, size_t length)
{
	/* One byte for the newline. */
	if (length > sizeof(line->text) - 1 - line->length)
		length = sizeof(line->text) - 1 - line->length;
	memcpy(line->text + line->length, bytes, length);
	line->length += length;
}

static void __attribute__((format(printf, 2, 3)))
line_printf(struct log_line *line, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	line_put(line, text, strlen(text));
}

/*
 * With control characters a peer or a plugin could forge lines or change a
 * terminal.  And the journal hides a line that is not UTF-8.
 */
static void
line_escape(struct log_line *line, const char *text)
{
	char escaped[ESCAPE_MAX];

	while (*text != '\0') {
		text += escape_one(text, escaped);
		line_put(line, escaped, strlen(escaped));
	}
}

/* "<6>" for whoever sorts lines by it, such as the journal. */
static void
line_mark(struct log_line *line, const struct log_style *style,
    enum log_level level)
{
	line->length = 0;
	if (style->journal || style->piped)
		line_printf(line, "<%d>", (int)level);
}

/* The journal has the time and the level itself. */
static void
line_begin(struct log_line *line, const struct log_style *style,
    enum log_level level)
{
	char when[TIME_TEXT_MAX];

	line_mark(line, style, level);
	if (style->journal) {
		line_printf(line, "%s: ", style->role);
		return;
	}
	line_printf(line, "%s %-5s %s: ", now_text(when), level_name(level),
	    style->role);
}

/*
 * A value with a space or a quote is quoted, so that a program can take the
 * line apart.
 */
static void
line_field(struct log_line *line, const struct log_field *field)
{
	char escaped[ESCAPE_MAX];
	const char *p;

	line_printf(line, " %s=", field->name);
	if (field->string == NULL) {
		line_printf(line, "%llu", (unsigned long long)field->number);
		return;
	}
	if (field->string[0] != '\0' &&
	    strpbrk(field->string, " \"=") == NULL) {
		line_escape(line, field->string);
		return;
	}
	line_put(line, "\"", 1);
	p = field->string;
	while (*p != '\0') {
		if (*p == '"' || *p == '\\')
			line_put(line, "\\", 1);
		p += escape_one(p, escaped);
		line_put(line, escaped, strlen(escaped));
	}
	line_put(line, "\"", 1);
}

static void
build_text(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count)
{
	line_begin(line, style, level);
	line_escape(line, message);
	for (unsigned int i = 0; i < count; i++)
		if (!fields[i].in_prefix)
			line_field(line, &fields[i]);
}

/* The counters of a plugin have any name: none may hide a member of ours. */
static void
add_member(json_t *object, const struct log_field *field, size_t max)
{
	char name[128];

	snprintf(name, sizeof(name), "%s%s", field->name,
	    json_object_get(object, field->name) != NULL ? "_" : "");
	json_object_set_new(object, name,
	    field->string != NULL ? json_text_cut(field->string, max)
				  : json_integer((json_int_t)field->number));
}

static size_t
dump_json(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count, size_t max)
{
	json_t *object = json_object();
	char when[TIME_TEXT_MAX];
	size_t length;

	json_object_set_new(object, "time", json_string(now_text(when)));
	json_object_set_new(object, "level", json_string(level_name(level)));
	json_object_set_new(object, "role", json_string(style->role));
	json_object_set_new(object, "message", json_text_cut(message, max));
	for (unsigned int i = 0; i < count; i++)
		add_member(object, &fields[i], max);
	line_mark(line, style, level);
	length = json_dumpb(object, line->text + line->length,
	    sizeof(line->text) - 1 - line->length, JSON_COMPACT);
	if (length != 0)
		length += line->length;
	json_decref(object);
	return length;
}

static void
build_json(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count)
{
	size_t length, max = LOG_MESSAGE_MAX;

	/*
	 * Escapes make a text up to six times as long: shorten until it fits.
	 */
	do {
		length =
		    dump_json(line, style, level, message, fields, count, max);
		if (length != 0 && length < sizeof(line->text)) {
			line->length = length;
			return;
		}
		max /= 2;
	} while (max > 16);
	/* Probably out of memory: a line of text is better than none. */
	build_text(line, style, level, message, fields, count);
}

void
log_line_build(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count)
{
	if (style->format == LOG_FORMAT_JSON)
		build_json(line, style, level, message, fields, count);
	else
		build_text(line, style, level, message, fields, count);
}

void
log_line_build_simple(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message)
{
	char when[TIME_TEXT_MAX];

	if (style->format == LOG_FORMAT_TEXT) {
		line_begin(line, style, level);
		line_put(line, message, strlen(message));
		return;
	}
	line_mark(line, style, level);
	line_printf(line,
	    "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"message\":\"%s\"}",
	    now_text(when), level_name(level), style->role, message);
}

void
log_line_lost(struct log_line *line, const struct log_style *style,
    uint64_t lost, int error)
{
	const char *why = "nobody read the log, or not as fast as it grew";
	char text[256];

	if (error != EAGAIN)
		why = error_text(error);
	if (lost == 1)
		snprintf(text, sizeof(text), "1 line was lost: %s", why);
	else
		snprintf(text, sizeof(text), "%llu lines were lost: %s",
		    (unsigned long long)lost, why);
	log_line_build(line, style, LOG_LEVEL_WARN, text, NULL, 0);
}

void
log_line_copy(struct log_line *line, const char *text)
{
	line->length = 0;
	line_put(line, text, strlen(text));
}
