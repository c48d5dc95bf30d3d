/*
 * log_line.c: lines of the log.  What is logged may come from a peer: what is
 * no printable UTF-8 is escaped, and json is always json.
 */

#include "log_line.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

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

static unsigned int
days_of(unsigned int year)
{
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return leap ? 366 : 365;
}

struct date {
	unsigned int year, month, day;
};

/* By hand, since gmtime_r(3) takes a lock, and who dies may have it. */
static struct date
date_of(unsigned int day)
{
	unsigned int months[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	struct date date = { 1970, 1, 1 };

	for (; day >= days_of(date.year); date.year++)
		day -= days_of(date.year);
	months[1] = days_of(date.year) - 337;
	for (; day >= months[date.month - 1]; date.month++)
		day -= months[date.month - 1];
	date.day += day;
	return date;
}

/* "2026-11-20T05:00:00.123Z" */
static void
time_text(char text[32])
{
	struct timespec now;
	struct date date;
	unsigned int second;

	clock_gettime(CLOCK_REALTIME, &now);
	date = date_of((unsigned int)(now.tv_sec / 86400));
	second = (unsigned int)(now.tv_sec % 86400);
	snprintf(text, 32, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    date.year % 10000, date.month % 100, date.day % 100, second / 3600,
	    second / 60 % 60, second % 60,
	    (unsigned int)(now.tv_nsec / 1000000) % 1000);
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

/* Bytes in front of text that are one well-formed UTF-8 character; 0: none. */
static size_t
utf8_length(const unsigned char *text)
{
	uint32_t value;
	size_t i, length;

	if (text[0] < 0x80)
		return 1;
	if (text[0] >= 0xc2 && text[0] <= 0xdf)
		length = 2;
	else if ((text[0] & 0xf0) == 0xe0)
		length = 3;
	else if (text[0] >= 0xf0 && text[0] <= 0xf4)
		length = 4;
	else
		return 0;
	value = text[0] & (0x7fu >> length);
	for (i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (text[i] & 0x3fu);
	}
	if ((length == 3 && value < 0x800) || (length == 4 && value < 0x10000) ||
	    value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	return length;
}

/* Control characters of ASCII, and those that UTF-8 adds: U+009B begins an escape sequence, too. */
static bool
is_control(const unsigned char *text)
{
	return *text < 0x20 || *text == 0x7f ||
	    (text[0] == 0xc2 && text[1] >= 0x80 && text[1] <= 0x9f);
}

/*
 * One character of the text as it may stand in a line.  Returns how many
 * bytes of the text that was.
 */
static size_t
escape_one(const unsigned char *text, char escaped[8])
{
	size_t length = utf8_length(text);

	if (length != 0 && !is_control(text)) {
		memcpy(escaped, text, length);
		escaped[length] = '\0';
		return length;
	}
	if (*text == '\n')
		snprintf(escaped, 8, "\\n");
	else if (*text == '\t')
		snprintf(escaped, 8, "\\t");
	else
		snprintf(escaped, 8, "\\x%02x", *text);
	return 1;
}

/*
 * Control characters would let a peer or a plugin forge lines, or play with a
 * terminal, and the journal hides a line that is not UTF-8.
 */
static void
line_escape(struct log_line *line, const char *text)
{
	const unsigned char *p = (const unsigned char *)text;
	char escaped[8];

	while (*p != '\0') {
		p += escape_one(p, escaped);
		line_put(line, escaped, strlen(escaped));
	}
}

/* "<6>" for the journal, which has the time itself; else the time and the level. */
static void
line_begin(struct log_line *line, const struct log_style *style,
    enum log_level level)
{
	char when[32];

	line->length = 0;
	if (style->journal) {
		line_printf(line, "<%d>%s: ", (int)level, style->role);
		return;
	}
	time_text(when);
	line_printf(line, "%s %-5s %s: ", when, level_name(level), style->role);
}

/* A value with a space or a quote is quoted, so that a program can take the line apart. */
static void
line_field(struct log_line *line, const struct log_field *field)
{
	const unsigned char *p;
	char escaped[8];

	line_printf(line, " %s=", field->name);
	if (field->string == NULL) {
		line_printf(line, "%llu", (unsigned long long)field->number);
		return;
	}
	if (field->string[0] != '\0' && strpbrk(field->string, " \"=") == NULL) {
		line_escape(line, field->string);
		return;
	}
	line_put(line, "\"", 1);
	p = (const unsigned char *)field->string;
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
	unsigned int i;

	line_begin(line, style, level);
	line_escape(line, message);
	for (i = 0; i < count; i++)
		line_field(line, &fields[i]);
}

/* What is not UTF-8 becomes U+FFFD: json knows nothing else. */
static json_t *
json_text(const char *text, size_t max)
{
	char clean[3 * LOG_MESSAGE_MAX];
	size_t out = 0, length;

	if (max > sizeof(clean))
		max = sizeof(clean);
	while (*text != '\0') {
		length = utf8_length((const unsigned char *)text);
		if (out + (length == 0 ? 3 : length) > max)
			break;
		if (length == 0) {
			memcpy(clean + out, "\xef\xbf\xbd", 3);
			out += 3;
			text++;
			continue;
		}
		memcpy(clean + out, text, length);
		out += length;
		text += length;
	}
	return json_stringn(clean, out);
}

static size_t
dump_json(struct log_line *line, const struct log_style *style,
    enum log_level level, const char *message, const struct log_field *fields,
    unsigned int count, size_t max)
{
	json_t *object = json_object();
	char when[32];
	size_t length;
	unsigned int i;

	time_text(when);
	json_object_set_new(object, "time", json_string(when));
	json_object_set_new(object, "level", json_string(level_name(level)));
	json_object_set_new(object, "role", json_string(style->role));
	json_object_set_new(object, "message", json_text(message, max));
	for (i = 0; i < count; i++)
		json_object_set_new(object, fields[i].name,
		    fields[i].string != NULL
			? json_text(fields[i].string, max)
			: json_integer((json_int_t)fields[i].number));
	line->length = 0;
	if (style->journal)
		line_printf(line, "<%d>", (int)level);
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

	/* Escapes make a text up to six times as long: shorten until it fits. */
	do {
		length =
		    dump_json(line, style, level, message, fields, count, max);
		if (length != 0 && length < sizeof(line->text)) {
			line->length = length;
			return;
		}
		max /= 2;
	} while (max > 16);
	/* Out of memory, most likely: rather a line of text than none. */
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
	char when[32];

	if (style->format == LOG_FORMAT_TEXT) {
		line_begin(line, style, level);
		line_put(line, message, strlen(message));
		return;
	}
	time_text(when);
	line->length = 0;
	if (style->journal)
		line_printf(line, "<%d>", (int)level);
	line_printf(line,
	    "{\"time\":\"%s\",\"level\":\"%s\",\"role\":\"%s\",\"message\":\"%s\"}",
	    when, level_name(level), style->role, message);
}

void
log_line_copy(struct log_line *line, const char *text)
{
	line->length = 0;
	line_put(line, text, strlen(text));
}

const char *
log_plain(const char *text, char plain[LOG_MESSAGE_MAX])
{
	const unsigned char *p = (const unsigned char *)text;
	char escaped[8];
	size_t used = 0, length;

	while (*p != '\0') {
		p += escape_one(p, escaped);
		length = strlen(escaped);
		if (used + length >= LOG_MESSAGE_MAX)
			break;
		memcpy(plain + used, escaped, length);
		used += length;
	}
	plain[used] = '\0';
	return plain;
}
