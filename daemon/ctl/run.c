/* run.c: asks sluiced what was asked for, and prints what it says. */

#include "ctl/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "ctl/print.h"
#include "ipc/control_words.h"

static int
exit_status(const struct call *call, const struct control_answer *answer)
{
	bool diff = call->request.command == CONTROL_DIFF;

	switch (answer->outcome) {
	case CONTROL_DONE:
		if (diff &&
		    !json_is_true(json_object_get(answer->json, "same")))
			return EXIT_DIFFERS;
		return EXIT_SUCCESS;
	case CONTROL_REFUSED:
		return diff ? EXIT_TROUBLE : EXIT_REFUSED;
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
	status = exit_status(call, &after);
	if (status == EXIT_SUCCESS)
		print_rates(before->json, after.json, clock_ms() - asked_ms);
	else
		print_failure(after.json);
	control_answer_done(&after);
	return status;
}

struct following {
	const struct call *call;
	int status; /* of a refusal */
};

/* The first line says only that all is well, which programs want to see. */
static bool
on_line(void *arg, const json_t *json, const char *text)
{
	struct following *following = arg;
	const json_t *ok = json_object_get(json, "ok");

	if (following->call->json)
		fputs(text, stdout);
	else if (ok == NULL)
		print_event(json);
	else if (!json_is_true(ok))
		print_failure(json);
	if (ok != NULL && !json_is_true(ok))
		following->status =
		    json_is_true(json_object_get(json, "busy")) ||
			json_is_true(json_object_get(json, "denied"))
		    ? EXIT_UNREACHED
		    : EXIT_REFUSED;
	/* Whoever reads this over a pipe must not wait for more. */
	return fflush(stdout) == 0 && following->status == EXIT_SUCCESS;
}

static int
run_events(const struct call *call)
{
	struct following following = { call, EXIT_SUCCESS };
	struct error err;

	if (control_ask_on(&call->request, on_line, &following, &err) == 0)
		return following.status;
	fflush(stdout);
	fprintf(stderr, "sluicectl: %s\n", err.text);
	return EXIT_UNREACHED;
}

int
run_call(const struct call *call)
{
	struct control_answer answer;
	struct error err;
	uint64_t asked_ms;
	int status;

	if (call->request.command == CONTROL_EVENTS)
		return run_events(call);
	if (control_ask(&call->request, &answer, &err) == -1) {
		fprintf(stderr, "sluicectl: %s\n", err.text);
		return EXIT_UNREACHED;
	}
	asked_ms = clock_ms();
	status = exit_status(call, &answer);
	if (call->json)
		fputs(answer.text, stdout);
	else if (answer.outcome == CONTROL_DONE)
		print_answer(&call->request, answer.json);
	else
		print_failure(answer.json);
	if (status == EXIT_SUCCESS && call->rates)
		status = run_rates(call, &answer, asked_ms);
	control_answer_done(&answer);
	return status;
}
