/* home_endpoints.c: what is served and connected to, on the page. */

#include <stdbool.h>
#include <string.h>

#include "ipc/control_client.h"
#include "status/history.h"
#include "status/home.h"
#include "status/html.h"

#define DAYS_WARN 30
#define DAYS_BAD 7

/* The sum of the numbers in an object. */
static long long
sum_of(const json_t *object)
{
	unsigned long long sum = 0;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)object, key, value)
		sum += (unsigned long long)json_integer_value(value);
	return (long long)sum;
}

static void
put_name(FILE *out, const json_t *one, const char *label)
{
	html_cell(out, label, "name");
	html_text(out, answer_text(one, "name"));
	fputs("<small>", out);
	html_text(out, answer_text(one, "plugin"));
	putc(' ', out);
	html_text(out, answer_text(one, "version"));
	fputs("</small>", out);
	html_end_cell(out);
}

static void
put_addresses(FILE *out, const json_t *listener)
{
	const json_t *addresses = json_object_get(listener, "addresses");

	html_cell(out, "Listens on", "wide address");
	for (size_t i = 0; i < json_array_size(addresses); i++) {
		if (i > 0)
			fputs("<br>", out);
		html_text(out, answer_string(json_array_get(addresses, i)));
	}
	if (json_is_true(json_object_get(listener, "drained")))
		fputs("<span class=\"warn\">drained</span>", out);
	else if (json_is_true(json_object_get(listener, "set_aside")))
		fputs("<span class=\"bad\">set aside: its plugin crashed"
		      "</span>",
		    out);
	else if (json_array_size(addresses) == 0)
		fputs("<span class=\"bad\">nowhere: stopped</span>", out);
	html_end_cell(out);
}

/* New connections and bytes per second, and the line of the last minutes. */
static void
put_rates(FILE *out, const char *name)
{
	const struct history *history = history_of(name);
	const struct history_point none = { 0 }, *now = &none;

	if (history != NULL && history->count > 0)
		now = history_at(history, history->count - 1);
	html_cell(out, "New/s", now->accepted > 0 ? "n" : "n zero");
	html_rate(out, (double)now->accepted);
	html_end_cell(out);
	html_cell(out, "In/s", now->in > 0 ? "n" : "n zero");
	html_bytes(out, (double)now->in);
	html_end_cell(out);
	html_cell(out, "Out/s", now->out > 0 ? "n" : "n zero");
	html_bytes(out, (double)now->out);
	html_end_cell(out);
	html_cell(out, "5 minutes", "wide");
	html_sparkline(out, history);
	html_end_cell(out);
}

static void
put_bad_number(FILE *out, const char *label, long long number)
{
	html_cell(out, label, number > 0 ? "n warn" : "n zero");
	html_number(out, number);
	html_end_cell(out);
}

/* Callbacks, and what went wrong. */
static void
put_trouble(FILE *out, const json_t *counts)
{
	html_cell(out, "99 %", "n");
	html_quantile(out, json_object_get(counts, "callbacks"), 99);
	html_end_cell(out);
	put_bad_number(out, "Slow", answer_number(counts, "slow_callbacks"));
	put_bad_number(out, "Refused",
	    sum_of(json_object_get(counts, "refused")));
	put_bad_number(out, "Failed", answer_number(counts, "failed"));
}

void
home_listeners(FILE *out, const json_t *listeners)
{
	static const char *const heads[] = { "Listener", "Listens on", "#Open",
		"#New/s", "#In/s", "#Out/s", "#In and out, 5 minutes",
		"#99 % of callbacks", "#Slow", "#Refused", "#Failed", NULL };
	const json_t *one;

	if (json_array_size(listeners) == 0)
		return;
	home_table(out, "Listeners", heads);
	for (size_t i = 0; i < json_array_size(listeners); i++) {
		one = json_array_get(listeners, i);
		fputs("<tr>", out);
		put_name(out, one, "Listener");
		put_addresses(out, one);
		html_number_cell(out, "Open",
		    answer_number(one, "connections"));
		put_rates(out, answer_text(one, "name"));
		put_trouble(out, json_object_get(one, "counts"));
		fputs("</tr>\n", out);
	}
	home_end_table(out);
}

/* Of one worker, in words. */
static void
put_state(FILE *out, const json_t *state)
{
	bool up = json_is_true(json_object_get(state, "up"));
	const char *error = answer_text(state, "error");

	fprintf(out, "<div>worker %lld: <span class=\"%s\">",
	    answer_number(state, "worker"), up ? "good" : "bad");
	html_text(out, answer_text(state, "state"));
	fputs("</span> for ", out);
	html_age(out, answer_number(state, "for_s"));
	if (!up && *error != '\0') {
		fputs("<small>", out);
		html_text(out, error);
		fputs("</small>", out);
	}
	fputs("</div>", out);
}

void
home_connectors(FILE *out, const json_t *connectors)
{
	static const char *const heads[] = { "Connector", "Connects to",
		"State", "#New/s", "#In/s", "#Out/s", "#In and out, 5 minutes",
		NULL };
	const json_t *one, *states;

	if (json_array_size(connectors) == 0)
		return;
	home_table(out, "Connectors", heads);
	for (size_t i = 0; i < json_array_size(connectors); i++) {
		one = json_array_get(connectors, i);
		states = json_object_get(one, "workers");
		fputs("<tr>", out);
		put_name(out, one, "Connector");
		html_cell(out, "Connects to", "wide address");
		html_text(out, answer_text(one, "connect"));
		html_end_cell(out);
		html_cell(out, "State", "wide");
		for (size_t k = 0; k < json_array_size(states); k++)
			put_state(out, json_array_get(states, k));
		html_end_cell(out);
		put_rates(out, answer_text(one, "name"));
		fputs("</tr>\n", out);
	}
	home_end_table(out);
}

typedef void put_fn(FILE *out, const json_t *endpoint, const json_t *one);

/*
 * Put each of what the endpoints have in the list of that name.  Returns how
 * many there were.  put NULL: only count them.
 */
static size_t
each_of(FILE *out, const json_t *endpoints, const char *name, put_fn *put)
{
	const json_t *one, *list;
	size_t count = 0;

	for (size_t i = 0; i < json_array_size(endpoints); i++) {
		one = json_array_get(endpoints, i);
		list = json_object_get(one, name);
		count += json_array_size(list);
		for (size_t k = 0; put != NULL && k < json_array_size(list);
		     k++)
			put(out, one, json_array_get(list, k));
	}
	return count;
}

/* What a plugin connects to. */
static void
put_upstream(FILE *out, const json_t *endpoint, const json_t *one)
{
	const char *error = answer_text(one, "error");
	bool up = json_is_true(json_object_get(one, "up"));
	bool known = json_is_integer(json_object_get(one, "for_s"));

	fputs("<tr>", out);
	html_cell(out, "Upstream", "name");
	html_text(out, answer_text(one, "name"));
	html_end_cell(out);
	html_text_cell(out, "Of", answer_text(endpoint, "name"));
	html_cell(out, "State", NULL);
	fprintf(out, "<span class=\"%s\">",
	    up		? "good"
		: known ? "bad"
			: "dim");
	html_text(out, answer_text(one, "state"));
	fputs("</span>", out);
	if (known) {
		fputs(" for ", out);
		html_age(out, answer_number(one, "for_s"));
	}
	fputs("<small>tried ", out);
	html_age(out, answer_number(one, "tried_s"));
	fputs(" ago</small>", out);
	html_end_cell(out);
	html_number_cell(out, "Open", answer_number(one, "connections"));
	html_number_cell(out, "Connected", answer_number(one, "connected"));
	put_bad_number(out, "Failed", answer_number(one, "failed"));
	put_bad_number(out, "In a row", answer_number(one, "failed_in_a_row"));
	html_cell(out, "Last error", "wide");
	html_text(out, error);
	html_end_cell(out);
	fputs("</tr>\n", out);
}

void
home_upstreams(FILE *out, const json_t *listeners, const json_t *connectors)
{
	static const char *const heads[] = { "Upstream", "Of", "State", "#Open",
		"#Connected", "#Failed", "#In a row", "Last error", NULL };

	if (each_of(NULL, listeners, "upstreams", NULL) +
		each_of(NULL, connectors, "upstreams", NULL) ==
	    0)
		return;
	home_table(out, "Upstreams", heads);
	each_of(out, listeners, "upstreams", put_upstream);
	each_of(out, connectors, "upstreams", put_upstream);
	home_end_table(out);
}

static void
put_certificate(FILE *out, const json_t *endpoint, const json_t *one)
{
	const json_t *names = json_object_get(one, "names");
	long long days = answer_number(one, "days");

	fputs("<tr>", out);
	html_cell(out, "Certificate", "name");
	html_text(out, answer_text(endpoint, "name"));
	putc(' ', out);
	html_text(out, answer_text(one, "group"));
	html_end_cell(out);
	html_cell(out, "For", "wide");
	if (json_array_size(names) == 0)
		fputs("<span class=\"dim\">every name</span>", out);
	for (size_t i = 0; i < json_array_size(names); i++) {
		fputs(i > 0 ? ", " : "", out);
		html_text(out, answer_string(json_array_get(names, i)));
	}
	html_end_cell(out);
	html_text_cell(out, "Ends", answer_text(one, "ends"));
	html_cell(out, "Days left",
	    days < DAYS_BAD	   ? "n bad"
		: days < DAYS_WARN ? "n warn"
				   : "n good");
	html_number(out, days);
	html_end_cell(out);
	fputs("</tr>\n", out);
}

void
home_certificates(FILE *out, const json_t *listeners, const json_t *connectors)
{
	static const char *const heads[] = { "Certificate", "For", "Ends",
		"#Days left", NULL };

	if (each_of(NULL, listeners, "certificates", NULL) +
		each_of(NULL, connectors, "certificates", NULL) ==
	    0)
		return;
	home_table(out, "Certificates", heads);
	each_of(out, listeners, "certificates", put_certificate);
	each_of(out, connectors, "certificates", put_certificate);
	home_end_table(out);
}

static size_t
each_counter(FILE *out, const json_t *endpoints)
{
	const json_t *one, *counters;
	size_t count = 0;
	const char *name;
	json_t *value;

	for (size_t i = 0; i < json_array_size(endpoints); i++) {
		one = json_array_get(endpoints, i);
		counters =
		    json_object_get(json_object_get(one, "counts"), "counters");
		count += json_object_size(counters);
		if (out == NULL)
			continue;
		json_object_foreach((json_t *)(uintptr_t)counters, name,
		    value) {
			fputs("<tr>", out);
			html_cell(out, "Counter", "name");
			html_text(out, name);
			html_end_cell(out);
			html_text_cell(out, "Of", answer_text(one, "name"));
			html_number_cell(out, "Count",
			    json_integer_value(value));
			fputs("</tr>\n", out);
		}
	}
	return count;
}

void
home_counters(FILE *out, const json_t *listeners, const json_t *connectors)
{
	static const char *const heads[] = { "Counter", "Of", "#Count", NULL };

	if (each_counter(NULL, listeners) + each_counter(NULL, connectors) == 0)
		return;
	home_table(out, "What plugins count", heads);
	each_counter(out, listeners);
	each_counter(out, connectors);
	home_end_table(out);
}
