/* verdict.c: problems, recognized by a hash when they come again. */

#include "master/verdict.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/log.h"

#define CONCLUSION_MAX 512 /* kept free for the last lines of the text */

void
verdict_clear(struct verdict *verdict)
{
	verdict->problems = verdict->remembered = 0;
	verdict->cut = false;
	verdict->length = 0;
	verdict->text[0] = '\0';
}

static bool
is_new(struct verdict *verdict, const char *file, uint32_t line,
    const char *text)
{
	uint64_t hash = HASH_BEGIN;

	hash = hash_add(hash, file, strlen(file) + 1);
	hash = hash_add(hash, &line, sizeof(line));
	hash = hash_add(hash, text, strlen(text));
	for (unsigned int i = 0; i < verdict->remembered; i++)
		if (verdict->seen[i] == hash)
			return false;
	if (verdict->remembered < VERDICT_REMEMBERED)
		verdict->seen[verdict->remembered++] = hash;
	return true;
}

static void
append(struct verdict *verdict, const char *line)
{
	size_t room = sizeof(verdict->text) - verdict->length;
	int n;

	n = snprintf(verdict->text + verdict->length, room, "%s%s",
	    verdict->length > 0 ? "\n" : "", line);
	verdict->length += (size_t)n < room ? (size_t)n : room - 1;
}

static void
put_line(char whole[PROBLEM_LINE_MAX], const char *file, uint32_t line,
    const char *kind, const char *text)
{
	if (*file == '\0')
		snprintf(whole, PROBLEM_LINE_MAX, "%s%s", kind, text);
	else if (line == 0)
		snprintf(whole, PROBLEM_LINE_MAX, "%s: %s%s", file, kind, text);
	else
		snprintf(whole, PROBLEM_LINE_MAX, "%s:%u: %s%s", file, line,
		    kind, text);
}

void
verdict_add(struct verdict *verdict, int level, const char *file, uint32_t line,
    const char *text)
{
	char whole[PROBLEM_LINE_MAX];

	if (file == NULL)
		file = "";
	if (!is_new(verdict, file, line, text))
		return;
	if (level <= LOG_LEVEL_ERROR)
		verdict->problems++;
	put_line(whole, file, line, "", text);
	log_at((enum log_level)level, "%s", whole);
	if (verdict->length + strlen(whole) <
	    VERDICT_TEXT_MAX - CONCLUSION_MAX) {
		append(verdict, whole);
	} else if (!verdict->cut) {
		verdict->cut = true;
		append(verdict, "... (the rest is in the log)");
	}
}

void
verdict_note(struct verdict *verdict, const char *line)
{
	append(verdict, line);
}

void
verdict_say(struct verdict *verdict, const char *fmt, ...)
{
	char text[2 * ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	verdict_add(verdict, LOG_LEVEL_ERROR, "", 0, text);
}

void
problem_line(char line[PROBLEM_LINE_MAX], int level, const char *file,
    uint32_t number, const char *text)
{
	const char *kind = "error: ";

	if (level == LOG_LEVEL_WARN)
		kind = "warning: ";
	else if (level > LOG_LEVEL_WARN)
		kind = "note: ";
	put_line(line, file != NULL ? file : "", number, kind, text);
}

const char *
count_text(unsigned int count, const char *noun, char text[64])
{
	snprintf(text, 64, "%u %s%s", count, noun, count == 1 ? "" : "s");
	return text;
}
