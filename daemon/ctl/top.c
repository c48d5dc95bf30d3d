/* top.c: asks again and again, and shows what happened in between. */

#include "ctl/top.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "ctl/conn_rates.h"
#include "ctl/run.h"
#include "ctl/top_page.h"
#include "ctl/top_screen.h"

#define PAUSE_MS 1000
#define PAUSE_MIN_MS 250
#define PAUSE_MAX_MS 16000
/* While it is asked, no key is obeyed. */
#define ENTER_MS 500
#define ANSWER_MS 2000
#define CONNS_ASKED "1000" /* the busiest of these are shown */

struct top {
	struct control_request status, conns;
	struct top_sample before, now;
	enum top_part part;
	enum top_order order;
	unsigned int sort;
	unsigned int pause_ms;
	bool paused;
	bool there; /* sluiced has answered the last question */
	char note[ERROR_TEXT_MAX + 128];
};

static const char *const sorts[] = { "rate", "in", "out", "queue", "age",
	"idle" };
static const char *const orders[TOP_ORDERS] = {
	[TOP_CONFIGURED] = "the configuration",
	[TOP_TRAFFIC] = "traffic",
	[TOP_OPEN] = "connections",
	[TOP_ERRORS] = "errors",
};

static volatile sig_atomic_t ending; /* the signal that ends us */

static void
on_signal(int number)
{
	ending = number;
}

static void
catch_signals(void)
{
	static const int signals[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM };
	struct sigaction action = { .sa_handler = on_signal };

	for (unsigned int i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaction(signals[i], &action, NULL);
}

/* CPU time of a process in ms, or -1. */
static long long
cpu_ms(long long pid)
{
	char path[64], text[1024], *at;
	unsigned long long user, system;
	FILE *file;
	size_t length = 0;

	snprintf(path, sizeof(path), "/proc/%lld/stat", pid);
	file = fopen(path, "re");
	if (file == NULL)
		return -1;
	length = fread(text, 1, sizeof(text) - 1, file);
	fclose(file);
	text[length] = '\0';
	/* Behind the name, which may have spaces: fields 3 to 15. */
	at = strrchr(text, ')');
	if (at == NULL ||
	    sscanf(at + 1,
		" %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user,
		&system) != 2)
		return -1;
	return (long long)((user + system) * 1000 /
	    (unsigned long long)sysconf(_SC_CLK_TCK));
}

static json_t *
cpu_of_workers(const json_t *status)
{
	const json_t *workers = json_object_get(status, "workers");
	json_t *cpu = json_object();
	char name[24];
	long long pid, ms;

	for (size_t i = 0; i < json_array_size(workers); i++) {
		pid = answer_number(json_array_get(workers, i), "pid");
		ms = pid > 0 ? cpu_ms(pid) : -1;
		snprintf(name, sizeof(name), "%lld", pid);
		if (ms >= 0)
			json_object_set_new(cpu, name, json_integer(ms));
	}
	return cpu;
}

/* Owned by the caller; NULL: err says why there is no good answer. */
static json_t *
ask(const struct control_request *request, struct error *err)
{
	struct control_answer answer;
	json_t *json = NULL;

	if (control_ask(request, &answer, err) == -1)
		return NULL;
	if (answer.outcome == CONTROL_DONE)
		json = json_incref(answer.json);
	else
		error_set(err, "%s", answer_text(answer.json, "error"));
	control_answer_done(&answer);
	return json;
}

static int
take_sample(struct top *top, struct top_sample *ret, struct error *err)
{
	struct top_sample sample = { .status = ask(&top->status, err) };

	if (sample.status == NULL)
		return -1;
	top->conns.values.of[CONTROL_CONNS_SORT] = sorts[top->sort];
	sample.conns = ask(&top->conns, err);
	if (sample.conns == NULL) {
		top_sample_done(&sample);
		return -1;
	}
	sample.cpu = cpu_of_workers(sample.status);
	sample.time_ms = clock_ms();
	*ret = sample;
	return 0;
}

static bool
is_another(const struct top_sample *before, const struct top_sample *now)
{
	return answer_number(before->status, "pid") !=
	    answer_number(now->status, "pid");
}

/* The next sample; what is on the screen stays when there is none. */
static int
step(struct top *top, struct error *err)
{
	struct top_sample next;

	if (take_sample(top, &next, err) == -1) {
		top->there = false;
		return -1;
	}
	top_sample_done(&top->before);
	top->before = top->now;
	top->now = next;
	top->there = true;
	if (top->before.status == NULL)
		return 0;
	if (is_another(&top->before, &top->now)) {
		top_sample_done(&top->before);
		return 0;
	}
	conn_rates_between(top->before.conns, top->now.conns,
	    top->now.time_ms - top->before.time_ms);
	if (strcmp(sorts[top->sort], "rate") == 0)
		conn_rates_sort(top->now.conns, SIZE_MAX);
	return 0;
}

/* The second line of the screen. */
static void
make_note(struct top *top, const struct error *err)
{
	if (!top->there)
		snprintf(top->note, sizeof(top->note), "%s%s",
		    top->paused ? "PAUSED; " : "trying again; ", err->text);
	else
		snprintf(top->note, sizeof(top->note),
		    "%severy %u ms; connections by %s, listeners by %s",
		    top->paused ? "PAUSED; " : "", top->pause_ms,
		    sorts[top->sort], orders[top->order]);
}

static void
draw(struct top *top, const struct error *err)
{
	struct top_view view = {
		.part = top->part,
		.order = top->order,
		.sort = sorts[top->sort],
		.rows = screen_rows(),
		.note = top->note,
	};
	struct top_page page = { NULL, 0 };

	make_note(top, err);
	if (top_page_make(&page, &view, &top->before, &top->now) == 0)
		screen_draw(&page);
	top_page_done(&page);
}

static void
obey(struct top *top, enum screen_key key)
{
	switch (key) {
	case SCREEN_PAUSE:
		top->paused = !top->paused;
		break;
	case SCREEN_PART:
		top->part = (top->part + 1) % TOP_PARTS;
		break;
	case SCREEN_SORT:
		top->sort = (top->sort + 1) % (sizeof(sorts) / sizeof(*sorts));
		break;
	case SCREEN_ORDER:
		top->order = (top->order + 1) % TOP_ORDERS;
		break;
	case SCREEN_FASTER:
		if (top->pause_ms > PAUSE_MIN_MS)
			top->pause_ms /= 2;
		break;
	case SCREEN_SLOWER:
		if (top->pause_ms < PAUSE_MAX_MS)
			top->pause_ms *= 2;
		break;
	default:
		break;
	}
}

/* Until the user or a signal ends it. */
static void
loop(struct top *top)
{
	uint64_t next_ms = clock_ms() + top->pause_ms, now;
	enum screen_key key = SCREEN_NONE;
	struct error err = { "" };

	while (key != SCREEN_QUIT && ending == 0) {
		draw(top, &err);
		now = clock_ms();
		key = screen_key(
		    next_ms > now ? (unsigned int)(next_ms - now) : 0);
		obey(top, key);
		/* Another order of connections is another question. */
		if (key == SCREEN_SORT && !top->paused)
			next_ms = 0;
		if (clock_ms() < next_ms || ending != 0)
			continue;
		if (!top->paused)
			step(top, &err);
		next_ms = clock_ms() + top->pause_ms;
	}
}

/* So that whoever waits for us sees by which signal we have ended. */
static void
end_by_signal(int number)
{
	signal(number, SIG_DFL);
	raise(number);
}

int
top_run(const struct call *call)
{
	struct top top = {
		.status = call->request,
		.conns = call->request,
		.pause_ms = PAUSE_MS,
	};
	struct error err;

	top.status.command = CONTROL_STATUS;
	top.conns.command = CONTROL_CONNS;
	top.conns.values.of[CONTROL_CONNS_LIMIT] = CONNS_ASKED;
	top.status.enter_ms = top.conns.enter_ms = ENTER_MS;
	top.status.answer_ms = top.conns.answer_ms = ANSWER_MS;
	if (step(&top, &err) == -1) {
		fprintf(stderr, "sluicectl: %s\n", err.text);
		return EXIT_UNREACHED;
	}
	catch_signals();
	if (screen_open(&err) == -1) {
		fprintf(stderr, "sluicectl: %s\n", err.text);
		top_sample_done(&top.now);
		return EXIT_USAGE;
	}
	loop(&top);
	screen_close();
	top_sample_done(&top.before);
	top_sample_done(&top.now);
	if (ending != 0)
		end_by_signal(ending);
	return EXIT_SUCCESS;
}
