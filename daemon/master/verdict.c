/* verdict.c: problems, known again by a hash. */

#include "master/verdict.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "log.h"

void
verdict_clear(struct verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
}

/* FNV-1a: two different problems that look the same are one in 2^64. */
static uint64_t
hash_add(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *p = bytes;

	while (length-- > 0)
		hash = (hash ^ *p++) * 0x100000001b3u;
	return hash;
}

static bool
is_new(struct verdict *verdict, const char *file, uint32_t line, const char *text)
{
	uint64_t hash = 0xcbf29ce484222325u;
	unsigned int i;

	hash = hash_add(hash, file, strlen(file) + 1);
	hash = hash_add(hash, &line, sizeof(line));
	hash = hash_add(hash, text, strlen(text));
	for (i = 0; i < verdict->remembered; i++)
		if (verdict->seen[i] == hash)
			return false;
	if (verdict->remembered < VERDICT_REMEMBERED)
		verdict->seen[verdict->remembered++] = hash;
	return true;
}

void
verdict_add(struct verdict *verdict, int level, const char *file, uint32_t line,
    const char *text)
{
	if (file == NULL)
		file = "";
	if (!is_new(verdict, file, line, text))
		return;
	if (level <= LOG_LEVEL_ERROR)
		verdict->problems++;
	if (*file == '\0')
		log_at((enum log_level)level, "%s", text);
	else if (line == 0)
		log_at((enum log_level)level, "%s: %s", file, text);
	else
		log_at((enum log_level)level, "%s:%u: %s", file, line, text);
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

const char *
count_text(unsigned int count, const char *noun, char text[64])
{
	snprintf(text, 64, "%u %s%s", count, noun, count == 1 ? "" : "s");
	return text;
}
