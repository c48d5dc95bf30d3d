/*
 * pair.h: a client and its upstream, for the files that deal with the two.  From
 * the lowest to the highest: seek.c, check.c, pair.c.
 */

#ifndef PAIR_H
#define PAIR_H

#include "proxy.h"

/* Until the two are joined. */
struct attempt {
	struct tried tried;
	uint64_t began_ms;	 /* with this upstream */
	uint64_t waits_since_ms; /* until it may connect */
	bool is_trial;		 /* of an upstream that is out */
	uint16_t failures;	 /* that the upstream had before this */
	bool awaits_hello;	 /* of TLS, for the name in it */
	char name[HELLO_NAME_BYTES];
	char last[WHY_BYTES];
};

/* From the first `close` of the two to the second. */
struct ending {
	const char *by;
	uint64_t in, out;
	char client[NAME_BYTES];
	char why[WHY_BYTES];
};

/* sl_data() of both connections, and of a check, which has no client. */
struct pair {
	struct sl_conn *client; /* NULL: it has closed */
	struct sl_conn *up;
	struct upstream *upstream; /* `up` is counted there */
	struct attempt *attempt;   /* NULL: they are joined */
	struct ending *ending;
	uint64_t began_ms;
	uint32_t connect_ms;
	uint8_t tries;
	bool opened; /* `up` was: its `close` follows */
	bool ready;  /* and is ready for the client */
	bool is_check;
	bool told; /* the log says why it has no upstream */
};

static inline const struct proxy *
proxy_of(struct sl_conn *c)
{
	return sl_service_data(sl_service(c));
}

/* Add 1 to the service's counter of this name. */
static inline void
pair_count(struct sl_conn *c, const char *name)
{
	sl_count(sl_service(c), name, 1);
}

/* -- seek.c: an upstream for the client -- */

/* Find the first one, perhaps when the client has said what it wants. */
void seek_begin(struct pair *pair);
/* Bytes of the client while `awaits_hello`; they are not consumed. */
void seek_name(struct pair *pair, const void *buf, size_t len);
/* The client has ended while `awaits_hello`. */
void seek_end(struct pair *pair);
/* The connection to the upstream is over, or was never made. */
void seek_leave(struct pair *pair);
/* If the upstream was a trial, that is over. */
void seek_end_trial(struct pair *pair);
/* It has failed before anything was sent: try the next one, or give up. */
void seek_next(struct pair *pair, const char *text);
/* This worker cannot connect, whatever the upstream is like. */
void seek_give_up(struct pair *pair, const char *text);

/* -- check.c: is an upstream there? -- */

void check_answered(struct sl_conn *c);
void check_failed(struct sl_conn *c, const struct sl_error *err);
void check_closed(struct sl_conn *c);

/* Was it the upstream that failed, and not this worker? */
bool is_upstreams_fault(const struct sl_error *err);

#endif
