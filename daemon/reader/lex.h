/*
 * lex.h: the text of a configuration file as tokens: as much of libconfig's
 * syntax as it takes to tell comments, strings, brackets, names and numbers
 * from each other.
 */

#ifndef SLUICE_LEX_H
#define SLUICE_LEX_H

#include <stddef.h>
#include <stdint.h>

enum token_type {
	TOKEN_END, /* of the text */
	TOKEN_NAME,
	TOKEN_NUMBER, /* what begins like one, such as "5s" or ".x" */
	TOKEN_STRING, /* with its quotation marks; one that follows is joined */
	TOKEN_OPEN,   /* ( [ { */
	TOKEN_CLOSE,
	TOKEN_SIGN, /* one character: = : ; , or one that has no meaning */
	TOKEN_ENDLESS_STRING,
	TOKEN_ENDLESS_COMMENT,
};

struct token {
	enum token_type type;
	const char *text; /* in the text that was given to the lexer */
	size_t len;
	uint32_t line, last_line; /* where it begins, and where it ends */
};

struct lexer {
	const char *at, *end; /* what is left of the text */
	uint32_t line;	      /* of `at` */
};

/* The next token.  After an end, or something endless, it is an end again. */
struct token lex_next(struct lexer *lexer);

#endif
