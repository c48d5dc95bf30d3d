/* print_events.c: what happens, line by line, for people. */

#include <stdio.h>
#include <string.h>

#include "ctl/print.h"
#include "ctl/table.h"
#include "ipc/control_client.h"

static void
print_inner(const json_t *event, const char *name)
{
	const json_t *lines = json_object_get(event, name);

	for (size_t i = 0; i < json_array_size(lines); i++) {
		printf("    ");
		put_line(stdout, answer_string(json_array_get(lines, i)));
	}
}

void
print_event(const json_t *event)
{
	long long count = answer_number(event, "count");
	long long lost = answer_number(event, "connections");

	put_member(event, "time");
	putchar(' ');
	if (count > 0) {
		printf("lost: %lld event%s, since this was not read in time\n",
		    count, count == 1 ? "" : "s");
		return;
	}
	put_member(event, "kind");
	printf(": ");
	put_member(event, "text");
	if (lost > 0)
		printf("; connections lost: %lld", lost);
	putchar('\n');
	print_inner(event, "problems");
	print_inner(event, "changes");
	print_inner(event, "report");
}
