/* table.h: how what stands in an answer is shown on a terminal. */

#ifndef SLUICE_CTL_TABLE_H
#define SLUICE_CTL_TABLE_H

#include <jansson.h>
#include <stdio.h>

/* With an indent, newlines are kept and each line is indented. */
void put_text(FILE *out, const char *words, const char *indent);
void put_line(FILE *out, const char *words);
/* To standard output. */
void put_member(const json_t *object, const char *name);

/* How many columns of a terminal it takes, in the locale of this process. */
size_t text_width(const char *words);

#define COLUMNS_MAX 13
#define CELL_MAX 512

/* Fills in the cells of one row. */
typedef void fill_row(const json_t *row, char cells[COLUMNS_MAX][CELL_MAX]);
/* To standard output; heads end with NULL.  The last column is not padded. */
void put_table(const json_t *rows, const char *const *heads, fill_row *fill);

#endif
