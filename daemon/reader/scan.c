/*
 * scan.c: looks at each token for what libconfig gets wrong, and at brackets
 * and ends.
 */

#include "reader/scan.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "config/settings.h"
#include "reader/lex.h"
#include "reader/problems.h"
#include "reader/syntax.h"

#define DEPTH_MAX SYNTAX_DEPTH_MAX
/*
 * libconfig compares each name of a group with all others: 100,000 take a
 * minute.
 */
#define GROUP_MAX SYNTAX_GROUP_MAX

struct bracket {
	char open;
	uint32_t line;
	uint32_t settings;
};

struct scanner {
	struct lexer lexer;
	struct token token; /* the one that is looked at */
	const char *file, *text;
	size_t len;
	struct problems *problems;
	struct scan *result;
	struct bracket brackets[DEPTH_MAX + 1]; /* [0]: the file itself */
	unsigned int depth;
	bool after_string; /* "a" "b" are one string */
};

static struct scan_string *
last_string(const struct scanner *s)
{
	return &s->result->strings[s->result->string_count - 1];
}

static struct origin
here(const struct scanner *s)
{
	return (struct origin){ .file = s->file, .line = s->token.line };
}

static int
no_memory(struct scanner *s)
{
	struct origin at = here(s);

	problem_error(s->problems, &at, "out of memory");
	return -1;
}

/*
 * Is it only a consequence of something further up?  A missing quotation mark,
 * for example, makes text of what is not, and the other way round.
 */
static bool
explained(const struct scanner *s)
{
	return syntax_explain(s->file, s->text, s->len, s->problems);
}

static int
endless_comment(struct scanner *s)
{
	struct origin at = here(s);

	/* libconfig would ignore the rest of the file. */
	if (!explained(s))
		problem_error(s->problems, &at,
		    "this comment has no end: \"*/\" is missing");
	return -1;
}

static int
endless_string(struct scanner *s)
{
	struct origin at = here(s);

	/* The mark that ends the text before it may be the first of this. */
	if (s->after_string)
		at.line = last_string(s)->line;
	if (!explained(s))
		problem_error(s->problems, &at,
		    "this string has no end: a quotation mark is missing");
	return -1;
}

static void
look_for_nul(struct scanner *s)
{
	const char *p = s->token.text, *end = p + s->token.len;
	struct origin at = here(s);

	for (; p < end; p++) {
		if (end - p > 4 && strncasecmp(p, "\\x00", 4) == 0)
			problem_error(s->problems, &at,
			    "a string cannot contain \\x00");
		if (*p == '\\')
			p++;
		if (p < end && *p == '\n')
			at.line++;
	}
}

static int
scan_string(struct scanner *s)
{
	void *strings = s->result->strings;
	struct scan_string *added;

	look_for_nul(s);
	if (s->after_string) {
		last_string(s)->joined = true;
		return 0;
	}
	added = array_grow(&strings, s->result->string_count, sizeof(*added));
	s->result->strings = strings;
	if (added == NULL)
		return no_memory(s);
	s->result->string_count++;
	added->line = s->token.line;
	return 0;
}

static int
open_bracket(struct scanner *s)
{
	struct origin at = here(s);

	if (s->depth == DEPTH_MAX) {
		problem_error(s->problems, &at,
		    "brackets are nested more than %d deep", DEPTH_MAX);
		return -1;
	}
	s->brackets[++s->depth] =
	    (struct bracket){ .open = *s->token.text, .line = s->token.line };
	return 0;
}

static int
close_bracket(struct scanner *s)
{
	const struct bracket *top = &s->brackets[s->depth];
	char close = *s->token.text;
	struct origin at = here(s);

	if (s->depth > 0 && top->open == syntax_opening(close)) {
		s->depth--;
		return 0;
	}
	if (explained(s))
		return -1;
	if (s->depth == 0)
		problem_error(s->problems, &at,
		    "\"%c\" closes nothing: there is no open bracket", close);
	else
		problem_error(s->problems, &at,
		    "\"%c\" does not close the \"%c\" of line %u", close,
		    top->open, top->line);
	return -1;
}

static int
count_setting(struct scanner *s)
{
	struct origin at = here(s);

	if (++s->brackets[s->depth].settings <= GROUP_MAX)
		return 0;
	problem_error(s->problems, &at, "more than %d settings in one group",
	    GROUP_MAX);
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
	struct origin at = here(s);
	void *lines = s->result->number_lines;
	uint32_t *line;
	char word[64];
	int bits;

	if (s->token.len >= sizeof(word)) {
		problem_error(s->problems, &at,
		    "this number is too long: it has %zu characters",
		    s->token.len);
		return -1;
	}
	memcpy(word, s->token.text, s->token.len);
	word[s->token.len] = '\0';
	if (integer_fits(word, &bits))
		return 0;
	if (bits == 32 && integer_in_64(word))
		problem_error(s->problems, &at,
		    "%s does not fit in 32 bits; write an L after it for 64 "
		    "bits",
		    word);
	else
		problem_error(s->problems, &at, "%s does not fit in 64 bits",
		    word);
	line = array_grow(&lines, s->result->number_count, sizeof(*line));
	s->result->number_lines = lines;
	if (line == NULL)
		return no_memory(s);
	s->result->number_count++;
	*line = s->token.line;
	return 0;
}

static int
scan_sign(struct scanner *s)
{
	static const char include[] = "@include";
	struct origin at = here(s);
	size_t len = sizeof(include) - 1;

	switch (*s->token.text) {
	case '=':
	case ':':
		return count_setting(s);
	case '@':
		if ((size_t)(s->lexer.end - s->token.text) < len ||
		    memcmp(s->token.text, include, len) != 0)
			return 0;
		problem_error(s->problems, &at,
		    "@include is not supported; write include = "
		    "\"conf.d/*.conf\";");
		return -1;
	default:
		return 0; /* libconfig finds the others */
	}
}

static int
scan_end(struct scanner *s)
{
	const struct bracket *top = &s->brackets[s->depth];
	struct origin at = { .file = s->file, .line = top->line };

	if (s->depth == 0)
		return 0;
	if (!explained(s))
		problem_error(s->problems, &at, "this \"%c\" is never closed",
		    top->open);
	return -1;
}

static int
scan_token(struct scanner *s)
{
	switch (s->token.type) {
	case TOKEN_END:
		return scan_end(s);
	case TOKEN_ENDLESS_STRING:
		return endless_string(s);
	case TOKEN_ENDLESS_COMMENT:
		return endless_comment(s);
	case TOKEN_STRING:
		return scan_string(s);
	case TOKEN_NUMBER:
		return scan_number(s);
	case TOKEN_OPEN:
		return open_bracket(s);
	case TOKEN_CLOSE:
		return close_bracket(s);
	case TOKEN_SIGN:
		return scan_sign(s);
	case TOKEN_NAME:
		break;
	}
	return 0;
}

static int
scan_all(struct scanner *s)
{
	do {
		s->token = lex_next(&s->lexer);
		if (scan_token(s) == -1)
			return -1;
		s->after_string = s->token.type == TOKEN_STRING;
	} while (s->token.type != TOKEN_END);
	return 0;
}

static int
not_text(const char *file, const char *text, const char *nul,
    struct problems *problems)
{
	struct origin at = { .file = file, .line = 1 };

	while ((text = memchr(text, '\n', (size_t)(nul - text))) != NULL) {
		text++;
		at.line++;
	}
	problem_error(problems, &at,
	    "there is a NUL byte here, so this is not a text file");
	return -1;
}

int
scan_text(const char *file, const char *text, size_t len,
    struct problems *problems, struct scan *ret)
{
	struct scanner s = {
		.lexer = { .at = text, .end = text + len, .line = 1 },
		.file = file,
		.text = text,
		.len = len,
		.problems = problems,
		.result = ret,
	};
	const char *nul = memchr(text, '\0', len);

	memset(ret, 0, sizeof(*ret));
	if (nul != NULL)
		return not_text(file, text, nul, problems);
	return scan_all(&s);
}

void
scan_done(struct scan *scan)
{
	free(scan->strings);
	free(scan->number_lines);
	memset(scan, 0, sizeof(*scan));
}
