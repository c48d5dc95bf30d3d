/* table.c: text may come from a plugin, so control characters are escaped. */

#include "ctl/table.h"
#include "ipc/control_client.h"

#include <stdlib.h>
#include <string.h>
#include <wchar.h>

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

size_t
text_width(const char *words)
{
	size_t width = 0, length;
	mbstate_t state;
	wchar_t wide;
	int columns;

	memset(&state, 0, sizeof(state));
	for (; *words != '\0'; words += length) {
		length = mbrtowc(&wide, words, MB_CUR_MAX, &state);
		if (length == 0 || length > MB_CUR_MAX) {
			/* Not in this locale: take it for UTF-8. */
			memset(&state, 0, sizeof(state));
			length = 1;
			columns = ((unsigned char)*words & 0xc0) != 0x80;
		} else {
			columns = wcwidth(wide);
		}
		width += columns > 0 ? (size_t)columns : 0;
	}
	return width;
}

/* The last column takes what it needs. */
static void
print_row(char cells[COLUMNS_MAX][CELL_MAX], const size_t *width,
    unsigned int columns)
{
	size_t pad;

	for (unsigned int i = 0; i < columns; i++) {
		pad = width[i] - text_width(cells[i]) + 2;
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
			if (text_width(cells[column]) > width[column])
				width[column] = text_width(cells[column]);
	}
	for (column = 0; column < columns; column++)
		snprintf(cells[column], CELL_MAX, "%s", heads[column]);
	print_row(cells, width, columns);
	for (i = 0; i < json_array_size(rows); i++) {
		fill_plain(json_array_get(rows, i), fill, cells, columns);
		print_row(cells, width, columns);
	}
}
