/*
 * conn.h: one connection.  It owns its socket, its queue and the input a
 * plugin has not consumed yet, and borrows its service.
 *
 * A connection is two halves, in and out.  Calls and events move a half
 * (conn_set_in, conn_set_out); what follows from the move is done by
 * conn_settle(), which never runs under a callback.
 *
 * Each of the conn files calls what stands above it here, and nothing below.
 */

#ifndef SLUICE_CONN_H
#define SLUICE_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sluice.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "worker/admission.h"
#include "worker/ids.h"
#include "worker/input.h"
#include "worker/plugin_timer.h"
#include "worker/queue.h"
#include "worker/service.h"
#include "worker/timers.h"
#include "worker/transport.h"

struct endpoint;
struct listener;

enum half {
	HALF_OPEN,   /* in: the plugin reads; out: the plugin may write */
	HALF_DRAIN,  /* in: what comes is dropped; out: flush, then finish */
	HALF_CLOSED, /* end of file, either way */
};

/* What an idle connection has none of; see conn_turn.c. */
enum mark {
	MARK_EOF = 1 << 0, /* the peer finished */
	MARK_PAUSED = 1 << 1,
	MARK_BLOCKED = 1 << 2,	     /* the kernel took too little */
	MARK_DRAIN_OWED = 1 << 3,    /* a write came up short */
	MARK_REPRESENT = 1 << 4,     /* show the kept input again */
	MARK_SALVAGE = 1 << 5,	     /* output failed: read the rest */
	MARK_STARVED = 1 << 6,	     /* blocked: the kernel has no memory */
	MARK_INPUT_STARVED = 1 << 7, /* the same for reading */
	MARK_READ_ON = 1 << 8,	 /* there is input of which no event tells */
	MARK_STARTING = 1 << 9,	 /* not open yet: no byte is read or sent */
	MARK_DEADLINE = 1 << 10, /* one was set anew: so must be the timer */
};

/* Both addresses as text, made when first asked for. */
struct conn_names;

/* What few connections have, or few at a time. */
struct extra {
	struct conn_names *names;
	uint64_t rate_ms;      /* limits.min_rate: since when, and */
	int64_t rate_acked;    /* what the peer had then */
	uint32_t rate_waiting; /* not acknowledged then */
	bool rate_blocked;     /* there was no room then */
};

/* Why it ended; the first one stands. */
struct ending {
	uint16_t why; /* enum sl_why; SL_WHY_NONE: not ending */
	uint16_t stage;
	int32_t sys_errno;
};

union peer {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct sl_conn {
	struct event event;
	struct stream stream;
	struct endpoint *endpoint;
	struct sl_service *service; /* the version that serves it */
	TAILQ_ENTRY(sl_conn) link;  /* all of its listener */
	STAILQ_ENTRY(sl_conn) next; /* pending or dead */
	struct id_entry id;
	void *data; /* the plugin's */
	struct queue queue;
	struct input *input; /* NULL: nothing kept */
	uint64_t bytes_in, bytes_out;
	uint64_t idle_ms; /* when own_idle; 0: no idle timeout */
	uint64_t opened_ms;
	uint64_t active_ms;	      /* last input, or output that arrived */
	uint64_t progress_ms;	      /* output last moved, or began to wait */
	uint64_t closing_ms;	      /* a polite end began; 0: it has not */
	int64_t acked;		      /* bytes the peer had at the last look */
	struct timer timer;	      /* the earliest of all deadlines */
	struct extra *extra;	      /* NULL: none so far */
	struct plugin_timers *timers; /* NULL: none so far */
	struct ending ending;
	struct ending fault; /* what `error` will be told, if anything */
	union peer peer;
	struct seat seat;
	uint32_t waiting; /* not acknowledged, at the last look */
	uint32_t lost;	  /* bytes thrown away; at most what 32 bits say */
	uint32_t unread;  /* input left in the socket, then */
	uint32_t turn;	  /* bytes_out, cut off, when its turn began */
	enum half in : 8, out : 8;
	enum phase phase : 8;
	unsigned int wants : 8; /* events armed: EV_READ, EV_WRITE */
	uint32_t marks;		/* enum mark */
	bool opened : 1;	/* `open` said yes: `close` is owed */
	bool dead : 1;		/* ended; freed after the pass */
	bool pending : 1;	/* to be settled after this pass */
	bool failed : 1;	/* ends without waiting for anything */
	bool watched : 1;	/* for breaking: see hangup.h */
	bool local_first : 1;	/* we finished before the peer did */
	bool reset : 1;		/* end with RST */
	bool own_idle : 1;	/* idle_ms was set by sl_timeout() */
	bool no_hold : 1;	/* sl_unref(): does not hold up a drain */
	bool stays : 1;		/* refused to migrate */
	bool is_client : 1;
	bool drain_at_empty : 1; /* the drain that is owed comes only then */
};

/* conn_name.c */
const struct sl_address *conn_remote(struct sl_conn *conn);
const struct sl_address *conn_local(struct sl_conn *conn);
/* "conn 17 echo 192.0.2.7:4411", for logs.  Returns text. */
#define CONN_LABEL_MAX 256
const char *conn_label(const struct sl_conn *conn, char text[CONN_LABEL_MAX]);
void conn_names_free(struct sl_conn *conn);
/* NULL: ENOMEM. */
struct extra *conn_extra(struct sl_conn *conn);

/* conn_delivery.c */

/* Output that is not with the kernel yet, in bytes. */
static inline size_t
conn_unsent(const struct sl_conn *conn)
{
	return conn->queue.bytes + conn->stream.unsent;
}
/* It never will be. */
void conn_drop_output(struct sl_conn *conn);
/* How much has the peer not acknowledged?  Asks the kernel. */
uint32_t conn_ask_waiting(struct sl_conn *conn);
/* Output that may never arrive, as of the last time that was asked. */
uint64_t conn_undelivered(const struct sl_conn *conn);
/* Has the peer taken anything?  Moves progress_ms and active_ms if so. */
void conn_ask_progress(struct sl_conn *conn);

/* conn.c */

/* To be settled after this pass, and to be freed then. */
STAILQ_HEAD(conn_queue, sl_conn);
extern struct conn_queue conns_pending, conns_dead;

/* Settle after this pass. */
void conn_pend(struct sl_conn *conn);

/* Among the connections of its listener and of this worker.  0, or -1. */
int conn_enlist(struct sl_conn *conn);
void conn_delist(struct sl_conn *conn);
void conn_ids_done(void);

/* The open or ending connection with this id, or NULL. */
struct sl_conn *conn_find(uint64_t id);

/* Connections of this worker, and how many of them hold up a drain. */
unsigned int conn_count(void);
unsigned int conn_holding(void);
/* Does this one?  As sl_ref() and sl_unref(). */
void conn_set_hold(struct sl_conn *conn, bool hold);

/* The one way to move a half; also traces the move. */
void conn_set_in(struct sl_conn *conn, enum half to);
void conn_set_out(struct sl_conn *conn, enum half to);

/*
 * Ending.  All only decide; conn_settle() does it, so the caller settles or
 * pends.  Safe under a callback and on a connection that ends already: the
 * first reason stands.
 */

/* The reason, and for an error also what `error` will be told. */
void conn_decide(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage);
/* Why its stream is broken: what that says itself, or else by errno. */
struct ending conn_broken_by(const struct sl_conn *conn, int sys_errno,
    enum sl_stage stage);
/* Flush what is queued, drop what comes, then end. */
void conn_close(struct sl_conn *conn, enum sl_why why);
/* From now on it has only so much time to finish. */
void conn_begin_closing(struct sl_conn *conn);
/* That time is over: whatever did not arrive is not waited for. */
void conn_give_up(struct sl_conn *conn);
/* End without flushing. */
void conn_fail(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage);

/*
 * It ends: for which reason in the end?  A polite end promises that the output
 * arrives; one that leaves some behind is the one case in which the first
 * reason does not stand.  Returns the first.
 */
uint32_t conn_judge_end(struct sl_conn *conn);

/* Is any of these marks set? */
static inline bool
conn_marked(const struct sl_conn *conn, uint32_t marks)
{
	return (conn->marks & marks) != 0;
}

/* Has an end been decided? */
static inline bool
conn_closing(const struct sl_conn *conn)
{
	return conn->dead || (conn->in != HALF_OPEN && conn->out != HALF_OPEN);
}

/* conn_write.c */

/*
 * Out of memory, the kernel says that it is ready and then that it is not, so
 * waiting for events would spin: it is asked again after this long.
 */
#define STARVED_RETRY_MS 100
/* Say so, once in a while. */
void conn_tell_starved(const struct sl_conn *conn, int error);

/* The queue has fallen far enough for the `drain` that is owed. */
bool conn_drain_due(const struct sl_conn *conn);

/* As sl_write() and sl_send(), on a connection whose out half is open. */
ssize_t conn_write(struct sl_conn *conn, const void *buf, size_t len);
int conn_send(struct sl_conn *conn, const void *buf, size_t len);
/* What goes to many, who share it where it cannot be sent at once. */
struct message {
	const void *buf;
	size_t len;
	struct shared *shared; /* NULL: nobody has needed it */
};
/*
 * As conn_send(), but at once if nothing is queued.  The caller drops
 * message->shared in the end.
 */
int conn_send_message(struct sl_conn *conn, struct message *message);
/* A write came up short: `drain` is to follow. */
void conn_owe_drain(struct sl_conn *conn);
/*
 * Offer the queue to the kernel, up to the budget of a turn.  Causes no
 * callback.
 */
void conn_flush_queue(struct sl_conn *conn);
static inline void
conn_flush(struct sl_conn *conn)
{
	if (conn->queue.bytes > 0)
		conn_flush_queue(conn);
}
/* The same for what the transport has taken and not passed on. */
void conn_flush_stream(struct sl_conn *conn);
/*
 * Half-close, when that is decided and everything is with the kernel.  The
 * transport may have to be asked again, and is when it is no longer blocked.
 */
void conn_finish(struct sl_conn *conn);
/* As much of it as the kernel takes, whatever others wait for. */
void conn_flush_all(struct sl_conn *conn);
/* What it may still send in this pass counts from here. */
static inline void
conn_begin_turn(struct sl_conn *conn)
{
	conn->turn = (uint32_t)conn->bytes_out;
}
/* The same where the kernel had said no: it may have room by now. */
void conn_retry(struct sl_conn *conn);
/*
 * The output is broken.  What the peer had sent before is still to be read:
 * conn_settle() sees to that, unless input is paused, then ends the connection.
 */
void conn_broke(struct sl_conn *conn, int error, enum sl_stage stage);

/* conn_read.c */

/* May input be read now? */
bool conn_may_read(const struct sl_conn *conn);
/* The same, and does the kernel have the memory for it? */
bool conn_can_read(const struct sl_conn *conn);
/* Has a read left behind what could be read now? */
bool conn_read_on_due(const struct sl_conn *conn);
/* Is limits.read_buffer full of what the plugin has not consumed? */
bool conn_input_full(const struct sl_conn *conn);

/*
 * Read what is there, up to the budget of a pass.  Not under a callback.
 * Returns true when the budget, not the socket, was exhausted.
 */
bool conn_read(struct sl_conn *conn);
/* Has the socket broken?  Decides what follows if so. */
void conn_ask_broken(struct sl_conn *conn);
/* Show the plugin its kept input again.  Not under a callback. */
void conn_represent(struct sl_conn *conn);

/* conn_follow.c */

void conn_follow_slowly(struct sl_conn *conn);
/*
 * Take the connection to the newest version of its service that takes it.
 * May call `migrate` (not under a callback, then), or begin to close it.
 */
static inline void
conn_follow(struct sl_conn *conn)
{
	if (conn->service->successor != NULL)
		conn_follow_slowly(conn);
}
/* The same under a callback: stops where `migrate` would have to be called. */
void conn_follow_quietly(struct sl_conn *conn);

/* conn_start.c */

/* When it has taken too long; UINT64_MAX: never. */
uint64_t conn_phase_deadline(const struct sl_conn *conn);
/*
 * It is MARK_STARTING: go on with that.  When it is open, calls `open`; when it
 * fails or is being closed, it ends.  Only conn_settle() calls it.
 */
void conn_start(struct sl_conn *conn);
/* It ends without having been open: tell whoever has to know. */
void conn_tell_failure(struct sl_conn *conn);

/* conn_deadline.c */

/* Set the timer to the earliest deadline.  Only conn_settle() calls it. */
void conn_set_timer(struct sl_conn *conn);
/*
 * Its timer has run out: end what is due.  The deadline may have moved.  Not
 * under a callback, and the caller settles.
 */
void conn_judge_time(struct sl_conn *conn);
/*
 * Nothing ends before this look.  Timers run before sockets that became ready
 * in the same pass, and after a callback that took long: what the peer sent in
 * time may still lie in the socket, it may have taken what we sent, and the
 * kernel may have room again.
 * Returns false when that changes everything: the peer's end was there, which
 * conn_settle() has yet to tell.
 */
bool conn_last_look(struct sl_conn *conn);
/* The idle time counts from now. */
void conn_restart_idle(struct sl_conn *conn);

/* conn_events.c */

/* Hear of these alone, EV_READ and EV_WRITE, and of its breaking if none. */
void conn_want_events(struct sl_conn *conn, unsigned int wants);
/* Of nothing any more. */
void conn_forget_events(struct sl_conn *conn);

/* conn_end.c */

/*
 * Both halves are closed: tell the plugin, give everything back.  The memory
 * stays until the pass is over.  Only conn_settle() calls it.
 */
void conn_end(struct sl_conn *conn);
/* After the pass. */
void conn_free(struct sl_conn *conn);

/* conn_settle.c */

/* Do what is due: flush, callbacks, ending.  Not for use under a callback. */
void conn_settle(struct sl_conn *conn);

/* conn_turn.c */

/* For the life of the process.  0, or -1 with errno. */
int conn_init(void);
void conn_done(void);

/*
 * A new connection over a stream; stream and seat are taken over, also on
 * failure, when they are given back.  May be used under a callback: nothing is
 * called.  The caller settles or pends; then it starts, and `open` comes when
 * that is done.  Returns NULL when there is no memory; that is logged.
 */
struct sl_conn *conn_new(struct endpoint *endpoint, struct sl_service *service,
    struct stream stream, struct seat seat);
/* Who is at the other end.  At first it is an unnamed unix socket. */
void conn_set_peer(struct sl_conn *conn, const struct sockaddr *peer,
    socklen_t len);

/* After a pass: settle what is pending, then free what has ended. */
void conn_after_pass(void);
/* Is there anything for it to do? */
bool conn_work_left(void);

/* A deadline of its listener or worker has passed: close it, after a look. */
void conn_expire(struct sl_conn *conn, enum sl_why why);

#endif
