/* tickets.c: makes the keys, and a new one every 12 hours. */

#include "master/tickets.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "config/secret.h"
#include "config/ticket_keys.h"
#include "master/event_in.h"

/*
 * A ticket can be opened by its key and the next two, so a session can be
 * resumed for a day at least.
 */
#define ROTATE_MS (12u * 60 * 60 * 1000)

/* No event tells when there are memory and descriptors again. */
#define RETRY_MS 1000

#define KEYS_SIZE ((size_t)TICKET_KEYS_MAX * TICKET_KEY_SIZE)

struct tickets {
	struct secret *keys;
	int fd; /* the same, sealed */
	uint32_t number;
	struct event *timer; /* of the next key */
	struct event *retry; /* not all have got these */
	int (*on_change)(void *arg);
	void *arg;
};

/* 0, or -1 with errno. */
static int
fill(char *bytes, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = getrandom(bytes, len, 0);
		if (n == -1 && errno == EINTR)
			continue;
		if (n == -1)
			return -1;
		bytes += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Seal the keys anew.  0, or -1 with err. */
static int
seal(struct tickets *tickets, struct error *err)
{
	int fd = secret_seal(tickets->keys, err);

	if (fd == -1)
		return -1;
	if (tickets->fd != -1)
		close(tickets->fd);
	tickets->fd = fd;
	tickets->number++;
	return 0;
}

void
tickets_lost(struct tickets *tickets)
{
	/* However often it is said, the rest does not have to wait for longer. */
	if (!event_pending(tickets->retry, EV_TIMEOUT, NULL))
		event_in(tickets->retry, RETRY_MS);
}

static void
hand_out(struct tickets *tickets)
{
	if (tickets->on_change(tickets->arg) == -1)
		tickets_lost(tickets);
}

static void
retry_cb(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	hand_out(arg);
}

void
tickets_rotate(struct tickets *tickets)
{
	struct secret *next = secret_new(KEYS_SIZE), *before = tickets->keys;
	struct error err;

	if (next == NULL || fill(next->bytes, TICKET_KEY_SIZE) == -1) {
		log_error("cannot make a new key for TLS session tickets; "
			  "keeping the one that is in use");
		secret_free(next);
		return;
	}
	memcpy(next->bytes + TICKET_KEY_SIZE, before->bytes,
	    KEYS_SIZE - TICKET_KEY_SIZE);
	next->len = KEYS_SIZE;
	tickets->keys = next;
	if (seal(tickets, &err) == -1) {
		log_errorx("TLS session tickets: %s; keeping the key that is "
			   "in use",
		    err.text);
		tickets->keys = before;
		secret_free(next);
		return;
	}
	secret_free(before);
	hand_out(tickets);
}

static void
rotate_cb(evutil_socket_t fd, short what, void *arg)
{
	struct tickets *tickets = arg;

	(void)fd;
	(void)what;
	event_in(tickets->timer, ROTATE_MS);
	tickets_rotate(tickets);
}

struct tickets *
tickets_new(struct event_base *base, int (*on_change)(void *arg), void *arg)
{
	struct tickets *tickets = calloc(1, sizeof(*tickets));
	struct error err;

	if (tickets == NULL)
		return NULL;
	tickets->fd = -1;
	tickets->on_change = on_change;
	tickets->arg = arg;
	tickets->keys = secret_new(KEYS_SIZE);
	tickets->timer = event_new(base, -1, 0, rotate_cb, tickets);
	tickets->retry = event_new(base, -1, 0, retry_cb, tickets);
	/* Older keys do not exist yet; random ones in their place open no ticket. */
	if (tickets->keys == NULL || tickets->timer == NULL ||
	    tickets->retry == NULL ||
	    fill(tickets->keys->bytes, KEYS_SIZE) == -1) {
		tickets_free(tickets);
		return NULL;
	}
	tickets->keys->len = KEYS_SIZE;
	if (seal(tickets, &err) == -1) {
		log_errorx("TLS session tickets: %s", err.text);
		tickets_free(tickets);
		return NULL;
	}
	event_in(tickets->timer, ROTATE_MS);
	return tickets;
}

int
tickets_take_over(struct tickets *tickets, int fd)
{
	struct error err;
	struct secret *keys = secret_read(fd, &err), *before = tickets->keys;

	if (keys != NULL && keys->len == KEYS_SIZE) {
		tickets->keys = keys;
		if (seal(tickets, &err) == 0) {
			secret_free(before);
			return 0;
		}
		tickets->keys = before;
	} else if (keys != NULL) {
		error_set(&err, "the keys have another size");
	}
	secret_free(keys);
	log_warnx("TLS session tickets: cannot take over the keys of the "
		  "program before this one: %s; sessions begin anew",
	    err.text);
	return -1;
}

void
tickets_free(struct tickets *tickets)
{
	if (tickets == NULL)
		return;
	if (tickets->timer != NULL)
		event_free(tickets->timer);
	if (tickets->retry != NULL)
		event_free(tickets->retry);
	if (tickets->fd != -1)
		close(tickets->fd);
	secret_free(tickets->keys);
	free(tickets);
}

int
tickets_fd(const struct tickets *tickets)
{
	return tickets->fd;
}

uint32_t
tickets_number(const struct tickets *tickets)
{
	return tickets->number;
}
