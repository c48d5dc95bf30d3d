/*
 * tree.c: libconfig 1.5, and workarounds for its faults.  It may end the
 * process on strange input, so problems are reported at once by on_problem.
 */

#include "reader/tree.h"

#include <libconfig.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/settings.h"
#include "reader/config_file.h"
#include "reader/problems.h"
#include "reader/scan.h"
#include "reader/syntax.h"

/*
 * On a syntax error libconfig 1.5 forgets the strings it has read.  We exit
 * soon after, but the leak sanitizer would report it.
 */
const char *__lsan_default_suppressions(void)
    __attribute__((visibility("default")));
const char *__lsan_default_options(void) __attribute__((visibility("default")));

const char *
__lsan_default_suppressions(void)
{
	return "leak:libconfig.so\n";
}

const char *
__lsan_default_options(void)
{
	return "print_suppressions=0";
}

/* The place in the lists of the scan, while the tree is walked. */
struct cursor {
	const struct scan *scan;
	uint32_t string, number;
};

/*
 * libconfig gives a string in a list the line of whatever follows it.  The
 * scan knows better, and both have the strings in the same order.
 */
static void
place_string(struct cursor *cursor, struct node *node)
{
	const struct scan_string *seen;

	if (cursor->string >= cursor->scan->string_count)
		return;
	seen = &cursor->scan->strings[cursor->string++];
	node->line = seen->line;
	node->joined = seen->joined;
}

static bool
number_refused(struct cursor *cursor, uint32_t line)
{
	const struct scan *scan = cursor->scan;

	while (cursor->number < scan->number_count &&
	    scan->number_lines[cursor->number] < line)
		cursor->number++;
	return cursor->number < scan->number_count &&
	    scan->number_lines[cursor->number] == line;
}

static int convert(const config_setting_t *setting, struct cursor *cursor,
    struct node *ret);

static int
convert_children(const config_setting_t *setting, struct cursor *cursor,
    struct node *ret)
{
	int i, count = config_setting_length(setting);

	ret->children = calloc((size_t)count + 1, sizeof(*ret->children));
	if (ret->children == NULL)
		return -1;
	for (i = 0; i < count; i++) {
		ret->count++; /* freed even if half built */
		if (convert(config_setting_get_elem(setting, (unsigned int)i),
			cursor, &ret->children[i]) == -1)
			return -1;
	}
	return 0;
}

static int
convert(const config_setting_t *setting, struct cursor *cursor,
    struct node *ret)
{
	const char *name = config_setting_name(setting);

	ret->line = config_setting_source_line(setting);
	if (name != NULL && (ret->name = strdup(name)) == NULL)
		return -1;
	switch (config_setting_type(setting)) {
	case CONFIG_TYPE_GROUP:
		ret->type = NODE_GROUP;
		return convert_children(setting, cursor, ret);
	case CONFIG_TYPE_ARRAY:
	case CONFIG_TYPE_LIST:
		ret->type = NODE_LIST;
		return convert_children(setting, cursor, ret);
	case CONFIG_TYPE_INT:
		ret->type = NODE_INT;
		ret->integer = config_setting_get_int(setting);
		ret->refused = number_refused(cursor, ret->line);
		return 0;
	case CONFIG_TYPE_INT64:
		ret->type = NODE_INT;
		ret->integer = config_setting_get_int64(setting);
		ret->refused = number_refused(cursor, ret->line);
		return 0;
	case CONFIG_TYPE_FLOAT:
		ret->type = NODE_FLOAT;
		ret->real = config_setting_get_float(setting);
		return 0;
	case CONFIG_TYPE_BOOL:
		ret->type = NODE_BOOL;
		ret->integer = config_setting_get_bool(setting);
		return 0;
	default:
		ret->type = NODE_STRING;
		place_string(cursor, ret);
		name = config_setting_get_string(setting);
		ret->string = strdup(name != NULL ? name : "");
		return ret->string != NULL ? 0 : -1;
	}
}

/* libconfig's own words say little, and its line is where it gave up. */
static void
refused(const char *file, const char *text, size_t len, const config_t *config,
    struct problems *problems)
{
	const char *why = config_error_text(config);
	struct origin at = {
		.file = file,
		.line = (uint32_t)config_error_line(config),
	};

	if (strncmp(why, "mismatched", strlen("mismatched")) == 0)
		problem_error(problems, &at,
		    "%s: values in [ ] are of one kind; write ( ) instead",
		    why);
	else if (!syntax_explain(file, text, len, problems))
		problem_error(problems, &at,
		    "%s on this line, or just before it", why);
}

static struct node *
parse(const char *file, const char *text, size_t len, const struct scan *scan,
    struct problems *problems)
{
	struct cursor cursor = { .scan = scan };
	struct origin at = { .file = file };
	struct node *root = NULL;
	config_t config;

	config_init(&config);
	if (config_read_string(&config, text) != CONFIG_TRUE) {
		refused(file, text, len, &config, problems);
		goto out;
	}
	root = calloc(1, sizeof(*root));
	if (root == NULL ||
	    convert(config_root_setting(&config), &cursor, root) == -1) {
		problem_error(problems, &at, "out of memory");
		tree_free(root);
		root = NULL;
	}
out:
	config_destroy(&config);
	return root;
}

struct node *
tree_read(const char *file, struct problems *problems)
{
	struct origin at = { .file = file };
	struct node *root = NULL;
	struct error err;
	struct scan scan;
	char *text;
	size_t len;

	text = config_file_read(file, &len, &err);
	if (text == NULL) {
		problem_error(problems, &at, "%s", err.text);
		return NULL;
	}
	if (scan_text(file, text, len, problems, &scan) == 0)
		root = parse(file, text, len, &scan, problems);
	scan_done(&scan);
	free(text);
	return root;
}

static void
node_done(struct node *node)
{
	for (uint32_t i = 0; i < node->count; i++)
		node_done(&node->children[i]);
	free(node->children);
	free(node->name);
	free(node->string);
}

void
tree_free(struct node *root)
{
	if (root == NULL)
		return;
	node_done(root);
	free(root);
}

const char *
node_type_name(const struct node *node)
{
	static const char *const names[] = {
		[NODE_GROUP] = "a group",
		[NODE_LIST] = "a list",
		[NODE_INT] = "an integer",
		[NODE_FLOAT] = "a number with a fraction",
		[NODE_BOOL] = "true or false",
		[NODE_STRING] = "a string",
	};

	return names[node->type];
}
