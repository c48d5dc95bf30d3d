/*
 * scan.c: knows only enough of the syntax to tell comments, strings, brackets,
 * names and numbers from each other.
 */

#include "reader/scan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"
#include "reader/problems.h"

#define DEPTH_MAX 32 /* brackets in brackets; our own keys need five */
/*
 * libconfig compares each name of a group with all others: 100,000 take a
 * minute.
 */
#define GROUP_MAX 1024

struct bracket {
	char open;
	uint32_t line;
	uint32_t settings;
};

struct scanner {
	const char *at, *end;
	struct origin origin; /* where `at` is */
	struct problems *problems;
	struct scan *result;
	struct bracket brackets[DEPTH_MAX + 1]; /* [0]: the file itself */
	unsigned int depth;
	bool after_string; /* "a" "b" are one string */
};

static bool
starts(const struct scanner *s, const char *what)
{
	size_t len = strlen(what);

	return (size_t)(s->end - s->at) >= len && memcmp(s->at, what, len) == 0;
}

/* Go on by one byte, and count lines. */
static void
step(struct scanner *s)
{
	if (*s->at++ == '\n')
		s->origin.line++;
}

static int
add_line(uint32_t **lines, uint32_t *count, uint32_t line)
{
	uint32_t *larger;

	if ((*count & (*count - 1)) == 0) {
		larger = reallocarray(*lines,
		    *count == 0 ? 1 : (size_t)*count * 2, sizeof(*larger));
		if (larger == NULL)
			return -1;
		*lines = larger;
	}
	(*lines)[(*count)++] = line;
	return 0;
}

static int
no_memory(struct scanner *s)
{
	problem_error(s->problems, &s->origin, "out of memory");
	return -1;
}

static void
skip_line(struct scanner *s)
{
	while (s->at < s->end && *s->at != '\n')
		step(s);
}

static int
skip_comment(struct scanner *s)
{
	struct origin begin = s->origin;

	for (s->at += 2; s->at < s->end; step(s)) {
		if (starts(s, "*/")) {
			s->at += 2;
			return 0;
		}
	}
	/* libconfig would ignore the rest of the file. */
	problem_error(s->problems, &begin,
	    "this comment has no end: \"*/\" is missing");
	return -1;
}

static int
scan_string(struct scanner *s)
{
	struct origin begin = s->origin;

	if (!s->after_string &&
	    add_line(&s->result->string_lines, &s->result->string_count,
		s->origin.line) == -1)
		return no_memory(s);
	for (s->at++; s->at < s->end && *s->at != '"'; step(s)) {
		if (starts(s, "\\x00") || starts(s, "\\X00"))
			problem_error(s->problems, &s->origin,
			    "a string cannot contain \\x00");
		if (*s->at == '\\' && s->at + 1 < s->end)
			s->at++; /* an escaped quote does not end it */
	}
	if (s->at >= s->end) {
		problem_error(s->problems, &begin,
		    "this string has no end: a quotation mark is missing");
		return -1;
	}
	s->at++;
	s->after_string = true;
	return 0;
}

static int
open_bracket(struct scanner *s)
{
	if (s->depth == DEPTH_MAX) {
		problem_error(s->problems, &s->origin,
		    "brackets are nested more than %d deep", DEPTH_MAX);
		return -1;
	}
	s->brackets[++s->depth] =
	    (struct bracket){ .open = *s->at++, .line = s->origin.line };
	return 0;
}

static int
close_bracket(struct scanner *s, char open)
{
	const struct bracket *top = &s->brackets[s->depth];

	if (s->depth == 0) {
		problem_error(s->problems, &s->origin,
		    "\"%c\" closes nothing: there is no open bracket", *s->at);
		return -1;
	}
	if (top->open != open) {
		problem_error(s->problems, &s->origin,
		    "\"%c\" does not close the \"%c\" of line %u", *s->at,
		    top->open, top->line);
		return -1;
	}
	s->depth--;
	s->at++;
	return 0;
}

static int
count_setting(struct scanner *s)
{
	s->at++;
	if (++s->brackets[s->depth].settings <= GROUP_MAX)
		return 0;
	problem_error(s->problems, &s->origin,
	    "more than %d settings in one group", GROUP_MAX);
	return -1;
}

/* libconfig reads "12" as 32 bits, "12L" as 64, and drops what does not fit. */
static bool
integer_fits(const char *word, int *ret_bits)
{
	bool hex = word[0] == '0' && tolower((unsigned char)word[1]) == 'x';
	long long value;
	char *rest;

	errno = 0;
	value = strtoll(word, &rest, hex ? 16 : 10);
	*ret_bits = *rest == 'L' ? 64 : 32;
	rest += strspn(rest, "L");
	if (rest == word || *rest != '\0')
		return true; /* a float, or not a number: libconfig decides */
	if (errno == ERANGE)
		return false;
	return *ret_bits == 64 || (value >= INT_MIN && value <= INT_MAX);
}

static bool
integer_in_64(const char *word)
{
	errno = 0;
	(void)strtoll(word, NULL, 0);
	return errno == 0;
}

static int
scan_number(struct scanner *s)
{
	const char *begin = s->at;
	char word[64];
	size_t len;
	int bits;

	while (s->at < s->end &&
	    (isalnum((unsigned char)*s->at) || strchr("+-.", *s->at) != NULL))
		s->at++;
	len = (size_t)(s->at - begin);
	if (len >= sizeof(word)) {
		problem_error(s->problems, &s->origin,
		    "this number is too long: it has %zu characters", len);
		return -1;
	}
	memcpy(word, begin, len);
	word[len] = '\0';
	if (integer_fits(word, &bits))
		return 0;
	if (bits == 32 && integer_in_64(word))
		problem_error(s->problems, &s->origin,
		    "%s does not fit in 32 bits; write an L after it for 64 "
		    "bits",
		    word);
	else
		problem_error(s->problems, &s->origin,
		    "%s does not fit in 64 bits", word);
	if (add_line(&s->result->number_lines, &s->result->number_count,
		s->origin.line) == -1)
		return no_memory(s);
	return 0;
}

static void
skip_name(struct scanner *s)
{
	while (s->at < s->end &&
	    (isalnum((unsigned char)*s->at) || strchr("-_*", *s->at) != NULL))
		s->at++;
}

static int
scan_token(struct scanner *s)
{
	if (*s->at == '"')
		return scan_string(s);
	s->after_string = false;
	switch (*s->at) {
	case '(':
	case '[':
	case '{':
		return open_bracket(s);
	case ')':
		return close_bracket(s, '(');
	case ']':
		return close_bracket(s, '[');
	case '}':
		return close_bracket(s, '{');
	case '=':
	case ':':
		return count_setting(s);
	case '@':
		if (!starts(s, "@include"))
			break;
		problem_error(s->problems, &s->origin,
		    "@include is not supported; write include = "
		    "\"conf.d/*.conf\";");
		return -1;
	default:
		if (isdigit((unsigned char)*s->at) ||
		    strchr("+-.", *s->at) != NULL)
			return scan_number(s);
		if (isalpha((unsigned char)*s->at) || *s->at == '*') {
			skip_name(s);
			return 0;
		}
		break;
	}
	step(s); /* libconfig reports the others */
	return 0;
}

static int
scan_all(struct scanner *s)
{
	while (s->at < s->end) {
		if (isspace((unsigned char)*s->at)) {
			step(s);
		} else if (*s->at == '#' || starts(s, "//")) {
			skip_line(s);
		} else if (starts(s, "/*")) {
			if (skip_comment(s) == -1)
				return -1;
		} else if (scan_token(s) == -1) {
			return -1;
		}
	}
	if (s->depth > 0) {
		s->origin.line = s->brackets[s->depth].line;
		problem_error(s->problems, &s->origin,
		    "this \"%c\" is never closed", s->brackets[s->depth].open);
		return -1;
	}
	return 0;
}

int
scan_text(const char *file, const char *text, size_t len,
    struct problems *problems, struct scan *ret)
{
	struct scanner s = { .at = text,
		.end = text + len,
		.origin = { .file = file, .line = 1 },
		.problems = problems,
		.result = ret };
	const char *nul = memchr(text, '\0', len);

	memset(ret, 0, sizeof(*ret));
	if (nul != NULL) {
		s.end = nul;
		while (s.at < s.end)
			step(&s);
		problem_error(problems, &s.origin,
		    "there is a NUL byte here, so this is not a text file");
		return -1;
	}
	return scan_all(&s);
}

void
scan_done(struct scan *scan)
{
	free(scan->string_lines);
	free(scan->number_lines);
	memset(scan, 0, sizeof(*scan));
}
