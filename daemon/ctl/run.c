/* run.c: asks sluiced what was asked for, and prints what it says. */

#include "ctl/run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "ctl/conn_rates.h"
#include "ctl/print.h"
#include "ctl/top.h"
#include "ipc/control_words.h"

#define CONNS_USUAL 100	   /* as sluiced answers without a limit */
#define CONNS_MOST "10000" /* that it answers */

static int
unreached(const struct error *err)
{
	fprintf(stderr, "sluicectl: %s\n", err->text);
	return EXIT_UNREACHED;
}

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

static void
wait_a_second(void)
{
	struct timespec second = { 1, 0 };

	while (nanosleep(&second, &second) == -1 && errno == EINTR)
		;
}

/* Ask once more, a second after the first answer, and print the difference. */
static int
run_rates(const struct call *call, const struct control_answer *before,
    uint64_t asked_ms)
{
	struct control_answer after;
	struct error err;
	int status;

	fflush(stdout);
	wait_a_second();
	if (control_ask(&call->request, &after, &err) == -1)
		return unreached(&err);
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
	return unreached(&err);
}

static int
print_any(const struct call *call, const struct control_answer *answer)
{
	int status = exit_status(call, answer);

	if (call->json)
		fputs(answer->text, stdout);
	else if (answer->outcome == CONTROL_DONE)
		print_answer(&call->request, answer->json);
	else
		print_failure(answer->json);
	return status;
}

/* `after`, with what the connections did since `before`. */
static void
print_conn_rates(const struct call *call, const json_t *before, json_t *after,
    uint64_t ms, size_t most)
{
	conn_rates_between(before, after, ms);
	if (most > 0)
		conn_rates_sort(after, most);
	if (!call->json) {
		print_answer(&call->request, after);
		return;
	}
	json_dumpf(after, stdout, JSON_COMPACT);
	putchar('\n');
}

/* Ask twice, and print the second answer. */
static int
run_conn_rates(const struct call *call, size_t most)
{
	struct control_answer before, after;
	struct error err;
	uint64_t asked_ms;
	int status;

	if (control_ask(&call->request, &before, &err) == -1)
		return unreached(&err);
	asked_ms = clock_ms();
	if (before.outcome != CONTROL_DONE) {
		status = print_any(call, &before);
		control_answer_done(&before);
		return status;
	}
	wait_a_second();
	if (control_ask(&call->request, &after, &err) == -1) {
		control_answer_done(&before);
		return unreached(&err);
	}
	if (after.outcome == CONTROL_DONE)
		print_conn_rates(call, before.json, after.json,
		    clock_ms() - asked_ms, most);
	else
		print_any(call, &after);
	status = exit_status(call, &after);
	control_answer_done(&before);
	control_answer_done(&after);
	return status;
}

/*
 * The order by the rates of one second is ours to find out, so then we ask for
 * as many as there can be.
 */
static int
run_conns(const struct call *call)
{
	const char *sort = call->request.values.of[CONTROL_CONNS_SORT];
	const char *limit = call->request.values.of[CONTROL_CONNS_LIMIT];
	struct call all = *call;

	if (sort == NULL || strcmp(sort, "rate") != 0)
		return run_conn_rates(call, 0);
	all.request.values.of[CONTROL_CONNS_LIMIT] = CONNS_MOST;
	return run_conn_rates(&all,
	    limit != NULL ? (size_t)atoll(limit) : CONNS_USUAL);
}

int
run_call(const struct call *call)
{
	struct control_answer answer;
	struct error err;
	uint64_t asked_ms;
	int status;

	if (call->request.command == CONTROL_TOP)
		return top_run(call);
	if (call->request.command == CONTROL_EVENTS)
		return run_events(call);
	if (call->request.command == CONTROL_CONNS && call->rates)
		return run_conns(call);
	if (control_ask(&call->request, &answer, &err) == -1)
		return unreached(&err);
	asked_ms = clock_ms();
	status = print_any(call, &answer);
	if (status == EXIT_SUCCESS && call->rates)
		status = run_rates(call, &answer, asked_ms);
	control_answer_done(&answer);
	return status;
}
