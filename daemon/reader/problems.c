/* problems.c: the list of problems. */

#include "reader/problems.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"

#define PROBLEMS_MAX 1000 /* nobody reads more, and a file may hold 100,000 */

static struct problem *
new_problem(struct problems *problems)
{
	struct problem *larger;

	larger =
	    reallocarray(problems->list, problems->count + 1, sizeof(*larger));
	if (larger == NULL)
		return NULL;
	problems->list = larger;
	return memset(&larger[problems->count], 0, sizeof(*larger));
}

static void add(struct problems *problems, int level, const struct origin *at,
    const char *fmt, va_list ap) __attribute__((format(printf, 4, 0)));

static void
add(struct problems *problems, int level, const struct origin *at,
    const char *fmt, va_list ap)
{
	struct problem *problem;
	struct error sentence;
	char text[ERROR_TEXT_MAX];

	if (level == LOG_LEVEL_ERROR)
		problems->errors++;
	if (problems->count >= PROBLEMS_MAX)
		return;
	vsnprintf(text, sizeof(text), fmt, ap);
	error_set(&sentence, "%s", text);
	problem = new_problem(problems);
	if (problem == NULL)
		return;
	problem->level = level;
	problem->file = strdup(at != NULL && at->file != NULL ? at->file : "");
	problem->line = at != NULL ? at->line : 0;
	problem->text = strdup(sentence.text);
	if (problem->file == NULL || problem->text == NULL) {
		free(problem->file);
		free(problem->text);
		return;
	}
	problems->count++;
	if (problems->on_problem != NULL)
		problems->on_problem(problems->arg, problem);
}

void
problem_error(struct problems *problems, const struct origin *at,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(problems, LOG_LEVEL_ERROR, at, fmt, ap);
	va_end(ap);
}

void
problem_warn(struct problems *problems, const struct origin *at,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(problems, LOG_LEVEL_WARN, at, fmt, ap);
	va_end(ap);
}

void
problem_note(struct problems *problems, const struct origin *at,
    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add(problems, LOG_LEVEL_INFO, at, fmt, ap);
	va_end(ap);
}

void
problems_done(struct problems *problems)
{
	for (uint32_t i = 0; i < problems->count; i++) {
		free(problems->list[i].file);
		free(problems->list[i].text);
	}
	free(problems->list);
	memset(problems, 0, sizeof(*problems));
}
