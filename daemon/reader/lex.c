/* lex.c: one token at a time. */

#include "reader/lex.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

static bool
starts(const struct lexer *lexer, const char *what)
{
	size_t len = strlen(what);

	return (size_t)(lexer->end - lexer->at) >= len &&
	    memcmp(lexer->at, what, len) == 0;
}

/* Go on by one byte, and count lines. */
static void
step(struct lexer *lexer)
{
	if (*lexer->at++ == '\n')
		lexer->line++;
}

/* False: there is no end. */
static bool
skip_comment(struct lexer *lexer)
{
	for (lexer->at += 2; lexer->at < lexer->end; step(lexer)) {
		if (starts(lexer, "*/")) {
			lexer->at += 2;
			return true;
		}
	}
	return false;
}

/* Skip spaces and comments.  False: a comment has no end, and we are in it. */
static bool
skip_space(struct lexer *lexer, struct token *comment)
{
	while (lexer->at < lexer->end) {
		if (isspace((unsigned char)*lexer->at)) {
			step(lexer);
		} else if (*lexer->at == '#' || starts(lexer, "//")) {
			while (lexer->at < lexer->end && *lexer->at != '\n')
				step(lexer);
		} else if (starts(lexer, "/*")) {
			comment->text = lexer->at;
			comment->line = lexer->line;
			if (!skip_comment(lexer))
				return false;
		} else {
			break;
		}
	}
	return true;
}

static enum token_type
take_string(struct lexer *lexer)
{
	for (step(lexer); lexer->at < lexer->end; step(lexer)) {
		if (*lexer->at == '"') {
			lexer->at++;
			return TOKEN_STRING;
		}
		/* An escaped quote does not end it. */
		if (*lexer->at == '\\' && lexer->at + 1 < lexer->end)
			lexer->at++;
	}
	return TOKEN_ENDLESS_STRING;
}

static void
take_word(struct lexer *lexer, const char *more)
{
	do
		lexer->at++;
	while (lexer->at < lexer->end &&
	    (isalnum((unsigned char)*lexer->at) ||
		(*lexer->at != '\0' && strchr(more, *lexer->at) != NULL)));
}

static enum token_type
take(struct lexer *lexer)
{
	unsigned char c = (unsigned char)*lexer->at;

	if (c == '"')
		return take_string(lexer);
	if (isdigit(c) || c == '+' || c == '-' || c == '.') {
		take_word(lexer, "+-.");
		return TOKEN_NUMBER;
	}
	if (isalpha(c) || c == '*') {
		take_word(lexer, "-_*");
		return TOKEN_NAME;
	}
	lexer->at++;
	if (c == '(' || c == '[' || c == '{')
		return TOKEN_OPEN;
	if (c == ')' || c == ']' || c == '}')
		return TOKEN_CLOSE;
	return TOKEN_SIGN;
}

struct token
lex_next(struct lexer *lexer)
{
	struct token token = { .type = TOKEN_ENDLESS_COMMENT };

	if (skip_space(lexer, &token)) {
		token.text = lexer->at;
		token.line = lexer->line;
		token.type = lexer->at < lexer->end ? take(lexer) : TOKEN_END;
	}
	token.len = (size_t)(lexer->at - token.text);
	token.last_line = lexer->line;
	return token;
}
