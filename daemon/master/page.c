/*
 * page.c: the life of the status process.  It reads what anybody sends, so it
 * is trusted with nothing: it can ask what control_words.c says it may, and it
 * is killed when it says anything else, or nothing for too long.
 */

#include "master/page.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "ipc/msg.h"
#include "master/aside.h"
#include "master/child.h"
#include "master/control.h"
#include "master/control_conn.h"
#include "master/event_in.h"
#include "master/gen.h"
#include "master/sockets.h"

#define SILENT_MS 15000	 /* it asks every 5 s */
#define ENDING_MS 1000	 /* once it cannot ask any more */
#define LEAVING_MS 11000 /* its clients have 10 s */
#define BACKOFF_FIRST_MS 100
#define BACKOFF_MAX_MS 10000
#define BACKOFF_RESET_MS 60000 /* it has lived for so long */

struct page_process {
	struct page *page;
	struct child *child;	   /* NULL: it does not run */
	struct control_conn *asks; /* NULL: it has left that */
};

struct page {
	struct event_base *base;
	struct children *children;
	const struct control_subject *subject;
	struct event *again; /* starts it again */
	struct gen *gen;     /* that is committed; NULL: none yet */
	/* The sockets that are served: a generation that ends drops its own. */
	struct sock **socks;
	uint32_t sock_count;
	enum log_format format;
	bool piped; /* it began when the log led to the log process */
	struct page_process now;
	struct page_process old; /* it accepts no more, and serves the rest */
	unsigned int backoff_ms;
	uint64_t born_ms;
};

static void
drop_questions(struct page_process *process)
{
	if (process->asks != NULL)
		control_conn_free(process->asks);
	process->asks = NULL;
}

static void
end_process(struct page_process *process)
{
	child_free(process->child);
	process->child = NULL;
	drop_questions(process);
}

static void
start_again(struct page *page, const char *why)
{
	char time[TIME_TEXT_MAX];

	page->backoff_ms =
	    page->backoff_ms == 0 ? BACKOFF_FIRST_MS : 2 * page->backoff_ms;
	if (page->backoff_ms > BACKOFF_MAX_MS)
		page->backoff_ms = BACKOFF_MAX_MS;
	log_warnx("status page: %s; starting it again in %s", why,
	    duration_text(page->backoff_ms, time));
	event_in(page->again, page->backoff_ms);
}

static void
on_message(void *arg, struct msg *msg)
{
	struct page_process *process = arg;

	(void)msg; /* no child can send a descriptor this way */
	child_kill(process->child, "broke the protocol");
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct page_process *process = arg;
	struct page *page = process->page;
	char why[256];

	(void)clean;
	process->child = NULL;
	drop_questions(process);
	if (process == &page->old)
		return;
	if (clock_ms() - page->born_ms >= BACKOFF_RESET_MS)
		page->backoff_ms = 0;
	snprintf(why, sizeof(why), "its process %s", how);
	start_again(page, why);
}

static const struct child_ops child_ops = {
	.on_message = on_message,
	.on_gone = on_gone,
};

static void
on_question(void *arg)
{
	struct page_process *process = arg;

	if (process == &process->page->now)
		child_deadline(process->child, SILENT_MS);
}

/*
 * It did not take the answer in time, or has closed its end: then it is probably
 * ending, and how it ended is worth more than that we have killed it.
 */
static void
on_questions_over(void *arg, struct control_conn *conn)
{
	struct page_process *process = arg;

	(void)conn;
	process->asks = NULL;
	child_deadline(process->child, ENDING_MS);
}

/* Its clients are served, but nobody else. */
static void
retire(struct page *page)
{
	const struct msg stop = { .type = MSG_STOP };

	event_del(page->again);
	if (page->now.child == NULL)
		return;
	end_process(&page->old);
	page->old = page->now;
	page->now = (struct page_process){ .page = page };
	child_pass(page->old.child, &child_ops, &page->old);
	if (page->old.asks != NULL)
		page->old.asks->arg = &page->old;
	if (child_send(page->old.child, &stop) == 0)
		child_deadline(page->old.child, LEAVING_MS);
	else
		end_process(&page->old);
}

/* Give it one end of a socket, and serve the other end.  0, or -1. */
static int
send_questions(struct page *page)
{
	struct page_process *process = &page->now;
	struct msg msg = { .type = MSG_ASK };
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		pair) == -1)
		return -1;
	aside_refuse(pair[0]);
	process->asks = control_conn_new(page->base, pair[0], page->subject,
	    on_questions_over, process);
	if (process->asks == NULL) {
		close(pair[1]);
		return -1;
	}
	process->asks->pid = child_pid(process->child);
	control_conn_stay(process->asks, on_question);
	msg.fd = pair[1];
	rc = child_send(process->child, &msg);
	close(pair[1]);
	return rc;
}

static int
send_sockets(struct page *page)
{
	struct msg msg = { .type = MSG_PAGE };

	gen_apply_page(page->gen);
	for (uint32_t i = 0; i < page->gen->page_count; i++) {
		msg.fd = sock_fd(page->gen->page[i]);
		if (child_send(page->now.child, &msg) == -1)
			return -1;
	}
	return 0;
}

static void
start(struct page *page)
{
	const struct settings *settings = page->gen->settings;
	struct hello hello = { .uid = (uint32_t)-1, .gid = (uint32_t)-1 };
	struct error err;

	if (settings->drop) {
		hello.uid = (uint32_t)settings->uid;
		hello.gid = (uint32_t)settings->gid;
	}
	hello.config = "";
	page->born_ms = clock_ms();
	page->format = log_format();
	page->piped = log_is_piped();
	page->now.child = child_spawn(page->children, "status", &hello, -1,
	    &child_ops, &page->now, &err);
	if (page->now.child == NULL) {
		start_again(page, err.text);
		return;
	}
	child_deadline(page->now.child, SILENT_MS);
	if (send_questions(page) == 0 && send_sockets(page) == 0)
		return;
	error_sys(&err, "cannot give its process what it needs");
	end_process(&page->now);
	start_again(page, err.text);
}

static void
page_again_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	start(arg);
}

static bool
same_sockets(const struct page *page, const struct gen *gen)
{
	if (page->sock_count != gen->page_count)
		return false;
	for (uint32_t i = 0; i < page->sock_count; i++)
		if (page->socks[i] != gen->page[i])
			return false;
	return true;
}

static void
drop_sockets(struct page *page)
{
	for (uint32_t i = 0; i < page->sock_count; i++)
		sock_end(page->socks[i]);
	free(page->socks);
	page->socks = NULL;
	page->sock_count = 0;
}

/* Without memory the page is served, but its process may start too often. */
static void
take_sockets(struct page *page, const struct gen *gen)
{
	page->socks = calloc(gen->page_count + 1, sizeof(struct sock *));
	for (uint32_t i = 0; page->socks != NULL && i < gen->page_count; i++)
		page->socks[page->sock_count++] = sock_ref(gen->page[i]);
}

void
page_serve(struct page *page, struct gen *gen)
{
	gen_unref(page->gen);
	page->gen = gen_ref(gen);
	if (same_sockets(page, gen) && page->format == log_format() &&
	    page->piped == log_is_piped())
		return;
	retire(page);
	drop_sockets(page);
	take_sockets(page, gen);
	page->backoff_ms = 0;
	if (gen->page_count > 0)
		start(page);
}

struct page *
page_new(struct event_base *base, struct children *children,
    const struct control_subject *subject)
{
	struct page *page = calloc(1, sizeof(*page));

	if (page == NULL)
		return NULL;
	page->base = base;
	page->children = children;
	page->subject = subject;
	page->now.page = page->old.page = page;
	page->again = event_new(base, -1, 0, page_again_cb, page);
	if (page->again == NULL) {
		free(page);
		return NULL;
	}
	return page;
}

void
page_free(struct page *page)
{
	if (page == NULL)
		return;
	end_process(&page->now);
	end_process(&page->old);
	drop_sockets(page);
	gen_unref(page->gen);
	event_free(page->again);
	free(page);
}
