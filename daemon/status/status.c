/*
 * status.c: the status process: serves the page, the metrics and the probes of
 * load balancers.  It has no privileges and no secrets.  What it serves it asks
 * of the master, over a socket where it can change nothing.
 */

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/fail.h"
#include "base/log.h"
#include "base/log_libevent.h"
#include "base/roles.h"
#include "ipc/answers.h"
#include "ipc/channel.h"
#include "ipc/hello.h"
#include "ipc/msg.h"
#include "ipc/privileges.h"
#include "status/clients.h"
#include "status/history.h"
#include "status/http.h"
#include "status/news.h"

static struct event_base *base;

static void
end(void)
{
	event_base_loopbreak(base);
}

static void
on_message(void *arg, struct msg *msg)
{
	int rc = 0;

	(void)arg;
	if (msg->type == MSG_STOP)
		http_leave(end);
	/* Without a descriptor: it was lost, since we have too many. */
	else if (msg->fd == -1)
		rc = fail(EMFILE);
	else if (msg->type == MSG_ASK)
		rc = news_connect(msg->fd);
	else if (msg->type == MSG_PAGE)
		rc = clients_listen(msg->fd);
	else
		close(msg->fd);
	if (rc == 0)
		return;
	log_error("cannot serve the status page");
	event_base_loopbreak(base);
}

/*
 * The master is gone, or another program by now: whoever is connected is
 * served.
 */
static void
on_close(void *arg, const struct error *err)
{
	(void)arg;
	if (err != NULL) {
		log_errorx("the master sent %s", err->text);
		end();
	} else {
		http_leave(end);
	}
}

static const struct channel_ops channel_ops = {
	.on_message = on_message,
	.on_close = on_close,
};

static void
on_news(void *arg)
{
	(void)arg;
	http_answer_waiting();
}

static void
on_point(void *arg)
{
	(void)arg;
	history_note(news_last()->status, clock_ms());
}

static void
on_lost(void *arg)
{
	(void)arg;
	http_leave(end);
}

static const struct news_ops news_ops = {
	.on_news = on_news,
	.on_point = on_point,
	.on_lost = on_lost,
};

static int
init(struct error *err)
{
	log_libevent();
	base = event_base_new();
	if (base == NULL || news_init(base, &news_ops, NULL) == -1 ||
	    clients_init(base, &http_clients_ops) == -1)
		return error_set(err, "out of memory");
	return http_init(base, err);
}

int
status_main(void)
{
	struct answers *answers;
	struct channel *channel = NULL;
	struct hello hello;
	struct error err;

	if (hello_receive(&hello, NULL, &answers) == -1)
		return EXIT_FAILURE;
	if (privileges_drop(&hello, SIGKILL, &err) == -1) {
		log_errorx("%s", err.text);
		return EXIT_FAILURE;
	}
	log_never_wait();
	if (init(&err) == 0) {
		channel = channel_new(base, CHANNEL_CHILD, CHILD_CHANNEL_FD,
		    answers, &channel_ops, NULL);
		if (channel == NULL)
			error_sys(&err, "cannot hear the master");
	}
	if (channel == NULL) {
		log_errorx("cannot serve the status page: %s", err.text);
		return EXIT_FAILURE;
	}
	event_base_dispatch(base);
	http_done();
	clients_done();
	news_done();
	history_forget();
	channel_free(channel);
	event_base_free(base);
	return EXIT_SUCCESS;
}
