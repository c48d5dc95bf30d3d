/*
 * check.c: `sluiced -t`: does what a reload does before it changes anything.
 * It prints for a person, without the prefix of log lines.
 */

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/libc_data.h"
#include "base/log.h"
#include "base/log_line.h"
#include "base/standard.h"
#include "base/title.h"
#include "config/settings.h"
#include "master/build.h"
#include "master/child.h"
#include "master/gen.h"
#include "master/inherited.h"
#include "master/master.h"
#include "master/output.h"
#include "master/premises.h"
#include "master/verdict.h"

struct check {
	struct event_base *base;
	unsigned int errors;
	bool valid;
	char found[160]; /* if it is valid: what is in it */
};

static void
on_problem(void *arg, int level, const char *file, uint32_t line,
    const char *text)
{
	struct check *check = arg;
	char whole[PROBLEM_LINE_MAX], plain[ESCAPE_MAX * PROBLEM_LINE_MAX];

	if (level <= LOG_LEVEL_ERROR)
		check->errors++;
	problem_line(whole, level, file, line, text);
	/* It comes from files and plugins: escape it for the terminal. */
	fprintf(stderr, "%s\n", escape_text(whole, plain, sizeof(plain)));
}

/* "4 listeners, 2 files": whether an included file was found at all. */
static void
describe(const struct settings *settings, char *text, size_t room)
{
	char listeners[64], connectors[64], files[64];
	bool any = settings->connector_count > 0;

	snprintf(text, room, "%s%s%s, %s",
	    count_text(settings->listener_count, "listener", listeners),
	    any ? ", " : "",
	    any ? count_text(settings->connector_count, "connector", connectors)
		: "",
	    count_text(settings->file_count, "file", files));
}

static void
on_done(void *arg, struct gen *gen)
{
	struct check *check = arg;

	check->valid = gen != NULL;
	if (gen != NULL)
		describe(gen->settings, check->found, sizeof(check->found));
	gen_unref(gen);
	event_base_loopbreak(check->base);
}

static const struct build_ops build_ops = {
	.on_problem = on_problem,
	.on_done = on_done,
};

static void
print_verdict(const struct check *check, const char *config)
{
	char text[64], plain[LOG_MESSAGE_MAX];

	config = escape_text(config, plain, sizeof(plain));
	if (check->valid)
		printf("sluiced: configuration %s is valid: %s\n", config,
		    check->found);
	else
		fprintf(stderr, "sluiced: configuration %s is NOT valid: %s\n",
		    config, count_text(check->errors, "error", text));
}

static int
run(struct check *check, struct children *children, const char *config)
{
	struct error err;

	if (build_start(children, config, 1, true, &build_ops, check, &err) ==
	    NULL)
		on_problem(check, LOG_LEVEL_ERROR, "", 0, err.text);
	else
		event_base_dispatch(check->base);
	print_verdict(check, config);
	if (!check->valid || standard_printed("sluiced") == -1)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}

int
check_main(const char *config, bool verbose)
{
	struct children *children = NULL;
	struct inherited inherited;
	struct check check;
	struct error err;
	int status = EXIT_FAILURE;

	memset(&check, 0, sizeof(check));
	title_set("check %s", config);
	if (inherited_take(&inherited) == -1)
		return EXIT_FAILURE;
	output_append();
	log_init("master");
	if (premises_check(&err) == -1) {
		fprintf(stderr, "sluiced: %s\n", err.text);
		inherited_done(&inherited);
		return EXIT_FAILURE;
	}
	check.base = master_base();
	if (check.base != NULL)
		children = children_new(check.base);
	if (children != NULL) {
		if (verbose)
			children_verbose(children);
		status = run(&check, children, config);
	}
	children_free(children);
	if (check.base != NULL)
		event_base_free(check.base);
	inherited_done(&inherited);
	return status;
}
