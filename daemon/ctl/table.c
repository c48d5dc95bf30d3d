/* table.c: text may come from a plugin, so control characters are escaped. */

#include "ctl/table.h"
#include "ipc/control_client.h"

#include <string.h>

#include "base/escape.h"

void
put_text(FILE *out, const char *words, const char *indent)
{
	char escaped[ESCAPE_MAX];

	while (*words != '\0') {
		if (*words == '\n' && indent != NULL) {
			words++;
			fprintf(out, "\n%s", *words != '\0' ? indent : "");
			continue;
		}
		words += escape_one(words, escaped);
		fputs(escaped, out);
	}
}

void
put_line(FILE *out, const char *words)
{
	put_text(out, words, NULL);
	putc('\n', out);
}

void
put_member(const json_t *object, const char *name)
{
	put_text(stdout, answer_text(object, name), NULL);
}

/* How many columns of a terminal it takes, more or less. */
static size_t
width_of(const char *words)
{
	size_t width = 0;

	for (; *words != '\0'; words++)
		if (((unsigned char)*words & 0xc0) != 0x80)
			width++;
	return width;
}

/* The last column takes what it needs. */
static void
print_row(char cells[COLUMNS_MAX][CELL_MAX], const size_t *width,
    unsigned int columns)
{
	size_t pad;

	for (unsigned int i = 0; i < columns; i++) {
		pad = width[i] - width_of(cells[i]) + 2;
		printf("%s%*s", cells[i], i + 1 < columns ? (int)pad : 0, "");
	}
	putchar('\n');
}

static void
fill_plain(const json_t *row, fill_row *fill, char cells[COLUMNS_MAX][CELL_MAX],
    unsigned int columns)
{
	char said[COLUMNS_MAX][CELL_MAX];

	fill(row, said);
	for (unsigned int i = 0; i < columns; i++)
		escape_text(said[i], cells[i], CELL_MAX);
}

void
put_table(const json_t *rows, const char *const *heads, fill_row *fill)
{
	char cells[COLUMNS_MAX][CELL_MAX];
	size_t i, width[COLUMNS_MAX] = { 0 };
	unsigned int column, columns;

	for (columns = 0; heads[columns] != NULL; columns++)
		width[columns] = strlen(heads[columns]);
	for (i = 0; i < json_array_size(rows); i++) {
		fill_plain(json_array_get(rows, i), fill, cells, columns);
		for (column = 0; column < columns; column++)
			if (width_of(cells[column]) > width[column])
				width[column] = width_of(cells[column]);
	}
	for (column = 0; column < columns; column++)
		snprintf(cells[column], CELL_MAX, "%s", heads[column]);
	print_row(cells, width, columns);
	for (i = 0; i < json_array_size(rows); i++) {
		fill_plain(json_array_get(rows, i), fill, cells, columns);
		print_row(cells, width, columns);
	}
}
