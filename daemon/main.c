/* main.c: the command line, and which of the processes this is. */

#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/libc_data.h"
#include "base/log.h"
#include "base/plain_locale.h"
#include "base/roles.h"
#include "base/signal_set.h"
#include "base/standard.h"
#include "base/title.h"
#include "ipc/msg.h"
#include "master/master.h"

#define EXIT_USAGE 2

enum {
	OPTION_DESCRIBE = 256,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_LOG_FORMAT,
	OPTION_WATCH
};

static const struct option long_options[] = {
	{ "describe", required_argument, NULL, OPTION_DESCRIBE },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "log-format", required_argument, NULL, OPTION_LOG_FORMAT },
	{ "watch", no_argument, NULL, OPTION_WATCH },
	{ NULL, 0, NULL, 0 },
};

static const struct role {
	const char *name;
	int (*run)(void);
} roles[] = {
	{ "reader", reader_main },
	{ "probe", probe_main },
	{ "worker", worker_main },
	{ "describe", describe_main },
	{ "status", status_main },
};

struct command {
	const char *config;
	const char *describe;
	const char *log_format; /* NULL: not given */
	bool json, test, verbose, watch;
};

static void
print_usage(FILE *out)
{
	fprintf(out,
	    "usage: sluiced [-c FILE] [-t] [-v] [--watch] [--log-format FORMAT]\n"
	    "       sluiced --describe FILE.so [--json]\n"
	    "       sluiced -V | --help\n");
}

static void
print_help(void)
{
	print_usage(stdout);
	printf(
	    "\n"
	    "  -c FILE             read the configuration from FILE\n"
	    "                      (default: %s)\n"
	    "  -t                  test the configuration, then exit\n"
	    "  -v                  log debug messages\n"
	    "  -V                  print the version\n"
	    "  --watch             reload when one of its files changes\n"
	    "  --log-format json   log as JSON from the first line on\n"
	    "                      (default: text, until FILE has been read)\n"
	    "  --describe FILE.so  print what a plugin says of itself\n"
	    "  --json              the same, as JSON\n",
	    SLUICE_CONFIG);
}

/*
 * args: what spawn.c has added, up to a NULL.  Returns whether plugins are to
 * print elsewhere.
 */
static bool
child_options(char **args)
{
	bool apart = false;

	for (; *args != NULL; args++) {
		if (strcmp(*args, "-v") == 0)
			log_verbose();
		else if (strcmp(*args, "--json") == 0)
			log_configure(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
		else if (strcmp(*args, "--piped") == 0)
			log_piped();
		else if (strcmp(*args, "--printed") == 0)
			apart = true;
	}
	return apart;
}

static int
run_child(const char *name, bool apart)
{
	for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++) {
		if (strcmp(roles[i].name, name) != 0)
			continue;
		plain_locale_init();
		log_init(roles[i].name);
		/* What plugins print is not to be taken for lines of ours. */
		if (apart) {
			log_leave_stderr(CHILD_PRINTED_FD, false);
			close(CHILD_PRINTED_FD);
		}
		title_set("%s", roles[i].name);
		/* spawn.c has set what each signal does in a child. */
		signal_unblock_all();
		return roles[i].run();
	}
	fprintf(stderr, "sluiced: --child is only for use by sluiced itself\n");
	return EXIT_USAGE;
}

/* What is wrong with the command line; NULL: nothing. */
static const char *
what_is_wrong(const struct command *command, const char *word)
{
	bool daemon = !command->test && command->describe == NULL;
	const char *format = command->log_format;

	if (word != NULL)
		return "only options are expected; -c names a configuration";
	if (format != NULL && strcmp(format, "text") != 0 &&
	    strcmp(format, "json") != 0)
		return "--log-format is text or json";
	if (format != NULL && !daemon)
		return "--log-format is for the daemon, and here is no log";
	if (command->watch && !daemon)
		return "--watch is for the daemon; -t and --describe only look "
		       "once";
	if (command->json && command->describe == NULL)
		return "--json is for --describe";
	if (command->test && command->describe != NULL)
		return "-t checks a configuration and --describe shows a "
		       "plugin: choose one of them";
	return NULL;
}

static void
use_log_format(const char *format)
{
	log_configure(LOG_LEVEL_INFO,
	    strcmp(format, "json") == 0 ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT);
}

/* The exit status of an option that only prints. */
static int
printed(void)
{
	return standard_printed("sluiced") == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

/*
 * Returns true when there is something to run; else *ret_status is the exit
 * status.
 */
static bool
parse(int argc, char **argv, struct command *ret, int *ret_status)
{
	const char *wrong;
	int option;

	*ret = (struct command){ .config = SLUICE_CONFIG };
	*ret_status = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "c:tvV", long_options,
		    NULL)) != -1) {
		switch (option) {
		case 'c':
			ret->config = optarg;
			break;
		case 't':
			ret->test = true;
			break;
		case 'v':
			ret->verbose = true;
			break;
		case 'V':
			puts("sluiced " PACKAGE_VERSION);
			*ret_status = printed();
			return false;
		case OPTION_DESCRIBE:
			ret->describe = optarg;
			break;
		case OPTION_JSON:
			ret->json = true;
			break;
		case OPTION_LOG_FORMAT:
			ret->log_format = optarg;
			break;
		case OPTION_WATCH:
			ret->watch = true;
			break;
		case OPTION_HELP:
			print_help();
			*ret_status = printed();
			return false;
		default:
			goto usage;
		}
	}
	wrong = what_is_wrong(ret, argv[optind]);
	if (wrong == NULL) {
		if (ret->log_format != NULL)
			use_log_format(ret->log_format);
		return true;
	}
	fprintf(stderr, "sluiced: %s\n", wrong);
usage:
	print_usage(stderr);
	*ret_status = EXIT_USAGE;
	return false;
}

int
main(int argc, char **argv)
{
	struct command command;
	char **args;
	int status;
	bool apart;

	signal_block_all();
	if (standard_open("sluiced") == -1)
		return EXIT_FAILURE;
	args = title_init(argc, argv);
	if (args == NULL) {
		fprintf(stderr, "sluiced: %s\n", strerror(errno));
		return EXIT_FAILURE;
	}
	if (argc >= 3 && strcmp(args[1], "--child") == 0) {
		if (argc == 4 && strcmp(args[2], "trial") == 0) {
			signal_unblock_all();
			return trial_main(args[3]);
		}
		apart = child_options(args + 3);
		return run_child(args[2], apart);
	}
	signal_ignore_failures();
	if (!parse(argc, args, &command, &status))
		return status;
	if (command.verbose)
		log_verbose();
	if (command.describe == NULL && !command.test)
		return master_main(command.config, command.verbose,
		    command.watch);
	/* These are ordinary tools, which any signal may end. */
	signal_unblock_all();
	if (command.describe != NULL)
		return describe_file(command.describe, command.json,
		    command.verbose);
	return check_main(command.config, command.verbose);
}
