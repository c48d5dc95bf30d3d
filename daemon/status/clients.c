/* clients.c: accepts, and ends what takes too long or too much. */

#include "status/clients.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define LISTENING_MAX 64
#define ACCEPTS_PER_PASS 16
#define TICK_MS 500
#define PAUSE_MS 500	     /* out of descriptors or memory */
#define LINGER_MS 1000	     /* for what a client still sends */
#define DROP_MAX (256 << 10) /* bytes of that */
/* What the kernel keeps of an answer; a page does not have to fit. */
#define SEND_BUFFER (64 << 10)

static const char too_late[] = "HTTP/1.1 408 Request Timeout\r\n"
			       "Content-Type: text/plain; charset=utf-8\r\n"
			       "Connection: close\r\n"
			       "\r\n"
			       "the request did not come within 10 s\n";
_Static_assert(CLIENT_MS == 10000, "the answer says so");
static const char not_http[] = "HTTP/1.1 400 Bad Request\r\n"
			       "Content-Type: text/plain; charset=utf-8\r\n"
			       "Connection: close\r\n"
			       "\r\n"
			       "this is not a request of HTTP/1.1\n";

static struct {
	struct event_base *base;
	const struct clients_ops *ops;
	struct event *tick, *pause;
	struct event *listening[LISTENING_MAX];
	unsigned int listening_count, count;
	bool paused, leaving;
	TAILQ_HEAD(, client) list; /* the oldest first */
} clients = { .list = TAILQ_HEAD_INITIALIZER(clients.list) };

static const struct timeval tick_every = { 0, TICK_MS * 1000 };
static const struct timeval pause_for = { 0, PAUSE_MS * 1000 };

static void
resume(void)
{
	if (!clients.paused)
		return;
	clients.paused = false;
	event_del(clients.pause);
	for (unsigned int i = 0; i < clients.listening_count; i++)
		event_add(clients.listening[i], NULL);
}

static void
pause_accept(void)
{
	clients.paused = true;
	for (unsigned int i = 0; i < clients.listening_count; i++)
		event_del(clients.listening[i]);
	event_add(clients.pause, &pause_for);
}

static void
clients_pause_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	resume();
}

static void
client_free(struct client *client)
{
	TAILQ_REMOVE(&clients.list, client, link);
	clients.count--;
	if (client->readable != NULL)
		event_free(client->readable);
	if (client->fd != -1)
		close(client->fd);
	free(client);
	resume();
	if (clients.leaving && clients.count == 0)
		clients.ops->on_left();
}

static void
client_read_cb(evutil_socket_t fd, short what, void *arg)
{
	struct client *client = arg;
	char away[4096];
	ssize_t got = recv(fd, away, sizeof(away), MSG_DONTWAIT);

	(void)what;
	if (got == -1 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		client->dropped += (size_t)got;
	if (got <= 0 || client->dropped > DROP_MAX)
		client_free(client);
}

/*
 * libmicrohttpd answers some requests that it does not understand, and closes
 * after others: then we answer.  (On a unix socket the kernel does not tell.)
 */
static void
answer_nonsense(const struct client *client)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (client->state == CLIENT_ASKS &&
	    getsockopt(client->fd, IPPROTO_TCP, TCP_INFO, &info, &length) ==
		0 &&
	    length >= offsetof(struct tcp_info, tcpi_bytes_sent) +
		    sizeof(info.tcpi_bytes_sent) &&
	    info.tcpi_bytes_sent == 0 && info.tcpi_bytes_received > 0)
		send(client->fd, not_http, sizeof(not_http) - 1,
		    MSG_DONTWAIT | MSG_NOSIGNAL);
}

void
client_closed(struct client *client)
{
	uint64_t until = clock_ms() + LINGER_MS;

	if (client->cut) {
		client_free(client);
		return;
	}
	answer_nonsense(client);
	client->state = CLIENT_ENDS;
	client->connection = NULL;
	if (client->due_ms > until)
		client->due_ms = until;
	shutdown(client->fd, SHUT_WR);
	client->readable = event_new(clients.base, client->fd,
	    EV_READ | EV_PERSIST, client_read_cb, client);
	if (client->readable == NULL || event_add(client->readable, NULL) == -1)
		client_free(client);
}

void
client_cut(struct client *client)
{
	client->cut = true;
	shutdown(client->fd, SHUT_RDWR);
}

/* Of whoever has the most connections, the oldest; NULL: all wait for news. */
static struct client *
whom_to_cut(void)
{
	struct client *one, *other, *found = NULL;
	unsigned int most = 0, has;

	TAILQ_FOREACH(one, &clients.list, link) {
		if (one->state == CLIENT_WAITS)
			continue;
		has = 0;
		TAILQ_FOREACH(other, &clients.list, link)
			has += memcmp(one->address, other->address,
				   sizeof(one->address)) == 0;
		if (has > most) {
			most = has;
			found = one;
		}
	}
	return found;
}

/* false: not now. */
static bool
make_room(void)
{
	struct client *client;

	if (clients.count < CLIENTS_MAX)
		return true;
	client = whom_to_cut();
	if (client == NULL)
		return false;
	if (client->state == CLIENT_ENDS) {
		client_free(client);
		return true;
	}
	client_cut(client);
	clients.ops->on_shut();
	return clients.count < CLIENTS_MAX;
}

static void
note_address(struct client *client, const struct sockaddr *from)
{
	const struct sockaddr_in *in = (const void *)from;
	const struct sockaddr_in6 *in6 = (const void *)from;

	if (from->sa_family == AF_INET)
		memcpy(client->address, &in->sin_addr, sizeof(in->sin_addr));
	else if (from->sa_family == AF_INET6)
		memcpy(client->address, &in6->sin6_addr,
		    sizeof(client->address));
}

/* Takes fd over.  false: out of descriptors or memory. */
static bool
add_client(int fd, const struct sockaddr *from, socklen_t length)
{
	struct client *client = calloc(1, sizeof(*client));
	int size = SEND_BUFFER;

	if (client != NULL)
		client->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (client == NULL || client->fd == -1) {
		free(client);
		close(fd);
		return false;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	client->due_ms = clock_ms() + CLIENT_MS;
	note_address(client, from);
	TAILQ_INSERT_TAIL(&clients.list, client, link);
	clients.count++;
	if (clients.ops->on_client(client, fd, from, length))
		return true;
	client_free(client);
	return false;
}

static void
clients_accept_cb(evutil_socket_t listening, short what, void *arg)
{
	struct sockaddr_storage from;
	socklen_t length;
	bool room = true;
	int fd = -1;

	(void)what;
	(void)arg;
	for (unsigned int i = 0; i < ACCEPTS_PER_PASS && room; i++) {
		if (!make_room())
			break;
		memset(&from, 0, sizeof(from));
		length = sizeof(from);
		fd = accept4(listening, (struct sockaddr *)&from, &length,
		    SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd == -1 && (errno == EAGAIN || errno == EINTR))
			return;
		if (fd == -1 && errno == ECONNABORTED)
			continue;
		room = fd != -1 &&
		    add_client(fd, (struct sockaddr *)&from, length);
	}
	if (!room || clients.count >= CLIENTS_MAX)
		pause_accept();
}

/* libmicrohttpd sees the end of the connection then. */
static void
end_with(struct client *client, const char *answer)
{
	send(client->fd, answer, strlen(answer), MSG_DONTWAIT | MSG_NOSIGNAL);
	client->due_ms = UINT64_MAX; /* client_closed() sets another */
	shutdown(client->fd, SHUT_RDWR);
}

static void
expire(struct client *client)
{
	if (client->state == CLIENT_ENDS)
		client_free(client);
	else
		end_with(client, client->state == CLIENT_ASKS ? too_late : "");
}

/*
 * libmicrohttpd does not notice an end that comes together with the last bytes,
 * if it has had the event of these: it would wait for the rest.
 */
static bool
has_ended(const struct client *client)
{
	char byte;

	return recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

static void
clients_tick_cb(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now = clock_ms();
	struct client *client, *next;

	(void)fd;
	(void)what;
	(void)arg;
	event_add(clients.tick, &tick_every);
	for (client = TAILQ_FIRST(&clients.list); client != NULL;
	     client = next) {
		next = TAILQ_NEXT(client, link);
		if (client->due_ms <= now && client->state != CLIENT_WAITS)
			expire(client);
		else if (client->state == CLIENT_ASKS && has_ended(client))
			end_with(client, not_http);
	}
	clients.ops->on_shut();
}

void
clients_each(enum client_state state, void (*call)(struct client *client))
{
	struct client *client, *next;

	for (client = TAILQ_FIRST(&clients.list); client != NULL;
	     client = next) {
		next = TAILQ_NEXT(client, link);
		if (client->state == state)
			call(client);
	}
}

int
clients_listen(int fd)
{
	struct event *readable;

	if (clients.listening_count == LISTENING_MAX) {
		log_warnx("more than %d addresses: the rest is not served",
		    LISTENING_MAX);
		close(fd);
		return 0;
	}
	readable = event_new(clients.base, fd, EV_READ | EV_PERSIST,
	    clients_accept_cb, NULL);
	if (readable == NULL || event_add(readable, NULL) == -1)
		return -1;
	clients.listening[clients.listening_count++] = readable;
	return 0;
}

static void
stop_listening(void)
{
	for (unsigned int i = 0; i < clients.listening_count; i++) {
		close(event_get_fd(clients.listening[i]));
		event_free(clients.listening[i]);
	}
	clients.listening_count = 0;
}

void
clients_leave(void)
{
	stop_listening();
	clients.leaving = true;
	if (clients.count == 0)
		clients.ops->on_left();
}

int
clients_init(struct event_base *base, const struct clients_ops *ops)
{
	clients.base = base;
	clients.ops = ops;
	clients.tick = event_new(base, -1, 0, clients_tick_cb, NULL);
	clients.pause = event_new(base, -1, 0, clients_pause_cb, NULL);
	if (clients.tick == NULL || clients.pause == NULL)
		return -1;
	return event_add(clients.tick, &tick_every);
}

void
clients_done(void)
{
	struct client *client;

	while ((client = TAILQ_FIRST(&clients.list)) != NULL)
		client_free(client);
	stop_listening();
	if (clients.tick != NULL)
		event_free(clients.tick);
	if (clients.pause != NULL)
		event_free(clients.pause);
}
