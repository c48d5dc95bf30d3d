/* sluicectl.c: asks a running sluiced one thing, and prints the answer. */

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/standard.h"
#include "ctl/print.h"
#include "ipc/control_client.h"
#include "ipc/control_words.h"

#define EXIT_REFUSED 1
#define EXIT_USAGE 2
#define EXIT_UNREACHED 3

#define ENTER_MS 10000	/* how long to try while sluiced is busy */
#define ANSWER_MS 10000 /* for commands that are answered at once */

struct call {
	struct control_request request;
	bool json;
	bool rates; /* of status: also print rates */
};

static void
print_usage(FILE *out)
{
	enum control_command command;
	const char *const *flag;

	fprintf(out,
	    "usage: sluicectl [-s SOCKET] [--json] COMMAND\n"
	    "       sluicectl -V | --help\n"
	    "commands:\n");
	for (command = 0; command < CONTROL_COMMANDS; command++) {
		char line[128];
		size_t used;

		used = (size_t)snprintf(line, sizeof(line), "%s",
		    control_words[command].name);
		for (flag = control_words[command].flags;
		     flag < control_words[command].flags + CONTROL_FLAGS_MAX &&
		     *flag != NULL;
		     flag++)
			used += (size_t)snprintf(line + used,
			    sizeof(line) - used, " [--%s]", *flag);
		fprintf(out, "  %-26s %s\n", line, control_words[command].help);
	}
}

static void
print_help(void)
{
	print_usage(stdout);
	printf("\n"
	       "  -s SOCKET  the control socket (default: %s)\n"
	       "  --json     print the answer as it comes, in JSON\n"
	       "  --rates    after status: also print the rates per second\n"
	       "  -V         print the version\n",
	    SLUICE_CONTROL);
}

/*
 * The words after the command: its flags, and our own options.  0, or -1 after
 * a message that says what is wrong.
 */
static int
parse_flags(char **words, struct call *call)
{
	struct control_request *request = &call->request;
	const char *name = control_words[request->command].name;
	unsigned int bit;

	for (; *words != NULL; words++) {
		if (strcmp(*words, "--json") == 0) {
			call->json = true;
			continue;
		}
		if (request->command == CONTROL_STATUS &&
		    strcmp(*words, "--rates") == 0) {
			call->rates = true;
			continue;
		}
		bit = strncmp(*words, "--", 2) == 0
		    ? control_flag(request->command, *words + 2)
		    : 0;
		if (bit == 0) {
			fprintf(stderr,
			    "sluicectl: the command %s has no option \"%s\"\n",
			    name, *words);
			return -1;
		}
		request->flags |= bit;
	}
	return 0;
}

/* The exit status, if all could be printed. */
static int
printed(int status)
{
	return standard_printed("sluicectl") == 0 ? status : EXIT_REFUSED;
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
		case 'h':
			print_help();
			*ret_status = printed(EXIT_SUCCESS);
			return false;
		default:
			goto usage;
		}
	}
	if (argv[optind] == NULL)
		goto usage;
	ret->request.command = control_command(argv[optind]);
	if (ret->request.command == CONTROL_COMMANDS) {
		fprintf(stderr, "sluicectl: there is no command \"%s\"\n",
		    argv[optind]);
		goto usage;
	}
	if (parse_flags(argv + optind + 1, ret) == -1)
		goto usage;
	if (ret->json && ret->rates) {
		fprintf(stderr,
		    "sluicectl: --rates cannot be used with --json; ask "
		    "twice, and subtract\n");
		goto usage;
	}
	if (control_waits(ret->request.command, ret->request.flags))
		ret->request.answer_ms = CONTROL_NO_LIMIT;
	return true;
usage:
	print_usage(stderr);
	*ret_status = EXIT_USAGE;
	return false;
}

static int
exit_status(enum control_outcome outcome)
{
	switch (outcome) {
	case CONTROL_DONE:
		return EXIT_SUCCESS;
	case CONTROL_REFUSED:
		return EXIT_REFUSED;
	case CONTROL_BUSY:
	case CONTROL_DENIED:
		break;
	}
	return EXIT_UNREACHED;
}

/* Ask once more, a second after the first answer, and print the difference. */
static int
run_rates(const struct call *call, const struct control_answer *before,
    uint64_t asked_ms)
{
	struct timespec second = { 1, 0 };
	struct control_answer after;
	struct error err;
	int status;

	fflush(stdout);
	while (nanosleep(&second, &second) == -1 && errno == EINTR)
		;
	if (control_ask(&call->request, &after, &err) == -1) {
		fprintf(stderr, "sluicectl: %s\n", err.text);
		return EXIT_UNREACHED;
	}
	status = exit_status(after.outcome);
	if (status == EXIT_SUCCESS)
		print_rates(before->json, after.json, clock_ms() - asked_ms);
	else
		print_failure(after.json);
	control_answer_done(&after);
	return status;
}

static int
run(const struct call *call)
{
	struct control_answer answer;
	struct error err;
	uint64_t asked_ms;
	int status;

	if (control_ask(&call->request, &answer, &err) == -1) {
		fprintf(stderr, "sluicectl: %s\n", err.text);
		return EXIT_UNREACHED;
	}
	asked_ms = clock_ms();
	status = exit_status(answer.outcome);
	if (call->json)
		fputs(answer.text, stdout);
	else if (status == EXIT_SUCCESS)
		print_answer(call->request.command, answer.json);
	else
		print_failure(answer.json);
	if (status == EXIT_SUCCESS && call->rates)
		status = run_rates(call, &answer, asked_ms);
	control_answer_done(&answer);
	return status;
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
	if (standard_open("sluicectl") == -1)
		return EXIT_REFUSED;
	if (!parse(argc, argv, &call, &status))
		return status;
	return printed(run(&call));
}
