/* syntax.c: follows the grammar of libconfig up to the first mistake. */

#include "reader/syntax.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/error.h"
#include "config/settings.h"
#include "reader/lex.h"
#include "reader/problems.h"

#define WORD_MAX 60 /* of what is quoted in a message */

enum expected {
	EXPECT_KEY,
	EXPECT_EQUALS,
	EXPECT_VALUE,
	EXPECT_FIRST, /* value of a list, or its end */
	EXPECT_MORE,  /* what may follow a value */
};

struct level {
	char open;     /* 0: the file itself */
	uint32_t line; /* of its bracket */
	enum expected expected;
	struct token key; /* the last one, in a group */
	uint32_t names;	  /* how many of its keys are in the list of names */
};

struct parser {
	struct lexer lexer;
	struct token token, last; /* the one that is looked at, and before it */
	const char *file;
	struct problems *problems;
	struct level levels[SYNTAX_DEPTH_MAX + 1];
	unsigned int depth;
	struct token *names; /* owned: the keys of all open groups */
	uint32_t name_count;
	/* Where the last string began that goes over several lines. */
	uint32_t long_line, long_end;
	bool explained;
};

/* What becomes of the text: go on, or end here. */
enum result { GO_ON, STOP };

char
syntax_opening(char close)
{
	return close == ')' ? '(' : close == ']' ? '[' : '{';
}

static char
closing_of(char open)
{
	return open == '(' ? ')' : open == '[' ? ']' : '}';
}

static bool
is_sign(const struct token *token, const char *signs)
{
	return token->type == TOKEN_SIGN && strchr(signs, *token->text) != NULL;
}

static bool
is_word(const struct token *token, const char *word)
{
	return token->len == strlen(word) &&
	    strncasecmp(token->text, word, token->len) == 0;
}

static enum result mistake(struct parser *p, uint32_t line, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));

/*
 * A string over several lines shortly before is the likely reason: its
 * quotation mark is missing, and the next one has ended it.
 */
static enum result
mistake(struct parser *p, uint32_t line, const char *fmt, ...)
{
	struct origin at = { .file = p->file, .line = line };
	struct error text;
	va_list ap;

	if (p->long_end == p->token.line) {
		at.line = p->long_line;
		problem_error(p->problems, &at,
		    "syntax error: this string has no end on its line, and "
		    "goes on to line %u: a quotation mark is missing",
		    p->long_end);
	} else {
		va_start(ap, fmt);
		vsnprintf(text.text, sizeof(text.text), fmt, ap);
		va_end(ap);
		problem_error(p->problems, &at, "syntax error: %s", text.text);
	}
	p->explained = true;
	return STOP;
}

static int
length(const struct token *token)
{
	return token->len > WORD_MAX ? WORD_MAX : (int)token->len;
}

/* A token as a quoted part of a message. */
static const char *
quoted(const struct token *token, struct error *text)
{
	if (token->type == TOKEN_END)
		error_set(text, "the end of the file");
	else if (token->type == TOKEN_STRING)
		error_set(text, "%.*s", length(token), token->text);
	else
		error_set(text, "\"%.*s\"", length(token), token->text);
	return text->text;
}

/*
 * What was probably meant as one value: from this token up to a space or a
 * sign that ends it.
 */
static struct token
whole_word(const struct parser *p, const struct token *token)
{
	struct token word = *token;
	const char *end = token->text;

	while (end < p->lexer.end && !isspace((unsigned char)*end) &&
	    strchr(";,(){}[]\"#", *end) == NULL)
		end++;
	if (end > token->text + word.len || token->type == TOKEN_SIGN)
		word.len = (size_t)(end - token->text);
	return word;
}

static struct token
peek(const struct parser *p)
{
	struct lexer lexer = p->lexer;

	return lex_next(&lexer);
}

/* -- values -- */

/* An integer ends with up to two L, if at all. */
static bool
ends_integer(const char *text)
{
	return strcmp(text, "") == 0 || strcmp(text, "L") == 0 ||
	    strcmp(text, "LL") == 0;
}

static bool
is_number(const struct token *token)
{
	char word[64], *digits = word, *rest;
	size_t len;

	if (token->type != TOKEN_NUMBER || token->len >= sizeof(word))
		return false;
	memcpy(word, token->text, token->len);
	word[token->len] = '\0';
	if (strncasecmp(word, "0x", 2) == 0) {
		len = strspn(word + 2, "0123456789abcdefABCDEF");
		return len > 0 && ends_integer(word + 2 + len);
	}
	digits += *word == '+' || *word == '-';
	len = strspn(digits, "0123456789");
	if (len > 0 && ends_integer(digits + len))
		return true;
	/* A fraction: strtod() takes a few more, such as infinity. */
	(void)strtod(word, &rest);
	return rest > word && *rest == '\0' &&
	    strspn(digits, "0123456789.eE+-") == strlen(digits);
}

static bool
is_value(const struct token *token)
{
	return token->type == TOKEN_STRING || is_number(token) ||
	    (token->type == TOKEN_NAME &&
		(is_word(token, "true") || is_word(token, "false")));
}

/* "KEY = " in a group, nothing in a list. */
static const char *
key_equals(const struct level *level, struct error *text)
{
	text->text[0] = '\0';
	if (level->open == '{' || level->open == '\0')
		error_set(text, "%.*s = ", length(&level->key),
		    level->key.text);
	return text->text;
}

/* Take a mark that a word processor has made of a quotation mark off. */
static void
strip_marks(struct token *word)
{
	static const char *const marks[] = { "\xe2\x80\x9c", "\xe2\x80\x9d",
		"\xe2\x80\x9e", "\xe2\x80\x98", "\xe2\x80\x99", "\xe2\x80\x9a",
		"\xc2\xab", "\xc2\xbb" };
	size_t len;

	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		len = strlen(marks[i]);
		if (word->len > len && memcmp(word->text, marks[i], len) == 0) {
			word->text += len;
			word->len -= len;
		}
		if (word->len > len &&
		    memcmp(word->text + word->len - len, marks[i], len) == 0)
			word->len -= len;
	}
}

/* Text without quotation marks. */
static enum result
bare_word(struct parser *p)
{
	const struct level *level = &p->levels[p->depth];
	struct token word = whole_word(p, &p->token), plain = word;
	struct error key;
	const char *boolean = is_word(&word, "yes") || is_word(&word, "on")
	    ? "true"
	    : is_word(&word, "no") || is_word(&word, "off") ? "false"
							    : NULL;

	key_equals(level, &key);
	if (boolean != NULL)
		return mistake(p, word.line,
		    "\"%.*s\" is not a value; write %s%s", length(&word),
		    word.text, key.text, boolean);
	strip_marks(&plain);
	if (plain.len < word.len)
		return mistake(p, word.line,
		    "quotation marks are plain ones here; write %s\"%.*s\"",
		    key.text, length(&plain), plain.text);
	if (is_word(&word, "-"))
		return mistake(p, word.line,
		    "\"-\" is not a value; a list is written in brackets, "
		    "%s( ..., ... )",
		    key.text);
	if (is_word(&word, ">"))
		return mistake(p, word.line,
		    "\">\" is not a value; write %s... without it", key.text);
	/* 'x' */
	if (word.len > 2 && *word.text == '\'' &&
	    word.text[word.len - 1] == '\'') {
		word.text++;
		word.len -= 2;
	}
	return mistake(p, word.line,
	    "%s needs quotation marks; write %s\"%.*s\"",
	    p->token.type == TOKEN_NUMBER ? "a number with more behind it"
					  : "text",
	    key.text, length(&word), word.text);
}

static enum result
no_value(struct parser *p)
{
	const struct level *level = &p->levels[p->depth];
	const struct token *key = &level->key;
	struct error what;

	if (level->open == '(' || level->open == '[') {
		if (is_sign(&p->token, ","))
			return mistake(p, p->token.line,
			    "no value stands before this comma; remove it");
		if (p->token.type == TOKEN_CLOSE)
			return mistake(p, p->last.line,
			    "no value stands behind the last comma; remove it");
		if (is_sign(&p->token, "=:"))
			return mistake(p, p->token.line,
			    "%s cannot stand in a list; remove it",
			    quoted(&p->token, &what));
		if (p->token.type == TOKEN_NAME)
			return mistake(p, p->token.line,
			    "the key %s cannot stand in the list of line %u; "
			    "is a \"{\" or a \"%c\" missing before it?",
			    quoted(&p->token, &what), level->line,
			    closing_of(level->open));
		return STOP; /* the list is not closed, as the scan says */
	}
	if (is_sign(&p->token, "=:"))
		return mistake(p, p->token.line,
		    "%s stands twice; remove one of them",
		    quoted(&p->token, &what));
	return mistake(p, key->line,
	    "the value is missing; write %.*s = VALUE;", length(key),
	    key->text);
}

static enum result
value(struct parser *p)
{
	struct level *level = &p->levels[p->depth];
	struct token next;

	if (p->token.type == TOKEN_OPEN) {
		if (level->open == '[')
			return mistake(p, p->token.line,
			    "[ ] is only for single values; write ( ) around "
			    "groups and lists");
		if (p->depth == SYNTAX_DEPTH_MAX)
			return STOP;
		level->expected = EXPECT_MORE;
		level = &p->levels[++p->depth];
		memset(level, 0, sizeof(*level));
		level->open = *p->token.text;
		level->line = p->token.line;
		level->expected =
		    level->open == '{' ? EXPECT_KEY : EXPECT_FIRST;
		return GO_ON;
	}
	if (is_value(&p->token)) {
		level->expected = EXPECT_MORE;
		return GO_ON;
	}
	if (p->token.type == TOKEN_CLOSE || p->token.type == TOKEN_END ||
	    is_sign(&p->token, "=:;,"))
		return no_value(p);
	/* The key of the next line. */
	next = peek(p);
	if (p->token.type == TOKEN_NAME && is_sign(&next, "="))
		return no_value(p);
	return bare_word(p);
}

/* -- keys -- */

/* A value as it should have been written. */
static const char *
corrected(const struct parser *p, const struct token *token, struct error *text)
{
	struct token word = whole_word(p, token);

	if (token->type == TOKEN_OPEN || token->type == TOKEN_END ||
	    word.len > WORD_MAX)
		error_set(text, "...");
	else if (is_value(&word))
		error_set(text, "%.*s", (int)word.len, word.text);
	else
		error_set(text, "\"%.*s\"", (int)word.len, word.text);
	return text->text;
}

/* "log = { level = VALUE; }" of "log.level". */
static void
as_groups(const char *path, const char *value, char *text, size_t room)
{
	size_t len = strcspn(path, "."), used;

	used = (size_t)snprintf(text, room, "%.*s = ", (int)len, path);
	if (path[len] == '\0') {
		snprintf(text + used, room - used, "%s", value);
		return;
	}
	used += (size_t)snprintf(text + used, room - used, "{ ");
	as_groups(path + len + 1, value, text + used, room - used);
	used += strlen(text + used);
	snprintf(text + used, room - used, "; }");
}

/* The lexer takes ".level" for a number. */
static enum result
key_with_dots(struct parser *p, const struct token *key)
{
	char path[WORD_MAX + 1], written[ERROR_TEXT_MAX];
	struct error text;

	snprintf(path, sizeof(path), "%.*s",
	    (int)(p->token.text + p->token.len - key->text), key->text);
	p->token = lex_next(&p->lexer);
	error_set(&text, "...");
	if (is_sign(&p->token, "=:")) {
		p->token = lex_next(&p->lexer);
		corrected(p, &p->token, &text);
	}
	as_groups(path, text.text, written, sizeof(written));
	return mistake(p, key->line,
	    "a key is written in its group, not with a dot; write %s;",
	    written);
}

static enum result
equals(struct parser *p)
{
	struct level *level = &p->levels[p->depth];
	const struct token *key = &level->key;
	struct token next;
	struct error text;

	if (is_sign(&p->token, "=:")) {
		level->expected = EXPECT_VALUE;
		return GO_ON;
	}
	if (p->token.type == TOKEN_NUMBER && *p->token.text == '.' &&
	    p->token.text == key->text + key->len)
		return key_with_dots(p, key);
	if (is_value(&p->token))
		return mistake(p, key->line,
		    "\"=\" is missing after \"%.*s\"; write %.*s = %s;",
		    length(key), key->text, length(key), key->text,
		    corrected(p, &p->token, &text));
	if (p->token.type == TOKEN_OPEN)
		return mistake(p, key->line,
		    "\"=\" is missing after \"%.*s\"; write %.*s = %c ...",
		    length(key), key->text, length(key), key->text,
		    *p->token.text);
	next = peek(p);
	if (p->token.type == TOKEN_NAME && p->token.line == key->line &&
	    next.line == key->line && (is_sign(&next, "=:") || is_value(&next)))
		return mistake(p, key->line,
		    "\"%.*s\" and %s are two words; write one key, \"=\" and "
		    "its value, as in workers = 2;",
		    length(key), key->text, quoted(&p->token, &text));
	return mistake(p, key->line,
	    "\"=\" and a value are missing after \"%.*s\"; write %.*s = "
	    "VALUE;",
	    length(key), key->text, length(key), key->text);
}

/* Note a key of this group.  STOP: it has been there before. */
static enum result
note_name(struct parser *p)
{
	struct level *level = &p->levels[p->depth];
	const struct token *key = &p->token;
	struct token *larger;

	for (uint32_t i = p->name_count - level->names; i < p->name_count; i++)
		if (p->names[i].len == key->len &&
		    memcmp(p->names[i].text, key->text, key->len) == 0)
			return mistake(p, key->line,
			    "duplicate key \"%.*s\": it is already on line %u; "
			    "remove one of them",
			    length(key), key->text, p->names[i].line);
	if (level->names == SYNTAX_GROUP_MAX)
		return STOP;
	larger = reallocarray(p->names, p->name_count + 1, sizeof(*larger));
	if (larger == NULL)
		return STOP;
	p->names = larger;
	p->names[p->name_count++] = *key;
	level->names++;
	return GO_ON;
}

static enum result
close_level(struct parser *p)
{
	struct level *level = &p->levels[p->depth];

	/* The scan describes brackets that do not belong together. */
	if (p->depth == 0 || level->open != syntax_opening(*p->token.text))
		return STOP;
	p->name_count -= level->names;
	p->depth--;
	return GO_ON;
}

static enum result
key(struct parser *p)
{
	struct level *level = &p->levels[p->depth];
	struct error what;

	if (p->token.type == TOKEN_NAME) {
		level->key = p->token;
		level->expected = EXPECT_EQUALS;
		return note_name(p);
	}
	if (p->token.type == TOKEN_CLOSE)
		return close_level(p);
	if (p->token.type == TOKEN_END)
		return STOP;
	if (p->token.type == TOKEN_STRING)
		return mistake(p, p->token.line,
		    "a key has no quotation marks; write %.*s = VALUE;",
		    (int)(p->token.len > WORD_MAX ? WORD_MAX
						  : p->token.len - 2),
		    p->token.text + 1);
	if (is_sign(&p->token, ";,"))
		return mistake(p, p->token.line,
		    "nothing stands before this %s; remove it",
		    quoted(&p->token, &what));
	if (p->token.type == TOKEN_NUMBER && is_sign(&p->last, ",") &&
	    p->last.text + 1 == p->token.text)
		return mistake(p, p->token.line,
		    "a number is written without commas, and %s follows one",
		    quoted(&p->token, &what));
	if (p->token.type == TOKEN_OPEN && level->open == '{')
		return mistake(p, p->token.line,
		    "%s cannot stand here, where a key is expected; is a "
		    "\"}\" missing before it?",
		    quoted(&p->token, &what));
	return mistake(p, p->token.line,
	    "a key is expected here, as in workers = 2; and this is %s",
	    quoted(&p->token, &what));
}

/* -- after a value -- */

static enum result
after_in_group(struct parser *p)
{
	struct level *level = &p->levels[p->depth];
	struct token next = peek(p);
	struct error what, key_text;

	if (is_sign(&p->token, ";,")) {
		level->expected = EXPECT_KEY;
		return GO_ON;
	}
	/* The sign may be left out. */
	if (p->token.type == TOKEN_END || p->token.type == TOKEN_CLOSE ||
	    (p->token.type == TOKEN_NAME &&
		(is_sign(&next, "=:") || p->token.line != p->last.last_line)))
		return key(p);
	if (p->last.type == TOKEN_CLOSE)
		return mistake(p, p->token.line,
		    "%s cannot follow this \"%c\"; if it is one more value, "
		    "write a list in ( )",
		    quoted(&p->token, &what), *p->last.text);
	return mistake(p, p->last.last_line,
	    "%s cannot follow the value of \"%.*s\"; write the whole value in "
	    "quotation marks, %s\"...\", or \";\" after it",
	    quoted(&p->token, &what), length(&level->key), level->key.text,
	    key_equals(level, &key_text));
}

/* What follows in a group, if the list in it has been closed. */
enum follows { FOLLOWS_OTHER, FOLLOWS_KEY, FOLLOWS_END };

static enum follows
what_follows(const struct parser *p)
{
	struct lexer lexer = p->lexer;
	struct token first = lex_next(&lexer), second = lex_next(&lexer);

	if (first.type == TOKEN_END ||
	    (first.type == TOKEN_CLOSE && *first.text == '}'))
		return FOLLOWS_END;
	return first.type == TOKEN_NAME && is_sign(&second, "=:")
	    ? FOLLOWS_KEY
	    : FOLLOWS_OTHER;
}

static enum result
after_in_list(struct parser *p)
{
	struct error before, after;
	enum follows follows;

	if (is_sign(&p->token, ",")) {
		p->levels[p->depth].expected = EXPECT_VALUE;
		return GO_ON;
	}
	if (p->token.type == TOKEN_CLOSE)
		return close_level(p);
	if (p->token.type == TOKEN_END)
		return STOP;
	follows = what_follows(p);
	if (is_sign(&p->token, ";") && follows != FOLLOWS_OTHER)
		return mistake(p, p->token.line,
		    "a \"%c\" is missing before this \";\": the list of line %u "
		    "is not closed, and %s follows",
		    closing_of(p->levels[p->depth].open),
		    p->levels[p->depth].line,
		    follows == FOLLOWS_KEY ? "a key" : "no value");
	if (is_sign(&p->token, ";"))
		return mistake(p, p->token.line,
		    "in a list a comma stands between values, not \";\"");
	return mistake(p, p->last.last_line,
	    "a comma is missing after this %s, before %s of line %u",
	    quoted(&p->last, &before), quoted(&p->token, &after),
	    p->token.line);
}

static enum result
more(struct parser *p)
{
	char open = p->levels[p->depth].open;

	/* Strings are joined. */
	if (p->token.type == TOKEN_STRING && p->last.type == TOKEN_STRING)
		return GO_ON;
	return open == '(' || open == '[' ? after_in_list(p)
					  : after_in_group(p);
}

/* What looks like nothing at all, such as a space of a word processor. */
static bool
is_invisible(const struct token *token, const char *end)
{
	static const char *const signs[] = { "\xc2\xa0", "\xe2\x80\x8b",
		"\xe2\x80\xaf", "\xe2\x81\xa0", "\xef\xbb\xbf" };
	size_t len;

	for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
		len = strlen(signs[i]);
		if ((size_t)(end - token->text) >= len &&
		    memcmp(token->text, signs[i], len) == 0)
			return true;
	}
	return false;
}

static enum result
look_at(struct parser *p)
{
	if (p->token.type == TOKEN_SIGN &&
	    is_invisible(&p->token, p->lexer.end))
		return mistake(p, p->token.line,
		    "a character that cannot be seen is on this line, such as "
		    "a no-break space; write it anew");
	switch (p->levels[p->depth].expected) {
	case EXPECT_KEY:
		return key(p);
	case EXPECT_EQUALS:
		return equals(p);
	case EXPECT_VALUE:
		return value(p);
	case EXPECT_FIRST:
		return p->token.type == TOKEN_CLOSE ? close_level(p) : value(p);
	case EXPECT_MORE:
		break;
	}
	return more(p);
}

static void
note_long_string(struct parser *p, uint32_t *begin)
{
	if (p->last.type != TOKEN_STRING)
		*begin = p->token.line;
	if (p->token.last_line == *begin)
		return;
	p->long_line = *begin;
	p->long_end = p->token.last_line;
}

bool
syntax_explain(const char *file, const char *text, size_t len,
    struct problems *problems)
{
	struct parser p = {
		.lexer = { .at = text, .end = text + len, .line = 1 },
		.file = file,
		.problems = problems,
	};
	uint32_t begin = 0;

	do {
		p.last = p.token;
		p.token = lex_next(&p.lexer);
		if (p.token.type == TOKEN_ENDLESS_STRING ||
		    p.token.type == TOKEN_ENDLESS_COMMENT ||
		    look_at(&p) == STOP)
			break;
		if (p.token.type == TOKEN_STRING)
			note_long_string(&p, &begin);
	} while (p.token.type != TOKEN_END);
	free(p.names);
	return p.explained;
}
