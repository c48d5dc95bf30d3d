/* sluicectl.c: asks a running sluiced one thing, and prints the answer. */

#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/standard.h"
#include "ctl/run.h"
#include "ctl/usage.h"
#include "ctl/words.h"
#include "ipc/control_client.h"
#include "ipc/control_words.h"

#define NUMBER_DIGITS_MAX 18 /* fits 63 bits */

#define ENTER_MS 10000	/* how long to try while sluiced is busy */
#define ANSWER_MS 10000 /* for commands that are answered at once */

static bool
is_number(const char *text)
{
	return *text != '\0' && strspn(text, "0123456789") == strlen(text) &&
	    strlen(text) <= NUMBER_DIGITS_MAX;
}

/* One more of several numbers.  Returns them all, or NULL: they are too long. */
static const char *
join(const char *before, const char *number)
{
	static char text[CONTROL_REQUEST_MAX];
	size_t used = before != NULL ? strlen(text) : 0;
	int n = snprintf(text + used, sizeof(text) - used, "%s%s",
	    before != NULL ? "," : "", number);

	return (size_t)n < sizeof(text) - used ? text : NULL;
}

/*
 * The next value, for the option at this place.  0, or -1 after a message that
 * says what is wrong.
 */
static int
take_value(struct control_request *request, int place, const char *text)
{
	const struct control_word *word = &control_words[request->command];
	const struct control_option *option = &word->options[place];
	const char *dashes = option->bare ? "" : "--";

	if (text == NULL) {
		fprintf(stderr, "sluicectl: %s: %s%s needs a value: %s\n",
		    word->name, dashes, option->name, option->value);
		return -1;
	}
	if (option->kind != CONTROL_TEXT && !is_number(text)) {
		fprintf(stderr,
		    "sluicectl: %s: %s%s must be a number, not "
		    "\"%s\"\n",
		    word->name, dashes, option->name, text);
		return -1;
	}
	if (option->kind == CONTROL_NUMBERS)
		text = join(request->values.of[place], text);
	if (text == NULL) {
		fprintf(stderr, "sluicectl: %s: too many numbers at once\n",
		    word->name);
		return -1;
	}
	request->values.of[place] = text;
	return 0;
}

/* The place of the next option that is written without --NAME; -1: none. */
static int
next_bare(const struct control_request *request)
{
	const struct control_word *word = &control_words[request->command];

	for (int i = 0; i < CONTROL_OPTIONS_MAX; i++)
		if (word->options[i].bare &&
		    (word->options[i].kind == CONTROL_NUMBERS ||
			request->values.of[i] == NULL))
			return i;
	return -1;
}

/* The first option that is missing; -1: none. */
static int
missing(const struct control_request *request)
{
	const struct control_word *word = &control_words[request->command];

	for (int i = 0; i < CONTROL_OPTIONS_MAX; i++)
		if (word->options[i].needed && request->values.of[i] == NULL)
			return i;
	return -1;
}

/*
 * The words after the command: its options, and our own.  0, or -1 after a
 * message that says what is wrong.
 */
static int
parse_options(char **words, struct call *call)
{
	struct control_request *request = &call->request;
	const struct control_word *word = &control_words[request->command];
	bool dashes;
	int place;

	for (; *words != NULL; words++) {
		if (strcmp(*words, "--json") == 0) {
			call->json = true;
			continue;
		}
		if ((request->command == CONTROL_STATUS ||
			request->command == CONTROL_CONNS) &&
		    strcmp(*words, "--rates") == 0) {
			call->rates = true;
			continue;
		}
		dashes = strncmp(*words, "--", 2) == 0;
		place = dashes ? control_option(request->command, *words + 2)
			       : next_bare(request);
		if (place == -1 || (dashes && word->options[place].bare)) {
			fprintf(stderr,
			    "sluicectl: the command %s has no option \"%s\"\n",
			    word->name, *words);
			return -1;
		}
		if (word->options[place].kind == CONTROL_FLAG)
			request->values.of[place] = "";
		else if (take_value(request, place,
			     dashes ? *++words : *words) == -1)
			return -1;
	}
	place = missing(request);
	return place == -1 ? 0 : take_value(request, place, NULL);
}

/* The exit status, if all could be printed. */
static int
printed(int status)
{
	return standard_printed("sluicectl") == 0 ? status : EXIT_REFUSED;
}

/* The command that the words ask about: "help drain", "drain --help". */
static bool
asks_for_help(char **words, const char **ret_about)
{
	bool help = strcmp(words[0], "help") == 0;

	*ret_about = help ? words[1] : words[0];
	for (words++; !help && *words != NULL; words++)
		help = strcmp(*words, "--help") == 0;
	return help;
}

/* Options that do not go together.  0, or -1 after a message. */
static int
check_json(const struct call *call)
{
	if (call->json && call->request.command == CONTROL_TOP) {
		fprintf(stderr,
		    "sluicectl: top has no JSON; programs ask status twice, "
		    "and subtract\n");
		return -1;
	}
	if (call->json && call->rates &&
	    call->request.command == CONTROL_STATUS) {
		fprintf(stderr,
		    "sluicectl: --rates cannot be used with --json; ask "
		    "twice, and subtract\n");
		return -1;
	}
	return 0;
}

/*
 * The command and its options.  Returns true when there is something to send;
 * else *ret_status is the exit status.
 */
static bool
parse_command(char **words, struct call *ret, int *ret_status)
{
	enum control_command command;
	const char *about;
	bool help = asks_for_help(words, &about);

	*ret_status = EXIT_USAGE;
	if (about == NULL) {
		usage_help();
		*ret_status = printed(EXIT_SUCCESS);
		return false;
	}
	command = control_command(about);
	if (command == CONTROL_COMMANDS) {
		usage_unknown(about);
		return false;
	}
	if (help) {
		usage_print_command(stdout, command);
		*ret_status = printed(EXIT_SUCCESS);
		return false;
	}
	ret->request.command = command;
	if (parse_options(words + 1, ret) == -1 || check_json(ret) == -1) {
		usage_print_command(stderr, command);
		return false;
	}
	if (control_waits(command, &ret->request.values))
		ret->request.answer_ms = CONTROL_NO_LIMIT;
	return true;
}

/*
 * Returns true when there is a command to send; else *ret_status is the exit
 * status.
 */
static bool
parse(int argc, char **argv, struct call *ret, int *ret_status)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ "words", no_argument, NULL, 'w' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	memset(ret, 0, sizeof(*ret));
	ret->request.socket = SLUICE_CONTROL;
	ret->request.hint = "-s names another socket";
	ret->request.enter_ms = ENTER_MS;
	ret->request.answer_ms = ANSWER_MS;
	*ret_status = EXIT_SUCCESS;
	while (
	    (option = getopt_long(argc, argv, "+s:V", options, NULL)) != -1) {
		switch (option) {
		case 's':
			ret->request.socket = optarg;
			break;
		case 'j':
			ret->json = true;
			break;
		case 'V':
			puts("sluicectl " PACKAGE_VERSION);
			*ret_status = printed(EXIT_SUCCESS);
			return false;
		case 'w':
			print_words(argv + optind);
			*ret_status = printed(EXIT_SUCCESS);
			return false;
		case 'h':
			usage_help();
			*ret_status = printed(EXIT_SUCCESS);
			return false;
		default:
			goto usage;
		}
	}
	if (argv[optind] != NULL)
		return parse_command(argv + optind, ret, ret_status);
usage:
	usage_print(stderr);
	*ret_status = EXIT_USAGE;
	return false;
}

int
main(int argc, char **argv)
{
	struct call call;
	int status;

	/*
	 * Ignore the signal of the limit on file sizes, so that it becomes an
	 * error, which is reported below.
	 */
	signal(SIGXFSZ, SIG_IGN);
	/* For the width of characters; numbers stay as they are. */
	setlocale(LC_CTYPE, "");
	if (standard_open("sluicectl") == -1)
		return EXIT_REFUSED;
	if (!parse(argc, argv, &call, &status))
		return status;
	return printed(run_call(&call));
}
