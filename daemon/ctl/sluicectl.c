/* sluicectl.c: asks a running sluiced one thing, and prints the answer. */

#include <sys/socket.h>
#include <sys/un.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "control_words.h"
#include "ctl/print.h"

#ifndef SLUICE_CONTROL
#define SLUICE_CONTROL "/run/sluice/control.sock"
#endif

#define EXIT_REFUSED 1
#define EXIT_USAGE 2
#define EXIT_UNREACHED 3

#define ANSWER_S 10	      /* for what is answered at once */
#define ANSWER_MAX (4u << 20) /* more is not from sluiced */
#define BUSY_TRIES 100	      /* when it serves too many already... */
#define BUSY_PAUSE_US 100000  /* ...so often, 10 s in all */

struct call {
	const char *socket;
	enum control_command command;
	unsigned int flags;
	bool json;
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
	       "  -V         print the version\n",
	    SLUICE_CONTROL);
}

/* The words behind the command: its flags, and --json.  0, or -1 after saying what is wrong. */
static int
parse_flags(char **words, struct call *call)
{
	const char *name = control_words[call->command].name;
	unsigned int bit;

	for (; *words != NULL; words++) {
		if (strcmp(*words, "--json") == 0) {
			call->json = true;
			continue;
		}
		bit = strncmp(*words, "--", 2) == 0
		    ? control_flag(call->command, *words + 2)
		    : 0;
		if (bit == 0) {
			fprintf(stderr, "sluicectl: %s takes no \"%s\"\n", name,
			    *words);
			return -1;
		}
		call->flags |= bit;
	}
	return 0;
}

/* Returns true when there is something to ask; else *ret_status is the end. */
static bool
parse(int argc, char **argv, struct call *ret, int *ret_status)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 },
	};
	int option;

	*ret = (struct call){ .socket = SLUICE_CONTROL };
	*ret_status = EXIT_SUCCESS;
	while ((option = getopt_long(argc, argv, "+s:V", options, NULL)) != -1) {
		switch (option) {
		case 's':
			ret->socket = optarg;
			break;
		case 'j':
			ret->json = true;
			break;
		case 'V':
			puts("sluicectl " PACKAGE_VERSION);
			return false;
		case 'h':
			print_help();
			return false;
		default:
			goto usage;
		}
	}
	if (argv[optind] == NULL)
		goto usage;
	ret->command = control_command(argv[optind]);
	if (ret->command == CONTROL_COMMANDS) {
		fprintf(stderr, "sluicectl: there is no command \"%s\"\n",
		    argv[optind]);
		goto usage;
	}
	if (parse_flags(argv + optind + 1, ret) == 0)
		return true;
usage:
	print_usage(stderr);
	*ret_status = EXIT_USAGE;
	return false;
}

static int
unreached(const struct call *call, const char *what, int error)
{
	const char *now = "is it running, with control = \"...\" in its "
			  "configuration?  -s names another socket";

	if (error == EACCES || error == EPERM)
		now = "it is for root, and for control_group if its "
		      "configuration names one";
	else if (error == EAGAIN || error == EINPROGRESS)
		now = "it does not answer: see its log";
	fprintf(stderr, "sluicectl: %s sluiced at %s%s%s; %s\n", what,
	    call->socket, error != 0 ? ": " : "",
	    error != 0 ? strerror(error) : "", now);
	return -1;
}

static bool
takes_long(const struct call *call)
{
	return call->command == CONTROL_ROLLBACK ||
	    (call->command == CONTROL_RELOAD && call->flags & CONTROL_RELOAD_WAIT);
}

/* Returns the socket, or -1 after saying why not. */
static int
connect_to(const struct call *call)
{
	const struct timeval limit = { ANSWER_S, 0 };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(call->socket) >= sizeof(un.sun_path))
		return unreached(call, "cannot reach", ENAMETOOLONG);
	strcpy(un.sun_path, call->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd == -1)
		return unreached(call, "cannot reach", errno);
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	/* A reload has limits of its own. */
	if (!takes_long(call))
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	if (connect(fd, (struct sockaddr *)&un, sizeof(un)) == 0)
		return fd;
	unreached(call, "cannot reach", errno);
	close(fd);
	return -1;
}

static int
send_request(const struct call *call, int fd)
{
	const struct control_word *word = &control_words[call->command];
	char line[CONTROL_REQUEST_MAX];
	size_t used;
	unsigned int i;

	used = (size_t)snprintf(line, sizeof(line), "{\"command\": \"%s\"",
	    word->name);
	for (i = 0; i < CONTROL_FLAGS_MAX; i++)
		if (call->flags & 1u << i)
			used += (size_t)snprintf(line + used, sizeof(line) - used,
			    ", \"%s\": true", word->flags[i]);
	used += (size_t)snprintf(line + used, sizeof(line) - used, "}\n");
	/* One that turns us away may have closed already: its answer is there. */
	if (send(fd, line, used, MSG_NOSIGNAL) == (ssize_t)used ||
	    errno == EPIPE || errno == ECONNRESET)
		return 0;
	return unreached(call, "cannot talk to", errno);
}

/* All of it, owned by the caller; NULL after saying why not. */
static char *
receive_answer(const struct call *call, int fd)
{
	size_t used = 0, room = 0;
	char *answer = NULL, *larger;
	ssize_t got;

	for (;;) {
		if (used + 1 >= room) {
			room = room == 0 ? 65536 : 2 * room;
			larger = room > ANSWER_MAX ? NULL : realloc(answer, room);
			if (larger == NULL) {
				unreached(call, "too long an answer from",
				    ENOBUFS);
				break;
			}
			answer = larger;
		}
		got = recv(fd, answer + used, room - used - 1, 0);
		if (got == -1 && errno == EINTR)
			continue;
		if (got > 0) {
			used += (size_t)got;
			continue;
		}
		if (used > 0 && answer[used - 1] == '\n') {
			answer[used] = '\0';
			return answer;
		}
		unreached(call, "no answer from", got == -1 ? errno : 0);
		break;
	}
	free(answer);
	return NULL;
}

/* One try.  Returns the answer, with its text, or NULL after saying why not. */
static json_t *
ask(const struct call *call, char **ret_text)
{
	json_t *answer = NULL;
	char *text = NULL;
	int fd;

	fd = connect_to(call);
	if (fd == -1)
		return NULL;
	if (send_request(call, fd) == 0)
		text = receive_answer(call, fd);
	close(fd);
	if (text != NULL)
		answer = json_loads(text, 0, NULL);
	if (text != NULL && !json_is_boolean(json_object_get(answer, "ok"))) {
		unreached(call, "no sense in the answer of", 0);
		json_decref(answer);
		answer = NULL;
	}
	if (answer == NULL) {
		free(text);
		return NULL;
	}
	*ret_text = text;
	return answer;
}

static bool
has(const json_t *answer, const char *name)
{
	return json_is_true(json_object_get(answer, name));
}

static int
run(const struct call *call)
{
	unsigned int tries = 0;
	json_t *answer;
	char *text;
	int status;

	while ((answer = ask(call, &text)) != NULL && has(answer, "busy") &&
	    ++tries < BUSY_TRIES) {
		json_decref(answer);
		free(text);
		usleep(BUSY_PAUSE_US);
	}
	if (answer == NULL)
		return EXIT_UNREACHED;
	if (has(answer, "ok"))
		status = EXIT_SUCCESS;
	else if (has(answer, "busy") || has(answer, "denied"))
		status = EXIT_UNREACHED;
	else
		status = EXIT_REFUSED;
	if (call->json)
		fputs(text, stdout);
	else if (status == EXIT_SUCCESS)
		print_answer(call->command, answer);
	else
		print_failure(answer);
	json_decref(answer);
	free(text);
	return status;
}

int
main(int argc, char **argv)
{
	struct call call;
	int status;

	/* A limit of file sizes is an error to report; see the end. */
	signal(SIGXFSZ, SIG_IGN);
	if (!parse(argc, argv, &call, &status))
		return status;
	status = run(&call);
	if (fflush(stdout) == EOF) {
		fprintf(stderr, "sluicectl: cannot print: %s\n", strerror(errno));
		return EXIT_REFUSED;
	}
	return status;
}
