/* print_config.c: the answer to `config`, as a configuration of libconfig. */

#include <stdio.h>
#include <string.h>

#include "ctl/print.h"
#include "ctl/table.h"
#include "ipc/control_client.h"

static void print_group(const json_t *group, const char *file,
    unsigned int depth);

static void
indent(unsigned int depth)
{
	for (unsigned int i = 0; i < depth; i++)
		putchar('\t');
}

/* "# FILE:LINE; ..." */
static void
print_comment(const json_t *entry, const char *file)
{
	long long line = answer_number(entry, "line");
	const char *note = answer_text(entry, "note");
	const char *now = answer_text(entry, "now");

	printf("# ");
	if (line > 0) {
		put_text(stdout, file, NULL);
		printf(":%lld", line);
	} else {
		printf("default");
	}
	if (*now != '\0') {
		printf("; now ");
		put_text(stdout, now, NULL);
	}
	if (*note != '\0') {
		printf("; ");
		put_text(stdout, note, NULL);
	}
	putchar('\n');
}

static void
print_value(const char *name, const json_t *entry, const char *file,
    unsigned int depth)
{
	const char *text = answer_text(entry, "text");
	const char *note = answer_text(entry, "note");

	indent(depth);
	if (*text == '\0') {
		printf("# %s is %s", name, *note != '\0' ? "" : "not set\n");
		if (*note != '\0')
			put_line(stdout, note);
		return;
	}
	/* It cannot stand here, since it was put together. */
	printf("%s%s = ", *note != '\0' ? "# " : "", name);
	put_text(stdout, text, NULL);
	printf(";\t");
	print_comment(entry, file);
}

static void
print_groups(const char *name, const json_t *groups, unsigned int depth)
{
	const json_t *one;
	size_t count = json_array_size(groups);

	if (count == 0)
		return;
	indent(depth);
	printf("%s = (\n", name);
	for (size_t i = 0; i < count; i++) {
		one = json_array_get(groups, i);
		indent(depth + 1);
		printf("{\t");
		print_comment(one, answer_text(one, "file"));
		print_group(json_object_get(one, "keys"),
		    answer_text(one, "file"), depth + 2);
		indent(depth + 1);
		puts(i + 1 < count ? "}," : "}");
	}
	indent(depth);
	puts(");");
}

static void
print_group(const json_t *group, const char *file, unsigned int depth)
{
	const json_t *inner, *groups;
	const char *name;
	json_t *entry;

	json_object_foreach((json_t *)group, name, entry) {
		inner = json_object_get(entry, "group");
		groups = json_object_get(entry, "groups");
		if (groups != NULL) {
			print_groups(name, groups, depth);
		} else if (inner != NULL) {
			indent(depth);
			printf("%s = {\n", name);
			print_group(inner, file, depth + 1);
			indent(depth);
			puts("};");
		} else {
			print_value(name, entry, file, depth);
		}
	}
}

void
print_config(const json_t *answer)
{
	const char *file = answer_text(answer, "file");
	long long number = answer_number(answer, "generation");
	long long as = answer_number(answer, "as");

	printf("# generation %lld", number);
	if (as != number)
		printf(" (as generation %lld)", as);
	printf(" of sluiced ");
	put_member(answer, "version");
	printf(", from ");
	put_line(stdout, file);
	print_group(json_object_get(answer, "settings"), file, 0);
}
