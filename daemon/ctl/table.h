/* table.h: members of an answer, and how they are shown on a terminal. */

#ifndef SLUICE_CTL_TABLE_H
#define SLUICE_CTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* What is not there, or is something else: "" and 0. */
const char *answer_string(const json_t *value);
const char *answer_text(const json_t *object, const char *name);
long long answer_number(const json_t *object, const char *name);

/* With an indent a newline is one. */
void put_text(FILE *out, const char *words, const char *indent);
void put_line(FILE *out, const char *words);
/* To standard output. */
void put_member(const json_t *object, const char *name);

#define COLUMNS_MAX 8
#define CELL_MAX 512

/* What one row of a table says. */
typedef void fill_row(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX]);
/* To standard output; heads end with NULL.  The last column is not padded. */
void put_table(const json_t *rows, const char *const *heads, fill_row *fill);

#endif
