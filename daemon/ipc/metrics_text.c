/* metrics_text.c: families, labels and samples as the formats want them. */

#include <stdbool.h>
#include <string.h>

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

void
metrics_label(char labels[METRICS_LABELS_MAX], const char *name,
    const char *value)
{
	size_t used = strlen(labels);

	used += (size_t)snprintf(labels + used, METRICS_LABELS_MAX - used,
	    "%s%s=\"", used > 0 ? "," : "", name);
	/* Room for an escaped character, the quotation mark and the NUL. */
	for (; *value != '\0' && used + 4 < METRICS_LABELS_MAX; value++) {
		if (*value == '\\' || *value == '"')
			labels[used++] = '\\';
		if (*value == '\n')
			labels[used++] = '\\';
		labels[used++] = *value == '\n' ? 'n' : *value;
	}
	if (used + 1 < METRICS_LABELS_MAX) {
		labels[used++] = '"';
		labels[used] = '\0';
	}
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
