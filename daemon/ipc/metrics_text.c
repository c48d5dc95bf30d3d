/* metrics_text.c: families, labels and samples as the formats want them. */

#include <stdbool.h>
#include <string.h>

#include "base/escape.h"
#include "ipc/control_client.h"
#include "ipc/metrics_internal.h"

void
metrics_begin(const struct metrics_writer *to, const char *name,
    enum metrics_type type, const char *help)
{
	static const char *const words[] = { "gauge", "counter", "histogram",
		"info" };
	bool open = to->format == METRICS_OPEN;
	const char *suffix = "";

	if (!open && type == METRICS_COUNTER)
		suffix = "_total";
	else if (!open && type == METRICS_INFO)
		suffix = "_info";
	fprintf(to->out, "# TYPE %s%s %s\n", name, suffix,
	    !open && type == METRICS_INFO ? "gauge" : words[type]);
	fprintf(to->out, "# HELP %s%s %s\n", name, suffix, help);
}

/*
 * A character of a value: the formats know escapes of three characters, and what
 * a terminal would obey is written as the log does.  Returns how many bytes of
 * the value it is.
 */
static size_t
put_character(char *to, const char *value)
{
	char plain[ESCAPE_MAX];
	size_t taken = escape_one(value, plain);

	*to = '\0';
	if (*value == '"' || *value == '\\' ||
	    (plain[0] == '\\' && *value != '\n'))
		strcpy(to, "\\");
	strcat(to, plain);
	return taken;
}

void
metrics_label(char labels[METRICS_LABELS_MAX], const char *name,
    const char *value)
{
	size_t used = strlen(labels);

	/* Room for `,="`, and for a character, `"` and the NUL. */
	if (used + strlen(name) + 3 + ESCAPE_MAX + 2 > METRICS_LABELS_MAX)
		return;
	used += (size_t)sprintf(labels + used, "%s%s=\"", used > 0 ? "," : "",
	    name);
	while (*value != '\0' && used + ESCAPE_MAX + 2 <= METRICS_LABELS_MAX) {
		value += put_character(labels + used, value);
		used += strlen(labels + used);
	}
	strcpy(labels + used, "\"");
}

void
metrics_sample(const struct metrics_writer *to, const char *name,
    const char *suffix, const char *labels, long long value)
{
	fprintf(to->out, *labels != '\0' ? "%s%s{%s} %lld\n" : "%s%s%s %lld\n",
	    name, suffix, labels, value);
}

void
metrics_identify(const struct metrics_group *group, const json_t *row,
    char labels[METRICS_LABELS_MAX])
{
	char number[24];

	labels[0] = '\0';
	if (strcmp(group->kind, "worker") == 0) {
		snprintf(number, sizeof(number), "%lld",
		    answer_number(row, "worker"));
		metrics_label(labels, "worker", number);
		metrics_label(labels, "group", answer_text(row, "group"));
		return;
	}
	metrics_label(labels, group->kind, answer_text(row, "name"));
	metrics_label(labels, "plugin", answer_text(row, "plugin"));
}
