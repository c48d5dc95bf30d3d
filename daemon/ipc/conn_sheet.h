/*
 * conn_sheet.h: a question about the connections of a worker, and its answer.
 * Both stand in one memfd, the sheet: the master writes the query, the worker
 * fills in the rest and says that it is done.  What a worker has written is not
 * trusted: use conn_sheet_row(), which makes sure that texts end.
 */

#ifndef SLUICE_CONN_SHEET_H
#define SLUICE_CONN_SHEET_H

#include <stdbool.h>
#include <stdint.h>

#include "config/address.h"
#include "config/network.h"
#include "config/settings.h"

#define CONN_SHEET_ROWS_MAX 10000
#define CONN_SHEET_IDS_MAX 200 /* of one query */

enum conn_state {
	CONN_STATE_ANY, /* in a query */
	CONN_STATE_CONNECTING,
	CONN_STATE_HANDSHAKE,
	CONN_STATE_OPEN,
	CONN_STATE_READ_CLOSED,
	CONN_STATE_WRITE_CLOSED,
	CONN_STATE_CLOSING,
	CONN_STATES
};
/* "read-closed"; "any" for all others. */
const char *conn_state_word(uint32_t state);
/* CONN_STATES: there is none of that name. */
enum conn_state conn_state_of(const char *word);

/* Which come first. */
enum conn_sort {
	CONN_SORT_AGE,	 /* the oldest */
	CONN_SORT_IDLE,	 /* those without traffic for longest */
	CONN_SORT_IN,	 /* those that have sent us most */
	CONN_SORT_OUT,	 /* those that we have sent most */
	CONN_SORT_QUEUE, /* those that take their output most slowly */
	CONN_SORT_RATE,	 /* those with the most bytes a second, both ways */
	CONN_SORTS
};
enum conn_sort conn_sort_of(const char *word); /* or CONN_SORTS */

struct conn_query {
	char listener[LISTENER_NAME_MAX + 1]; /* or connector; "": any */
	struct network network;		      /* of the peer */
	bool has_network;
	uint32_t state;	   /* enum conn_state */
	uint32_t sort;	   /* enum conn_sort */
	uint32_t most;	   /* rows to fill in */
	bool kill;	   /* end those that match, and fill in no rows */
	uint32_t id_count; /* 0: all that match */
	uint64_t ids[CONN_SHEET_IDS_MAX];
};

struct conn_row {
	uint64_t score; /* rows come in falling order of it */
	uint64_t id;
	uint64_t age_ms, idle_ms;
	uint64_t bytes_in, bytes_out;
	uint64_t queued; /* output that the kernel has not taken */
	uint64_t kept;	 /* input that the plugin has not consumed */
	uint32_t state;	 /* enum conn_state */
	uint32_t code;	 /* the generation that brought its code */
	bool outgoing;
	char listener[LISTENER_NAME_MAX + 1];
	char peer[ADDRESS_TEXT_MAX];
	char tls[16]; /* "TLSv1.3"; "": none */
	char plugin[64], version[32];
};

struct conn_sheet {
	struct conn_query query;
	uint64_t matched; /* connections, also those without a row */
	uint32_t rows;
	struct conn_row row[];
};

/* Bytes a second over the age, which counts as one second at least. */
uint64_t conn_rate(uint64_t bytes, uint64_t age_ms);

/* How many bytes a sheet with room for these rows has. */
#define CONN_SHEET_SIZE(most) \
	(sizeof(struct conn_sheet) + (size_t)(most) * sizeof(struct conn_row))

/*
 * Make one; it cannot change its size.  The rest of the query must be valid.
 * -1: errno.
 */
int conn_sheet_new(const struct conn_query *query);
/*
 * Worker: map one.  NULL: errno; EINVAL: it is none.  munmap() it with
 * CONN_SHEET_SIZE(query.most).
 */
struct conn_sheet *conn_sheet_map(int fd);
/*
 * Master: how many rows were filled in, and how many connections have matched.
 * 0, or -1: what stands there cannot be.
 */
int conn_sheet_result(int fd, uint32_t most, uint32_t *ret_rows,
    uint64_t *ret_matched);
/* Master: row i.  0, or -1: what stands there cannot be. */
int conn_sheet_row(int fd, uint32_t i, struct conn_row *ret);

#endif
