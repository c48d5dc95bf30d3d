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

/* How many bytes a character of UTF-8 has, by its first one. */
static size_t
character_length(const char *text)
{
	size_t length = escape_utf8_length(text);

	return length != 0 ? length : 1;
}

void
metrics_label(char labels[METRICS_LABELS_MAX], const char *name,
    const char *value)
{
	size_t used = strlen(labels), length;

	/* Room for `,="`, a character that is escaped, `"` and the NUL. */
	if (used + strlen(name) + 3 + 4 + 2 > METRICS_LABELS_MAX)
		return;
	used += (size_t)sprintf(labels + used, "%s%s=\"", used > 0 ? "," : "",
	    name);
	for (; *value != '\0' && used + 4 + 2 <= METRICS_LABELS_MAX;
	     value += length) {
		length = character_length(value);
		if (*value == '\\' || *value == '"' || *value == '\n')
			labels[used++] = '\\';
		if (*value == '\n')
			labels[used++] = 'n';
		else
			memcpy(labels + used, value, length);
		if (*value != '\n')
			used += length;
	}
	labels[used++] = '"';
	labels[used] = '\0';
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
