/*
 * http.c: libmicrohttpd on our event loop.  It reads requests and writes
 * answers; who may be connected, and for how long, is clients.c.  A connection
 * has one request: what a client may keep open is nothing.
 */

#include "status/http.h"

#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/log.h"
#include "status/body.h"
#include "status/clients.h"
#include "status/mhd.h"
#include "status/news.h"
#include "status/pages.h"

#define REQUEST_MAX (16 << 10) /* bytes of its line and headers */
#define BODIES_MAX (8 << 20)   /* bytes of pages that are still being sent */

static struct MHD_Daemon *daemon_;
static struct event *readable, *timer;
static struct client *arriving; /* during MHD_add_connection() */
static bool running;

static void
run(void)
{
	unsigned long long ms = 0;

	if (running)
		return;
	running = true;
	mhd.run(daemon_);
	running = false;
	if (mhd.get_timeout(daemon_, &ms) == MHD_YES) {
		const struct timeval in = { (time_t)(ms / 1000),
			(suseconds_t)(ms % 1000 * 1000) };

		event_add(timer, &in);
	}
}

static void
http_run_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	run();
}

static enum MHD_Result
answer_text(struct client *client, unsigned int status, const char *text)
{
	struct MHD_Response *response = mhd.create_response_from_buffer(
	    strlen(text), (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result;

	if (response == NULL)
		return MHD_NO;
	body_add_headers(response, "text/plain; charset=utf-8");
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		mhd.add_response_header(response, "Allow", "GET, HEAD");
	client->state = CLIENT_ANSWERED;
	result = mhd.queue_response(client->connection, status, response);
	mhd.destroy_response(response);
	return result;
}

static struct body *oldest;

static void
find_oldest(struct client *client)
{
	if (client->body != NULL && oldest == NULL)
		oldest = client->body;
}

static void
cut_reader(struct client *client)
{
	if (client->body == oldest)
		client_cut(client);
}

/* Slow readers keep pages in memory: the slowest have had their time. */
static void
limit_bodies(void)
{
	if (body_bytes() <= BODIES_MAX)
		return;
	oldest = NULL;
	clients_each(CLIENT_ANSWERED, find_oldest);
	if (oldest != NULL)
		clients_each(CLIENT_ANSWERED, cut_reader);
}

static enum MHD_Result
answer_page(struct client *client)
{
	limit_bodies();
	client->body = body_get(client->page, news_last());
	if (client->body == NULL)
		return answer_text(client, MHD_HTTP_SERVICE_UNAVAILABLE,
		    "out of memory\n");
	client->state = CLIENT_ANSWERED;
	return mhd.queue_response(client->connection,
	    (unsigned int)client->body->status, client->body->response);
}

/* The head of the request is there. */
static enum MHD_Result
begin(struct client *client, const char *url, const char *method)
{
	char text[256];

	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return answer_text(client, MHD_HTTP_METHOD_NOT_ALLOWED,
		    "only GET and HEAD are served here\n");
	client->page = page_find(url,
	    mhd.lookup_connection_value(client->connection, MHD_HEADER_KIND,
		MHD_HTTP_HEADER_ACCEPT));
	if (client->page != NULL)
		return MHD_YES;
	snprintf(text, sizeof(text), "there is no such path: %s", pages_text());
	return answer_text(client, MHD_HTTP_NOT_FOUND, text);
}

static enum MHD_Result
on_request(void *arg, struct MHD_Connection *connection, const char *url,
    const char *method, const char *version, const char *data,
    size_t *data_size, void **context)
{
	const union MHD_ConnectionInfo *info = mhd.get_connection_info(
	    connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct client *client = info->socket_context;

	(void)arg;
	(void)version;
	(void)data;
	if (*context == NULL) {
		*context = client;
		return begin(client, url, method);
	}
	if (*data_size > 0) {
		*data_size = 0; /* a GET with a body: it is of no use */
		return MHD_YES;
	}
	if (client->state == CLIENT_ASKS && !news_want()) {
		client->state = CLIENT_WAITS;
		mhd.suspend_connection(connection);
		return MHD_YES;
	}
	return answer_page(client);
}

static void
resume(struct client *client)
{
	/* Not CLIENT_ASKS: whatever the news are, they are the answer. */
	client->state = CLIENT_ANSWERED;
	mhd.resume_connection(client->connection);
}

void
http_answer_waiting(void)
{
	clients_each(CLIENT_WAITS, resume);
	run();
}

static void
on_connection(void *arg, struct MHD_Connection *connection, void **context,
    enum MHD_ConnectionNotificationCode what)
{
	struct client *client = *context;

	(void)arg;
	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		arriving->connection = connection;
		*context = arriving;
		return;
	}
	if (client == arriving) {
		client->connection = NULL; /* on_client() sees to it */
		return;
	}
	body_unref(client->body);
	client->body = NULL;
	client_closed(client);
}

static bool
on_client(struct client *client, int fd, const struct sockaddr *from,
    socklen_t length)
{
	arriving = client;
	/* It closes fd if it cannot serve it. */
	mhd.add_connection(daemon_, fd, from, length);
	arriving = NULL;
	if (client->connection == NULL)
		return false;
	run();
	return true;
}

static void (*left)(void);

static void
on_left(void)
{
	left();
}

void
http_leave(void (*on_left_)(void))
{
	left = on_left_;
	clients_leave();
}

const struct clients_ops http_clients_ops = {
	.on_client = on_client,
	.on_shut = run,
	.on_left = on_left,
};

/* What it says is about single clients. */
static void __attribute__((format(printf, 2, 0)))
on_log(void *arg, const char *fmt, va_list ap)
{
	(void)arg;
	log_vat(LOG_LEVEL_DEBUG, fmt, ap);
}

int
http_init(struct event_base *base, struct error *err)
{
	const union MHD_DaemonInfo *info;

	if (mhd_load(err) == -1)
		return -1;
	daemon_ = mhd.start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET |
		MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
		/* It leaves shutdown(2) to us: see clients.c. */
		MHD_USE_TURBO,
	    0, NULL, NULL, on_request, NULL, MHD_OPTION_EXTERNAL_LOGGER, on_log,
	    NULL, MHD_OPTION_NOTIFY_CONNECTION, on_connection, NULL,
	    MHD_OPTION_CONNECTION_LIMIT, CLIENTS_MAX + 1u,
	    MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)REQUEST_MAX,
	    MHD_OPTION_CONNECTION_TIMEOUT, 2u * CLIENT_MS / 1000,
	    MHD_OPTION_END);
	if (daemon_ == NULL)
		return error_set(err, "libmicrohttpd does not start");
	info = mhd.get_daemon_info(daemon_, MHD_DAEMON_INFO_EPOLL_FD);
	readable = event_new(base, info->epoll_fd, EV_READ | EV_PERSIST,
	    http_run_cb, NULL);
	timer = event_new(base, -1, 0, http_run_cb, NULL);
	if (readable == NULL || timer == NULL ||
	    event_add(readable, NULL) == -1)
		return error_set(err, "out of memory");
	return 0;
}

void
http_done(void)
{
	if (daemon_ != NULL) {
		/* It cannot end a connection that is suspended. */
		http_answer_waiting();
		mhd.stop_daemon(daemon_);
	}
	body_forget();
	if (readable != NULL)
		event_free(readable);
	if (timer != NULL)
		event_free(timer);
}
