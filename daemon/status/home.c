/*
 * home.c: one page, without scripts, that loads itself again.  A person who was
 * just woken up reads it on a phone: first whether all is well, then what is not.
 */

#include "status/home.h"

#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/time_text.h"
#include "ipc/control_client.h"
#include "status/health.h"
#include "status/html.h"
#include "status/news.h"

#define REFRESH_S 5
#define CRASHES_SHOWN 10
#define LAG_WARN_MS 100

void
home_table(FILE *out, const char *title, const char *const *heads)
{
	fprintf(out,
	    "<section><h2>%s</h2><div class=\"box\"><table><thead><tr>", title);
	for (; *heads != NULL; heads++)
		fprintf(out,
		    **heads == '#' ? "<th class=\"n\">%s</th>" : "<th>%s</th>",
		    *heads + (**heads == '#'));
	fputs("</tr></thead><tbody>\n", out);
}

void
home_end_table(FILE *out)
{
	fputs("</tbody></table></div></section>\n", out);
}

static void
put_head(FILE *out)
{
	fprintf(out,
	    "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
	    "<meta name=\"viewport\" content=\"width=device-width, "
	    "initial-scale=1\"><meta http-equiv=\"refresh\" content=\"%d\">"
	    "<title>sluice</title><style>%s</style></head><body>\n",
	    REFRESH_S, home_style);
}

static void
put_foot(FILE *out)
{
	char time[TIME_TEXT_MAX];
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	fprintf(out,
	    "<footer><a href=\"/status.json\">status.json</a> · "
	    "<a href=\"/metrics\">metrics</a> · <a href=\"/healthz\">healthz"
	    "</a> · <a href=\"/readyz\">readyz</a> · as of %s, every %d s"
	    "</footer></body></html>\n",
	    date_text(now.tv_sec, time), REFRESH_S);
}

/* Is it well?  In one line. */
static void
put_title(FILE *out, const json_t *status)
{
	char why[256];
	bool ready = health_ready(status, why, sizeof(why));

	fputs("<header><h1>sluice</h1>", out);
	if (ready)
		fprintf(out,
		    "<span class=\"state good\">serving generation %lld</span>",
		    answer_number(status, "generation"));
	else {
		fputs("<span class=\"state bad\">not ready: ", out);
		html_text(out, why);
		fputs("</span>", out);
	}
	fputs("<span class=\"dim\">", out);
	html_text(out, answer_text(status, "config"));
	fputs("</span></header>\n", out);
}

static void
put_alarm(FILE *out, const struct news *news)
{
	if (news->trouble == NULL)
		return;
	fputs("<p class=\"note alarm bad\">", out);
	html_text(out, news->trouble);
	if (news->came_ms != 0) {
		fputs("; what follows is ", out);
		html_age(out, (long long)(clock_ms() - news->came_ms) / 1000);
		fputs(" old", out);
	}
	fputs(".</p>\n", out);
}

static void
begin_fact(FILE *out, const char *name)
{
	fprintf(out, "<div><dt>%s</dt><dd>", name);
}

static void
end_fact(FILE *out)
{
	fputs("</dd></div>", out);
}

static void
put_count(FILE *out, const char *name, long long count, const char *class)
{
	begin_fact(out, name);
	if (class != NULL && count > 0)
		fprintf(out, "<span class=\"%s\">", class);
	html_number(out, count);
	if (class != NULL && count > 0)
		fputs("</span>", out);
	end_fact(out);
}

/* Workers may say anything: a sum that is too large is wrong, but no fault. */
static long long
sum_of(const json_t *rows, const char *member)
{
	unsigned long long sum = 0;

	for (size_t i = 0; i < json_array_size(rows); i++)
		sum += (unsigned long long)answer_number(
		    json_array_get(rows, i), member);
	return (long long)sum;
}

static void
put_facts(FILE *out, const json_t *status)
{
	const json_t *workers = json_object_get(status, "workers");
	long long lost = answer_number(json_object_get(status, "log"), "lost");

	fputs("<dl class=\"facts\">", out);
	put_count(out, "Generation", answer_number(status, "generation"), NULL);
	put_count(out, "Open connections", sum_of(workers, "connections"),
	    NULL);
	put_count(out, "Workers", (long long)json_array_size(workers), NULL);
	put_count(out, "Slow callbacks", sum_of(workers, "slow_callbacks"),
	    "warn");
	put_count(out, "Crashes", answer_number(status, "crashes"), "bad");
	if (lost > 0)
		put_count(out, "Lost lines of the log", lost, "bad");
	begin_fact(out, "Up for");
	html_age(out, answer_number(status, "uptime_s"));
	end_fact(out);
	begin_fact(out, "Version");
	html_text(out, answer_text(status, "version"));
	end_fact(out);
	fputs("</dl>\n", out);
}

static void
put_verdict(FILE *out, const json_t *status)
{
	const json_t *last = json_object_get(status, "last");
	const json_t *problems = json_object_get(last, "problems");
	const char *state = answer_text(status, "reload");
	bool good = json_is_true(json_object_get(last, "ok"));

	fputs("<section><h2>Last reload</h2><div class=\"note\">", out);
	fprintf(out, "<span class=\"%s\">", good ? "good" : "bad");
	html_text(out, answer_text(last, "verdict"));
	fputs("</span> <span class=\"dim\">", out);
	html_text(out, answer_text(last, "time"));
	fputs("</span>", out);
	if (json_array_size(problems) > 0)
		fputs("<ul>", out);
	for (size_t i = 0; i < json_array_size(problems); i++) {
		fputs("<li>", out);
		html_text(out, answer_string(json_array_get(problems, i)));
		fputs("</li>", out);
	}
	if (json_array_size(problems) > 0)
		fputs("</ul>", out);
	if (strcmp(state, "idle") != 0) {
		fputs("<p class=\"warn\">a reload is running: ", out);
		html_text(out, state);
		fputs("</p>", out);
	}
	fputs("</div></section>\n", out);
}

/* How late its loop is. */
static void
put_lag(FILE *out, const json_t *worker)
{
	double us = (double)answer_number(worker, "loop_lag_us");
	double most = (double)answer_number(worker, "loop_lag_max_us");

	html_cell(out, "Lag", most >= LAG_WARN_MS * 1000.0 ? "n warn" : "n");
	fprintf(out, "%.1f ms<small>up to %.1f ms</small>", us / 1000,
	    most / 1000);
	html_end_cell(out);
}

static void
put_worker(FILE *out, const json_t *worker)
{
	const char *state = answer_text(worker, "state");
	const char *doing = answer_text(worker, "doing");

	fputs("<tr>", out);
	html_cell(out, "Worker", "name");
	fprintf(out, "worker %lld", answer_number(worker, "worker"));
	html_end_cell(out);
	html_cell(out, "State", answer_worker_serves(worker) ? "good" : "bad");
	html_text(out, state);
	if (*doing != '\0') {
		fputs("<small>", out);
		html_text(out, doing);
		fputs("</small>", out);
	}
	html_end_cell(out);
	html_cell(out, "Process", "n");
	fprintf(out, "%lld", answer_number(worker, "pid"));
	html_end_cell(out);
	html_number_cell(out, "Generation",
	    answer_number(worker, "generation"));
	html_number_cell(out, "Open", answer_number(worker, "connections"));
	put_lag(out, worker);
	html_number_cell(out, "Slow", answer_number(worker, "slow_callbacks"));
	html_number_cell(out, "Restarts", answer_number(worker, "restarts"));
	html_cell(out, "Memory", "n");
	html_bytes(out, (double)answer_number(worker, "memory"));
	html_end_cell(out);
	fputs("</tr>\n", out);
}

static void
put_workers(FILE *out, const char *title, const json_t *workers)
{
	static const char *const heads[] = { "Worker", "State", "#Process",
		"#Generation", "#Open", "#Lag, in a minute", "#Slow",
		"#Restarts", "#Memory", NULL };

	if (json_array_size(workers) == 0)
		return;
	home_table(out, title, heads);
	for (size_t i = 0; i < json_array_size(workers); i++)
		put_worker(out, json_array_get(workers, i));
	home_end_table(out);
}

/* Of these only the processes are known, and for how long they may stay. */
static void
put_old_worker(FILE *out, const json_t *one)
{
	const json_t *left = json_object_get(one, "left_ms");

	fputs("<tr>", out);
	html_cell(out, "Worker", "name");
	fprintf(out, "worker %lld", answer_number(one, "worker"));
	html_end_cell(out);
	html_text_cell(out, "State", answer_text(one, "state"));
	html_cell(out, "Process", "n");
	fprintf(out, "%lld", answer_number(one, "pid"));
	html_end_cell(out);
	html_number_cell(out, "Open at the upgrade",
	    answer_number(one, "connections_at_upgrade"));
	html_cell(out, "Time left", "n");
	if (json_is_integer(left))
		html_age(out, json_integer_value(left) / 1000);
	else
		fputs("–", out);
	html_end_cell(out);
	fputs("</tr>\n", out);
}

static void
put_old_workers(FILE *out, const json_t *workers)
{
	static const char *const heads[] = { "Worker", "State", "#Process",
		"#Open at the upgrade", "#Time left", NULL };

	if (json_array_size(workers) == 0)
		return;
	home_table(out, "Of the program before an upgrade", heads);
	for (size_t i = 0; i < json_array_size(workers); i++)
		put_old_worker(out, json_array_get(workers, i));
	home_end_table(out);
}

static void
put_crash(FILE *out, const json_t *crash)
{
	fputs("<tr>", out);
	html_text_cell(out, "Time", answer_text(crash, "time"));
	html_number_cell(out, "Worker", answer_number(crash, "worker"));
	html_number_cell(out, "Generation", answer_number(crash, "generation"));
	html_number_cell(out, "Connections lost",
	    answer_number(crash, "connections"));
	html_cell(out, "How", "wide");
	html_text(out, answer_text(crash, "how"));
	html_end_cell(out);
	fputs("</tr>\n", out);
}

/* The newest first. */
static void
put_crashes(FILE *out, const json_t *crashes)
{
	static const char *const heads[] = { "Time", "#Worker", "#Generation",
		"#Connections lost", "How", NULL };
	const json_t *list = json_object_get(crashes, "crashes");
	size_t count = json_array_size(list);

	if (count == 0)
		return;
	home_table(out, "Last crashes", heads);
	for (size_t i = 0; i < count && i < CRASHES_SHOWN; i++)
		put_crash(out, json_array_get(list, count - 1 - i));
	home_end_table(out);
}

int
home_write(FILE *out, const struct news *news)
{
	const json_t *status = news->status;
	const json_t *listeners = json_object_get(status, "listeners");
	const json_t *connectors = json_object_get(status, "connectors");

	put_head(out);
	if (status != NULL)
		put_title(out, status);
	put_alarm(out, news);
	if (status != NULL) {
		put_facts(out, status);
		put_verdict(out, status);
		home_listeners(out, listeners);
		home_connectors(out, connectors);
		home_upstreams(out, listeners, connectors);
		put_workers(out, "Workers", json_object_get(status, "workers"));
		put_workers(out, "Replaced, until their connections end",
		    json_object_get(status, "replaced"));
		put_old_workers(out, json_object_get(status, "old_workers"));
		home_certificates(out, listeners, connectors);
		put_crashes(out, news->crashes);
		home_counters(out, listeners, connectors);
	}
	put_foot(out);
	return news->trouble == NULL ? 200 : 503;
}
