/*
 * conn.h: one connection.  It owns its stream, its queue and the input that the
 * plugin has not consumed yet.  It holds a reference to its service.
 *
 * A connection has two halves, in and out.  Calls and events only move a half
 * (conn_set_in, conn_set_out).  What follows from the move is done by
 * conn_settle(), which never runs under a callback.
 *
 * The conn files are listed here from the lowest to the highest.  Each calls
 * only functions of files that are listed above it.
 */

#ifndef SLUICE_CONN_H
#define SLUICE_CONN_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/in.h>
#include <sluice.h>
#include <stdbool.h>
#include <sys/queue.h>

#include "base/error.h"
#include "base/log.h"
#include "config/address.h"
#include "config/settings.h"
#include "worker/admission.h"
#include "worker/endpoint.h"
#include "worker/ids.h"
#include "worker/input.h"
#include "worker/plugin_timer.h"
#include "worker/queue.h"
#include "worker/service.h"
#include "worker/timers.h"
#include "worker/transport.h"

struct listener;
struct proxied;
struct tls_wish;

enum half {
	HALF_OPEN,   /* in: the plugin reads; out: the plugin may write */
	HALF_DRAIN,  /* in: input is dropped; out: flush, then finish */
	HALF_CLOSED, /* in: no more input; out: no more output */
};

/* What is going on.  An idle connection has no mark set: see conn_turn.c. */
enum mark {
	MARK_EOF = 1 << 0,	     /* the input has ended */
	MARK_PAUSED = 1 << 1,	     /* by sl_pause() */
	MARK_BLOCKED = 1 << 2,	     /* the transport took too little */
	MARK_DRAIN_OWED = 1 << 3,    /* a short write: `drain` is to follow */
	MARK_REPRESENT = 1 << 4,     /* show the kept input again */
	MARK_SALVAGE = 1 << 5,	     /* output is broken: read the rest */
	MARK_STARVED = 1 << 6,	     /* blocked: the kernel has no memory */
	MARK_INPUT_STARVED = 1 << 7, /* the same for reading */
	MARK_READ_ON = 1 << 8,	     /* input is ready that causes no event */
	MARK_STARTING = 1 << 9,	     /* not open yet: no byte is read or sent */
	MARK_DEADLINE = 1 << 10,     /* a deadline changed: set the timer */
	MARK_UPGRADE = 1 << 11,	     /* to TLS, until its handshake is over */
	MARK_PACED_IN = 1 << 12,     /* waits: its rate lets no more be read */
	MARK_PACED_OUT = 1 << 13,    /* the same for sending */
};
#define MARKS_PACED (MARK_PACED_IN | MARK_PACED_OUT)
/* With one of these nothing is offered to the transport. */
#define MARKS_NO_SEND (MARK_BLOCKED | MARK_STARTING | MARK_PACED_OUT)

/* Its addresses as text, made when first asked for. */
struct conn_names;

/*
 * Whoever has to know how an outgoing connection goes: the connector that keeps
 * it up, or who notes how upstreams are.  Both are called once at most, not
 * under a callback, and begin nothing themselves.
 */
struct keeper {
	void (*on_open)(struct keeper *keeper, struct sl_conn *conn);
	/* Its reason is known, and it is gone after this pass. */
	void (*on_end)(struct keeper *keeper, const struct sl_conn *conn);
};

/* What a connection with a rate knows of it, see conn_pace.c. */
struct conn_pace;

/* What only few connections need, or only few at a time. */
struct extra {
	struct conn_pace *pace; /* owned; NULL: no rate has held so far */
	struct conn_names *names;
	struct proxied *proxied; /* owned; NULL: no header has said a thing */
	/* Of an outgoing connection: */
	char *target; /* what it connects to, as text; NULL: its peer */
	struct tls_wish *wish;	/* owned; NULL: TLS is not to follow */
	uint64_t connect_ms;	/* how long resolve and connect may take */
	uint64_t connect_by_ms; /* when that time is over */
	struct keeper *keeper;	/* borrowed; NULL: nobody */
	/* The window in which limits.min_rate is judged, and its beginning: */
	uint64_t rate_ms;      /* when; 0: there is no window yet */
	int64_t rate_acked;    /* bytes that the peer had */
	uint32_t rate_waiting; /* bytes not acknowledged */
	bool rate_blocked;     /* was it MARK_BLOCKED? */
	struct sl_conn *pipe;  /* the other end, while it is piped */
	bool bulk;	       /* much came at once: splice it */
};

/* Why a connection ends.  The first reason stands. */
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
	/*
	 * What sending looks at stands together, down to the flags: see
	 * conn_prefetch().
	 */
	struct stream stream;
	struct endpoint *endpoint;
	struct sl_service *service; /* the version that serves it */
	TAILQ_ENTRY(sl_conn) link;  /* in its listener's conns */
	struct queue queue;
	uint64_t bytes_out;
	uint32_t turn; /* low 32 bits of bytes_out when its turn began */
	enum half in : 8, out : 8;
	enum phase phase : 8;
	unsigned int wants : 8; /* events armed: EV_READ, EV_WRITE */
	uint32_t marks;		/* enum mark */
	bool opened : 1;	/* `open` succeeded: `close` is to follow */
	bool told : 1;		/* of its fault, by `error` */
	bool dead : 1;		/* ended; freed after the pass */
	bool pending : 1;	/* settled after this pass */
	bool failed : 1;	/* ends without waiting for anything */
	bool watched : 1;	/* by hangup.h, for a broken socket */
	bool to_watch : 1;	/* if it still waits for nothing in a pass */
	bool local_first : 1;	/* we finished before the peer did */
	bool reset : 1;		/* end with RST */
	bool expired : 1;	/* by conn_expire(): it is waited for no more */
	bool own_idle : 1;	/* idle_ms was set by sl_timeout() */
	bool no_hold : 1;	/* sl_unref(): does not hold up a drain */
	bool stays : 1;		/* `migrate` refused it, or is running */
	bool is_client : 1;
	bool quiet : 1;		    /* no line in the access log */
	bool queued : 1;	    /* for a step of its handshake */
	bool piped : 1;		    /* see conn_pipe.c */
	bool drain_at_empty : 1;    /* `drain` waits until nothing is queued */
	uint64_t progress_ms;	    /* output last moved, or began to wait */
	STAILQ_ENTRY(sl_conn) next; /* in conns_pending or conns_dead */
	uint64_t bytes_in;
	struct id_entry id;
	void *data;	     /* the plugin's */
	struct input *input; /* NULL: nothing kept */
	uint64_t idle_ms;    /* when own_idle; 0: no idle timeout */
	uint64_t opened_ms;
	uint64_t active_ms;	      /* last input, or output that arrived */
	uint64_t closing_ms;	      /* a polite end began; 0: it has not */
	int64_t acked;		      /* bytes the peer had when last asked */
	struct timer timer;	      /* the earliest of all deadlines */
	struct extra *extra;	      /* NULL until it is needed */
	struct plugin_timers *timers; /* NULL until there is one */
	struct ending ending;
	struct ending fault; /* what `error` will be told, if anything */
	union peer peer;     /* of the socket; see conn_client() */
	struct seat seat;
	uint32_t waiting; /* bytes not acknowledged, when last asked */
	uint32_t lost;	 /* output thrown away, in bytes; stops at UINT32_MAX */
	uint32_t unread; /* bytes left in the socket, when last asked */
};

/* conn_name.c */

/* What a header has said of it, or NULL. */
static inline const struct proxied *
conn_proxied(const struct sl_conn *conn)
{
	return conn->extra != NULL ? conn->extra->proxied : NULL;
}
/* The client's address, and its length.  Safe in a signal handler. */
const struct sockaddr *conn_client(const struct sl_conn *conn,
    socklen_t *ret_len);
/* The length of conn->peer. */
socklen_t conn_peer_len(const struct sl_conn *conn);
/* As sl_remote(), sl_local() and sl_peer(). */
const struct sl_address *conn_remote(struct sl_conn *conn);
const struct sl_address *conn_local(struct sl_conn *conn);
const struct sl_address *conn_peer(struct sl_conn *conn);
/* Set the peer's address.  Until then it is an unnamed unix socket. */
void conn_set_peer(struct sl_conn *conn, const struct sockaddr *peer,
    socklen_t len);
/* The peer, or what it is to connect to.  Returns text. */
const char *conn_remote_text(const struct sl_conn *conn,
    char text[ADDRESS_TEXT_MAX]);
/*
 * The host that it has connected to: a name, or an address.  Returns text, or
 * NULL: it is none of ours, or goes to a unix socket.
 */
const char *conn_host(const struct sl_conn *conn, char text[HOST_TEXT_MAX]);
/* "conn 17 echo 192.0.2.7:4411", for logs.  Returns text. */
#define CONN_LABEL_MAX 256
const char *conn_label(const struct sl_conn *conn, char text[CONN_LABEL_MAX]);
/*
 * A line about it: its label, and what fmt says behind that.  As json it is also
 * found by the members connection, listener and peer.
 */
void conn_log(const struct sl_conn *conn, enum log_level level, const char *fmt,
    ...) __attribute__((format(printf, 3, 4)));
/* The same with more fields. */
#define CONN_LOG_FIELDS_MAX 11
void conn_log_fields(const struct sl_conn *conn, enum log_level level,
    const char *text, const struct log_field *fields, unsigned int count);
/* A sentence about why it ends, or has failed.  Returns text. */
const char *conn_reason_text(const struct sl_conn *conn,
    const struct ending *why, char text[ERROR_TEXT_MAX]);
/* Who hears how it goes, or NULL. */
static inline struct keeper *
conn_keeper(const struct sl_conn *conn)
{
	return conn->extra != NULL ? conn->extra->keeper : NULL;
}
/* The addresses have changed, or are known only now. */
void conn_names_free(struct sl_conn *conn);
/* NULL: ENOMEM. */
struct extra *conn_extra(struct sl_conn *conn);
void conn_extra_free(struct sl_conn *conn);

/* conn_delivery.c */

/* Output that the kernel does not have yet, in bytes. */
static inline size_t
conn_unsent(const struct sl_conn *conn)
{
	return conn->queue.bytes + conn->stream.unsent;
}
/* Throw that output away and count it as lost. */
void conn_drop_output(struct sl_conn *conn);
/*
 * How many bytes of what was sent has the peer not acknowledged?  Asks the
 * kernel and stores the answer in `waiting`.
 */
uint32_t conn_ask_waiting(struct sl_conn *conn);
/* Output that may never arrive, in bytes: lost, or waiting when last asked. */
uint64_t conn_undelivered(const struct sl_conn *conn);
/* Has the peer taken anything?  If so, moves progress_ms and active_ms. */
void conn_ask_progress(struct sl_conn *conn);

/* conn.c */

/* Connections to settle after this pass, and connections to free then. */
STAILQ_HEAD(conn_queue, sl_conn);
extern struct conn_queue conns_pending, conns_dead;

/* Have it settled after this pass. */
void conn_pend(struct sl_conn *conn);

/*
 * Add it to the connections of its listener and of this worker.  Returns 0, or
 * -1 when there is no memory for its id; it is listed all the same.
 */
int conn_enlist(struct sl_conn *conn);
/* Take it out again. */
void conn_delist(struct sl_conn *conn);
void conn_ids_done(void);

/* The open or ending connection with this id, or NULL. */
struct sl_conn *conn_find(uint64_t id);

/* The connections of this worker, and how many of them hold up a drain. */
unsigned int conn_count(void);
unsigned int conn_holding(void);
/* Whether this one holds up a drain: as sl_ref() and sl_unref(). */
void conn_set_hold(struct sl_conn *conn, bool hold);

/* The one way to move a half; also traces the move. */
void conn_set_in(struct sl_conn *conn, enum half to);
void conn_set_out(struct sl_conn *conn, enum half to);

/*
 * Ending.  These functions only decide that it ends.  conn_settle() then ends
 * it, so the caller has to settle or pend.  They are safe under a callback, and
 * on a connection that is ending already: the first reason stands.
 */

/* Note the reason; if it is an error, also what `error` will be told. */
void conn_decide(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage);
/* Why its stream is broken: by the stream's own fault, or else by sys_errno. */
struct ending conn_broken_by(const struct sl_conn *conn, int sys_errno,
    enum sl_stage stage);
/* A polite end: flush what is queued, drop what comes in, then end. */
void conn_close(struct sl_conn *conn, enum sl_why why);
/* Start the clock of the polite end: its time to finish is limited from now. */
void conn_begin_closing(struct sl_conn *conn);
/* That time is over: do not wait for output that has not arrived. */
void conn_give_up(struct sl_conn *conn);
/* End at once, without flushing. */
void conn_fail(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage);

/*
 * The connection ends: settle the final reason in `ending`.  A polite end
 * promises that the output arrives.  If some of it did not, the reason becomes
 * SL_WHY_UNDELIVERED; this is the only case in which the first reason does not
 * stand.  Returns the first reason.
 */
uint32_t conn_judge_end(struct sl_conn *conn);

/*
 * Fetch what sending looks at into the cache.  Where many connections send one
 * after the other, the system call of one gives the time to fetch the next.
 * NULL is fine.
 */
static inline void
conn_prefetch(const struct sl_conn *conn)
{
	if (conn == NULL)
		return;
	__builtin_prefetch(&conn->stream);
	__builtin_prefetch(&conn->queue);
}

/* Is any of these marks set? */
static inline bool
conn_marked(const struct sl_conn *conn, uint32_t marks)
{
	return (conn->marks & marks) != 0;
}

/* Is this none, or none any more?  Plugins may hand us either. */
static inline bool
conn_gone(const struct sl_conn *conn)
{
	return conn == NULL || conn->dead;
}

/* Has its end been decided? */
static inline bool
conn_closing(const struct sl_conn *conn)
{
	return conn->dead || (conn->in != HALF_OPEN && conn->out != HALF_OPEN);
}

/* conn_pace.c */

/*
 * The rates of a connection, in one direction that the endpoint's pacer is on
 * for.  How many of `most` bytes may move now?  0: none; it is MARK_PACED_IN or
 * MARK_PACED_OUT until some may, and then gets a turn.
 */
size_t conn_pace_room(struct sl_conn *conn, enum pace direction, size_t most);
/* Is the pacer on for sending? */
static inline bool
conn_sends_paced(const struct sl_conn *conn)
{
	return __builtin_expect(conn->endpoint->pacer[PACE_OUT].on, false);
}
/* So many have moved. */
void conn_pace_add(struct sl_conn *conn, enum pace direction, size_t bytes);
/* It ends: it waits for no rate any more. */
void conn_pace_end(struct sl_conn *conn);

/* conn_flush.c */

/*
 * A kernel that is out of memory reports a socket as ready and then refuses the
 * call, so waiting for events would spin.  It is asked again after this long.
 */
#define STARVED_RETRY_MS 100
/* Log that the kernel has no memory; at a limited rate. */
void conn_tell_starved(const struct sl_conn *conn, int error);

/* Is `drain` to follow, and has the queue fallen far enough for it? */
bool conn_drain_due(const struct sl_conn *conn);
/* A write came up short: `drain` is to follow. */
void conn_owe_drain(struct sl_conn *conn);
/*
 * What a connection may send from its queue in a turn, so that the others get
 * theirs, as for reading.
 */
#define CONN_WRITE_BUDGET (256u << 10)
/* A new turn: its budget for output counts from here. */
static inline void
conn_begin_turn(struct sl_conn *conn)
{
	conn->turn = (uint32_t)conn->bytes_out;
}
/* Has it used up that share of this turn? */
static inline bool
conn_spent(const struct sl_conn *conn, uint32_t budget)
{
	return (uint32_t)conn->bytes_out - conn->turn >= budget;
}
/*
 * Offer these bytes to the transport, past the queue.  Returns how many it took:
 * 0 when it is full or has to wait for its rate, -1 when the output is broken.
 * Not with one of MARKS_NO_SEND.
 */
ssize_t conn_offer(struct sl_conn *conn, const void *buf, size_t len);
/* The same for parts. */
#define CONN_IOV_MAX 16 /* chunks offered to the kernel at once: 256 KiB */
ssize_t conn_offer_iov(struct sl_conn *conn, const struct iovec *iov,
    int count);
/*
 * Offer the queue to the transport, up to the budget of a turn.  Causes no
 * callback.
 */
void conn_flush_queue(struct sl_conn *conn);
static inline void
conn_flush(struct sl_conn *conn)
{
	if (conn->queue.bytes > 0)
		conn_flush_queue(conn);
}
/* The same with another budget; something has to be queued. */
void conn_flush_up_to(struct sl_conn *conn, uint32_t budget);
/* The same for output that the transport has taken and not passed on. */
void conn_flush_stream(struct sl_conn *conn);
/*
 * Half-close, if that is decided and the kernel has all output.  If the
 * transport cannot do it now, it is asked again when it is no longer blocked.
 */
void conn_finish(struct sl_conn *conn);
/* Flush as much as the kernel takes, without the budget of a turn. */
void conn_flush_all(struct sl_conn *conn);
/* Begin a turn of a blocked connection: offer again, there may be room now. */
void conn_retry(struct sl_conn *conn);
/*
 * The output is broken: drop it.  What the peer sent before is still read:
 * conn_settle() does that, unless input is paused, then ends the connection.
 */
void conn_broke(struct sl_conn *conn, int error, enum sl_stage stage);
/*
 * The stream was given n bytes of output past the queue, and could not pass all
 * of them on for this reason; 0: it could.
 */
void conn_spliced(struct sl_conn *conn, size_t n, int error);

/* conn_write.c */

/*
 * As sl_write(), sl_send(), sl_sendv() and sl_room(), on a connection whose out
 * half is open.  total: the bytes of all parts.
 */
ssize_t conn_write(struct sl_conn *conn, const void *buf, size_t len);
int conn_send(struct sl_conn *conn, const void *buf, size_t len);
int conn_sendv(struct sl_conn *conn, const struct iovec *iov, int count,
    size_t total);
size_t conn_room(struct sl_conn *conn);
/*
 * A message for many connections.  Those that cannot send it at once share one
 * copy of it.
 */
struct message {
	const void *buf;
	size_t len;
	struct shared *shared; /* the copy; NULL: not needed so far */
	bool at_once;	       /* send it now where nothing is queued */
};
/*
 * As conn_send(), but also sends at once if the message says so.  The caller
 * calls shared_done() on message->shared after the last connection.
 */
int conn_send_message(struct sl_conn *conn, struct message *message);
/*
 * Until conn_end_loan() the len bytes at buf do not change, so a write of some
 * of them need neither leave at once nor be copied.  The first connection that
 * writes some borrows them, and no other does.
 */
void conn_lend(const void *buf, size_t len);
/* Sends what was borrowed.  What the kernel does not take then is copied. */
void conn_end_loan(void);

/* conn_pipe.c */

/*
 * Move all bytes between the two from now on, as sl_pipe().  Returns 0, or -1:
 * EBUSY, EPIPE or ENOMEM.  The caller settles or pends both.
 */
int conn_pipe(struct sl_conn *a, struct sl_conn *b);
/* End that, as sl_unpipe(); it has to be piped. */
void conn_unpipe(struct sl_conn *conn);
/* What a piped connection has in place of the plugin's callbacks. */
ssize_t conn_pipe_data(struct sl_conn *conn, const void *buf, size_t len);
void conn_pipe_drain(struct sl_conn *conn);
void conn_pipe_end(struct sl_conn *conn);
/* Can the input of a piped connection go on without being copied? */
bool conn_pipe_splices(struct sl_conn *conn);
/* Then do that, up to len bytes.  As recv() of its transport. */
ssize_t conn_pipe_move(struct sl_conn *conn, size_t len);
/* A piped connection ends: end the other politely. */
void conn_pipe_cut(struct sl_conn *conn);

/* conn_read.c */

/* May input be read now? */
bool conn_may_read(const struct sl_conn *conn);
/* The same, and was the kernel not out of memory when last asked? */
bool conn_can_read(const struct sl_conn *conn);
/* Did the last read leave input that can be read now, without an event? */
bool conn_read_on_due(const struct sl_conn *conn);
/* Has the plugin left limits.read_buffer bytes or more unconsumed? */
bool conn_input_full(const struct sl_conn *conn);

/*
 * Read what is there, up to the budget of a pass, and show it to the plugin.
 * Not under a callback.  Returns true if the budget ran out before the input.
 */
bool conn_read(struct sl_conn *conn);
/* Has the socket broken?  If so, decides what follows. */
void conn_ask_broken(struct sl_conn *conn);
/*
 * Its input, which is open, cannot go on, and it is not the network's fault:
 * call `error` while the plugin can still write an answer, then end politely.
 * Not under a callback.
 */
void conn_refuse_input(struct sl_conn *conn, enum sl_why why, int sys_errno,
    enum sl_stage stage);
/* Show the plugin its kept input again.  Not under a callback. */
void conn_represent(struct sl_conn *conn);

/* conn_follow.c */

void conn_follow_slowly(struct sl_conn *conn);
/*
 * Move the connection to the newest version of its service that accepts it.
 * May call `migrate`, so not under a callback.  May begin to close it.
 */
static inline void
conn_follow(struct sl_conn *conn)
{
	if (conn->service->successor != NULL)
		conn_follow_slowly(conn);
}
/* The same, safe under a callback: stops where `migrate` would be called. */
void conn_follow_quietly(struct sl_conn *conn);

/* conn_proxy.c */

/*
 * The stream has read the header of a proxy: take over what it says, and let
 * the stream go on.  Returns false if the connection ends: it has no memory, or
 * the client has too many connections.
 */
bool conn_take_header(struct sl_conn *conn);

/* conn_start.c */

/* When the current phase has taken too long; UINT64_MAX: never. */
uint64_t conn_phase_deadline(const struct sl_conn *conn);
/*
 * Go on with the start of a connection that is MARK_STARTING.  Once the stream
 * is open, calls `open`.  If the start fails, or the connection is being
 * closed, decides its end.  Only conn_settle() calls it.
 */
void conn_start(struct sl_conn *conn);
/*
 * It is MARK_UPGRADE and its output is with the kernel: it starts again, with a
 * handshake, or ends if there is input left.
 */
void conn_upgrade(struct sl_conn *conn);
/*
 * After a pass: `settle` the connections that wait for a step of their
 * handshake, as many as one pass may have.
 */
void conn_start_queued(void (*settle)(struct sl_conn *conn));
bool conn_start_is_queued(void);
/*
 * It ends and `open` did not succeed: if it was not open yet, tell the plugin by
 * `connect_error` (of an outgoing connection that somebody else has ended), or
 * by `handshake` if that failed.
 */
void conn_tell_failure(struct sl_conn *conn);

/* conn_deadline.c */

/* Set the timer to the earliest deadline.  Only conn_settle() calls it. */
void conn_set_timer(struct sl_conn *conn);
/*
 * The timer has run out: if a deadline is due, and has not moved since, act on
 * it.  Not under a callback; the caller settles.
 */
void conn_judge_time(struct sl_conn *conn);
/*
 * The last look at the socket, before a deadline may end the connection.  A
 * timer runs before sockets that became ready in the same pass, and may run
 * late after a long callback.  So there may be input that came in time, the
 * peer may have taken output, and the kernel may have room again.
 * Returns false if this look found the end of the input: then conn_settle() has
 * to handle that first, and no deadline is judged.
 */
bool conn_last_look(struct sl_conn *conn);
/* The idle time counts from now. */
void conn_restart_idle(struct sl_conn *conn);

/* conn_events.c */

/*
 * Wait for exactly these events: EV_READ, EV_WRITE, both or none.  If none, the
 * connection still hears when its socket breaks.
 */
void conn_want_events(struct sl_conn *conn, unsigned int wants);
/* Wait for no event any more. */
void conn_forget_events(struct sl_conn *conn);

/* conn_end.c */

/*
 * Both halves are closed: tell the plugin, log it, and release everything but
 * the connection itself, which stays until the pass is over.  Only
 * conn_settle() calls it.
 */
void conn_end(struct sl_conn *conn);
/* Free it, after the pass in which it ended. */
void conn_free(struct sl_conn *conn);

/* conn_settle.c */

/* Do what is due: flush, call back, end.  Not under a callback. */
void conn_settle(struct sl_conn *conn);

/* conn_turn.c */

/* Once per process.  Returns 0, or -1 with errno. */
int conn_init(void);
void conn_done(void);

/*
 * A new connection over a stream.  It owns stream and seat from now on; on
 * failure both are released.  Safe under a callback: no callback is called.
 * The caller settles or pends; then the connection starts, and `open` comes
 * when it has started.  Returns NULL when there is no memory; that is logged.
 */
struct sl_conn *conn_new(struct endpoint *endpoint, struct sl_service *service,
    struct stream stream, struct seat seat);

/* After a pass: settle what is pending, then free what has ended. */
void conn_after_pass(void);
/* Would conn_after_pass() have anything to do? */
bool conn_work_left(void);

/* A deadline of its listener or worker is over: look once more, then close. */
void conn_expire(struct sl_conn *conn, enum sl_why why);

#endif
