/*
 * sluice.h: the contract between sluiced and a plugin.
 *
 * A plugin is a shared object that exports one constant, `sl_plugin`, made
 * with SL_PLUGIN().  sluiced calls the functions named there; the plugin calls
 * the sl_* functions below, which the daemon itself exports.  Nothing else is
 * shared, and no function pointer crosses except through the descriptor.
 *
 * Rules that hold for everything here:
 * - A plugin runs on one thread.  Callbacks never nest: a callback that a call
 *   causes runs after the running callback has returned.  In any other thread
 *   all functions but sl_log(NULL, ...) and those that read options fail with
 *   EPERM, and the log says so once.
 * - *borrowed* memory is valid until the running callback returns; *copied*
 *   memory is the caller's again as soon as the call returns.
 * - A connection stays readable until its `close` callback has returned.  To
 *   remember one for longer, keep its sl_id() and look it up with sl_find().
 * - Functions that can fail return -1 (or NULL) and set errno.  A closed
 *   connection or NULL never crashes them: a function that needs an open
 *   connection fails with ENOTCONN, and one that reads a fact returns 0, NULL
 *   or "".
 */

#ifndef SLUICE_H
#define SLUICE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifdef __cplusplus
extern "C" {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* see struct sl_conn */
#endif

#define SL_ABI 1 /* changes only when an old plugin could no longer be loaded */

#define SL_EXPORT __attribute__((visibility("default")))
#define SL_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/*
 * In C++, too, write `struct` before sl_service, sl_options, sl_certificate and
 * sl_ephemeral_key: without it these names mean the functions that have them.
 */
struct sl_conn;	   /* one connection */
struct sl_service; /* one listener, as one worker serves it */
struct sl_options; /* the `options` group of a listener, checked and complete */

/*
 * Why something ended.  The numbers are part of the contract: they never
 * change, and new ones are added at the end.
 */
enum sl_why {
	SL_WHY_NONE = 0,
	SL_WHY_PEER = 1,	/* the peer finished, and so did we */
	SL_WHY_LOCAL = 2,	/* the plugin closed it */
	SL_WHY_RESET = 3,	/* the network or the peer broke it */
	SL_WHY_IDLE = 4,	/* no traffic for the idle timeout */
	SL_WHY_WRITE_STALL = 5, /* the peer took too little output, or none */
	SL_WHY_INPUT_LIMIT = 6, /* a frame did not fit limits.read_buffer */
	SL_WHY_HANDSHAKE = 7,	/* the TLS handshake failed or took too long */
	SL_WHY_TLS = 8,		/* a TLS error after the handshake */
	SL_WHY_TRUNCATED = 9,	/* TLS: end of file without close_notify */
	SL_WHY_PLUGIN = 10,	/* a callback returned a negative value */
	SL_WHY_RELOAD = 11,	/* a reload replaced or removed the listener */
	SL_WHY_SHUTDOWN = 12,	/* the daemon is ending */
	SL_WHY_RESOLVE = 13,	/* outgoing: the name was not found */
	SL_WHY_CONNECT = 14,	/* outgoing: the peer did not answer */
	SL_WHY_MEMORY = 15,	/* the daemon is out of memory */
	SL_WHY_STOP = 16,	/* sl_stop(service, 1) */
	/*
	 * The connection was being closed without an error, but the peer did
	 * not acknowledge all output.  Replaces the reason for the closing.
	 */
	SL_WHY_UNDELIVERED = 17,
	SL_WHY_PROXY = 18,  /* a proxy sent no PROXY header, or a wrong one */
	SL_WHY_LIMIT = 19,  /* the client of a proxy: over a limit, or denied */
	SL_WHY_KILLED = 20, /* the operator ended it: sluicectl kill */
	SL_WHY_LIFETIME = 21, /* timeouts.max_lifetime */
};

/* Where an error happened. */
enum sl_stage {
	SL_STAGE_NONE = 0,
	SL_STAGE_RESOLVE = 1,
	SL_STAGE_CONNECT = 2,
	SL_STAGE_TLS = 3,
	SL_STAGE_TIMEOUT = 4,
	SL_STAGE_READ = 5,
	SL_STAGE_WRITE = 6,
};

/* What `error`, `connect_error`, `handshake` and `close` receive.  Borrowed. */
struct sl_error {
	uint32_t size;	   /* of this struct, as the daemon knows it */
	uint32_t why;	   /* enum sl_why */
	int32_t sys_errno; /* 0 when no system call was at fault */
	uint32_t stage;	   /* enum sl_stage */
	const char *text;  /* one line for people, never NULL */
};

/* One end of a connection.  Borrowed from the connection. */
struct sl_address {
	uint32_t size;	 /* of this struct, as the daemon knows it */
	uint16_t family; /* AF_INET, AF_INET6 or AF_UNIX */
	uint16_t port;	 /* host byte order; 0 for AF_UNIX */
	const char
	    *text; /* "192.0.2.7:4411", "[2001:db8::1]:4411", "unix:/path" */
};

/*
 * The handlers of one kind of connection.  Only `data` or `drain` is required;
 * the others may be NULL.
 */
struct sl_handlers {
	uint32_t size; /* filled by SL_HANDLERS() */

	/* Once, when the connection is usable.  Negative: close it. */
	int (*open)(struct sl_conn *c);

	/*
	 * Bytes arrived; buf is borrowed.  Returns the bytes consumed, 0..len.
	 * The rest is kept, up to limits.read_buffer, and presented again
	 * together with what follows: when more arrives, after `drain`, or on
	 * sl_resume().  A frame that can never fit ends the connection with
	 * SL_WHY_INPUT_LIMIT, unless the plugin is waiting for room in the
	 * output.  Negative: close.
	 */
	ssize_t (*data)(struct sl_conn *c, const void *buf, size_t len);

	/* The queue fell below its low mark after a short sl_write(). */
	void (*drain)(struct sl_conn *c);

	/*
	 * The peer finished sending.  Called once, after all data.  Absent: we
	 * finish too, after flushing.  Present: the connection stays half-open
	 * until the plugin ends it.
	 */
	void (*end)(struct sl_conn *c);

	/*
	 * The idle timer ran out.  Absent: close with SL_WHY_IDLE.  Present:
	 * the plugin decides, and the timer starts again.
	 */
	void (*timeout)(struct sl_conn *c);

	/*
	 * TLS: the handshake finished (err is NULL) or failed.  Called before
	 * `open`.
	 */
	void (*handshake)(struct sl_conn *c, const struct sl_error *err);

	/*
	 * Something went wrong.  `close` follows.  With SL_WHY_INPUT_LIMIT, and
	 * with SL_WHY_MEMORY if there was none for input, the output is still
	 * open: an answer that is written here is sent before the end.
	 */
	void (*error)(struct sl_conn *c, const struct sl_error *err);

	/*
	 * A connection of sl_connect() was not made.  No other handler is
	 * called.  `stage` and `sys_errno` say where and why; the text also
	 * says which address was tried.
	 */
	void (*connect_error)(struct sl_conn *c, const struct sl_error *err);

	/*
	 * Called exactly once, as the last handler, if `open` did not refuse.
	 * Addresses, counters and the user pointer are still readable.
	 */
	void (*close)(struct sl_conn *c, const struct sl_error *why);
};

/* What an option's value is. */
enum sl_option_type {
	SL_OPTION_STRING = 1,	/* sl_option_string */
	SL_OPTION_INT = 2,	/* sl_option_int: 64 bits */
	SL_OPTION_FLOAT = 3,	/* sl_option_float */
	SL_OPTION_BOOL = 4,	/* sl_option_bool: true or false */
	SL_OPTION_DURATION = 5, /* sl_option_ms: "250ms", "10s", "5m", "1h" */
	SL_OPTION_SIZE = 6,	/* sl_option_size: "512", "64KiB", "1MiB" */
	SL_OPTION_ADDRESS = 7, /* sl_option_string: "host:port", "unix:/path" */
	SL_OPTION_STRINGS = 8, /* sl_option_count, sl_option_at */
};

/*
 * One row of the option table.  The table ends with an empty row.  Before any
 * callback runs, sluiced refuses an option that is not in the table or is of
 * another type, and names its file and line.
 */
struct sl_option {
	const char *name;  /* "motd"; a dot reaches into a group: "tls.cert" */
	uint32_t type;	   /* enum sl_option_type */
	const char *value; /* default, as written in a config; NULL: none */
	const char *help;  /* one line */
};

/* Flags of a plugin. */
#define SL_MANY_WORKERS 0x1u /* every worker may serve it; else exactly one */
#define SL_UNLOADABLE 0x2u   /* leaves no pointer to itself; may be unloaded */

/*
 * The descriptor.  It grows only at its end.  `size` says how much of it the
 * plugin was compiled with; members beyond that are taken as NULL.
 */
struct sl_plugin {
	uint32_t abi;  /* SL_ABI */
	uint32_t size; /* sizeof(struct sl_plugin) */

	const char *name;	/* "echo" */
	const char *version;	/* free text */
	const char *summary;	/* one line, or NULL */
	uint32_t flags;		/* SL_MANY_WORKERS | SL_UNLOADABLE */
	uint32_t state_version; /* layout of what user pointers point at */
	const struct sl_option *options;

	/*
	 * Checks the options; must have no other effect.  Runs in a process of
	 * its own before anything is changed.  Returns 0, or -1 with a reason:
	 * see sl_refuse().
	 */
	int (*check)(const struct sl_options *options, struct sl_error *err);

	/*
	 * A service begins.  Returns 0, or -1 with a reason, as by
	 * sl_refuse(NULL, ...): then nothing is changed.
	 */
	int (*start)(struct sl_service *service);

	/*
	 * `next` is about to replace `prev`.  This may read the state of `prev`
	 * and share it, by setting the same user pointer, but must not change
	 * it: the reload may still be called off.  Returns 0 or -1.  Absent:
	 * the user pointer is carried over when state_version is equal, else
	 * `start` runs.  The state of `prev` may be older, as
	 * sl_state_version() says, but never newer: with a state_version above
	 * ours, as when a rollback brings this code back, `start` runs.
	 */
	int (*reload)(struct sl_service *next, struct sl_service *prev);

	/*
	 * A service's state is no longer used.  Called once for each state: not
	 * for a service whose user pointer the next service has taken over.
	 */
	void (*stop)(struct sl_service *service);

	/*
	 * A connection comes to this code from another state_version.  Called
	 * before its first event here.  sl_service(c) is the new service,
	 * sl_data(c) is what the old code left.  Returns 0, or -1 to leave the
	 * connection, which must then be unchanged, on the old code.
	 */
	int (*migrate)(struct sl_conn *c, uint32_t from_version);

	/* A timer of sl_timer() ran out; c is NULL for a timer of the service. */
	void (
	    *timer)(struct sl_service *service, struct sl_conn *c, uint32_t id);

	const struct sl_handlers *server; /* accepted connections */
	const struct sl_handlers *client; /* outgoing ones; NULL: as server */
};

extern SL_EXPORT const struct sl_plugin sl_plugin;

/*
 * Defines the plugin.  Give the members in the order of the struct:
 *	SL_PLUGIN(.name = "echo", .version = "1.0", .flags = SL_MANY_WORKERS,
 *	    .server = SL_HANDLERS(.data = echo_data));
 */
/* clang-format off */
/* __extension__: before C++20 -Wpedantic warns of members that are named. */
#define SL_PLUGIN(...)                                     \
	__extension__ const struct sl_plugin sl_plugin = { \
		.abi = SL_ABI,                             \
		.size = sizeof(struct sl_plugin), __VA_ARGS__}

#ifdef __cplusplus
/*
 * Hidden: otherwise the static variable is an exported symbol, and one plugin
 * could be bound to that of another.
 */
#define SL_HANDLERS(...)                                               \
	([]() __attribute__((visibility("hidden")))                    \
		-> const struct sl_handlers * {                        \
		__extension__ static const struct sl_handlers          \
		    sl_handlers_ = {.size = sizeof(struct sl_handlers), \
			__VA_ARGS__};                                  \
		return &sl_handlers_;                                  \
	}())
#else
#define SL_HANDLERS(...)              \
	(&(const struct sl_handlers){ \
	    .size = sizeof(struct sl_handlers), __VA_ARGS__})
#endif
/* clang-format on */

/*
 * Output.  All bytes written to one connection during one callback leave in as
 * few system calls as possible, usually one, before the running pass of the
 * event loop ends.  Errors of all these functions: EPIPE when the out half is
 * finished, ENOTCONN when the connection is closed, EINVAL for an absurd
 * length or a NULL buffer.
 */

/*
 * Takes as much as fits under limits.write_buffer; buf is copied.  Returns the
 * bytes taken, 0..len.  If that is less than len, `drain` will be called.
 */
SL_EXPORT ssize_t sl_write(struct sl_conn *c, const void *buf, size_t len);
SL_EXPORT ssize_t sl_writev(struct sl_conn *c, const struct iovec *iov,
    int count);

/*
 * Takes all of buf or nothing; buf is copied.  Returns 0, or -1 with ENOBUFS
 * when the queue would grow beyond limits.write_queue.  In that case `drain`
 * will be called if anything is queued.
 */
SL_EXPORT int sl_send(struct sl_conn *c, const void *buf, size_t len);

/* The same for a message in parts: all of them or nothing. */
SL_EXPORT int sl_sendv(struct sl_conn *c, const struct iovec *iov, int count);

/*
 * How many bytes sl_send() and sl_sendv() would take now: limits.write_queue
 * less sl_queued().  So a message of that length fails for lack of memory only.
 * 0: also when c is NULL or closed, when its out half is finished, and between
 * sl_upgrade_tls() and the end of the handshake.
 *
 * If anything is queued, so that there will be more room, `drain` will be called
 * as after a short write: whoever finds too little may return from `data` and is
 * shown the rest again.  Ask before you act on a request whose reply is limited
 * in length; then the reply cannot be refused when the request has been carried
 * out.
 */
SL_EXPORT size_t sl_room(struct sl_conn *c);

/*
 * Sends the same bytes to each connection that sl_first() and sl_next() would
 * show, except to `except`, which may be NULL.  The first broadcast of a
 * callback is written at once to each connection whose queue is empty.  On any
 * other connection the bytes are queued as by sl_send(), and all queues share
 * one copy; later broadcasts of the callback are queued everywhere, and leave
 * together in the running pass of the event loop.  A connection is skipped when it has finished its output, or when the bytes do not fit under
 * limits.write_queue; in the latter case `drain` is called as for sl_send().
 * Returns how many connections took the bytes, or -1 with EINVAL.
 */
SL_EXPORT int sl_broadcast(struct sl_service *service, const void *buf,
    size_t len, const struct sl_conn *except);

/*
 * Hands the queue to the kernel now.  Returns 0 even if some of it remains: the
 * kernel's buffer may be full, or the connection may have used up its share of
 * this pass.
 */
SL_EXPORT int sl_flush(struct sl_conn *c);

/* Ending.  All return 0, or -1: ENOTCONN when the connection is closed. */

/*
 * Sends the last bytes (len may be 0), then half-closes.  `data` and `end` are
 * still called, until the peer finishes or the linger timeout runs out; that
 * starts when the peer has acknowledged everything.  Fails with ENOBUFS as
 * sl_send() does, and then has changed nothing.
 */
SL_EXPORT int sl_end(struct sl_conn *c, const void *buf, size_t len);

/*
 * Flushes the queue, then closes in a way that does not destroy output which is
 * still on its way: input is read and dropped until the peer has acknowledged
 * all output, and for the linger timeout after that.  Only `close` follows, or
 * `error` and `close` if output was not delivered (see SL_WHY_UNDELIVERED).
 */
SL_EXPORT int sl_close(struct sl_conn *c);

/* Resets the connection.  The queue is lost. */
SL_EXPORT int sl_terminate(struct sl_conn *c);

#define SL_SHUT_READ 0x1u  /* drop what arrives from now on; no `end` */
#define SL_SHUT_WRITE 0x2u /* flush, then half-close, with no time limit */
SL_EXPORT int sl_shutdown(struct sl_conn *c, unsigned int how);

/* Flow. */

/*
 * Stop and restart `data` and `end`.  After the running callback has returned,
 * sl_resume() presents the input that was kept, even on a connection that is
 * not paused.  A pause holds even if the connection breaks during it: `error`
 * and `close` follow at once, and input that was not presented is dropped.
 * EBUSY: it is piped (see sl_pipe()).
 */
SL_EXPORT int sl_pause(struct sl_conn *c);
SL_EXPORT int sl_resume(struct sl_conn *c);

/*
 * From now on the daemon moves all bytes between two connections, in both
 * directions: what arrives on one is sent on the other, beginning with input
 * that the plugin has not consumed and behind output that is queued.  When the
 * reader is slow, no more is read from the sender.  The end of the input of one
 * is a half-close of the other.  So if both just finish, the one whose input has
 * ended first ends with SL_WHY_PEER, and the other with SL_WHY_LOCAL.  When one
 * ends for another reason, the other is closed as by sl_close(), before `error`
 * and `close` of the first are called.
 *
 * `data`, `drain` and `end` are not called meanwhile; all other callbacks are.
 * They may be of different services, and either may still be connecting.  A
 * reload changes nothing.  Returns 0, or -1:
 *	ENOTCONN	one is closed
 *	EPIPE		the output of one is closed
 *	EBUSY		one is piped already
 *	EINVAL		both are the same
 *	ENOMEM
 */
SL_EXPORT int sl_pipe(struct sl_conn *a, struct sl_conn *b);
/*
 * Ends that for both, at either of them.  What has been moved stays sent; input
 * that has not is presented.  Neither is paused.  EINVAL: it is not piped.
 */
SL_EXPORT int sl_unpipe(struct sl_conn *c);

/*
 * Sets the idle timeout in milliseconds, in place of timeouts.idle.  Any value
 * is allowed; 0 switches it off.  It starts again on input, and on output when
 * the peer acknowledges it.
 */
SL_EXPORT int sl_timeout(struct sl_conn *c, uint64_t ms);

/*
 * Calls `timer(service, c, id)` once, ms milliseconds from now.  c may be NULL.
 * A timer with the same connection and id is replaced; with ms 0 it is only
 * cancelled.  Timers end with their connection or service.  One set in `start`
 * or `reload` waits until the service has begun to serve.  Returns 0, or -1:
 * ENOMEM, or EINVAL for a connection of another service.
 */
SL_EXPORT int sl_timer(struct sl_service *service, struct sl_conn *c,
    uint32_t id, uint64_t ms);

/*
 * Socket options.  EOPNOTSUPP where the socket has no such option, ENOTCONN where
 * there is no socket yet.
 */
SL_EXPORT int sl_set_nodelay(struct sl_conn *c, int on);
SL_EXPORT int sl_set_keepalive(struct sl_conn *c, int on, uint64_t idle_ms);
SL_EXPORT int sl_set_tos(struct sl_conn *c, int tos);
/* Borrowed.  -1 when it is closed, or has no socket yet. */
SL_EXPORT int sl_fd(const struct sl_conn *c);

/* Facts. */

enum sl_state {
	SL_STATE_CONNECTING = 1, /* outgoing, not yet connected */
	SL_STATE_HANDSHAKE = 2,	 /* TLS */
	SL_STATE_OPEN = 3,
	SL_STATE_READ_CLOSED = 4,  /* the peer finished, we may still write */
	SL_STATE_WRITE_CLOSED = 5, /* we finished, the peer may still write */
	SL_STATE_CLOSING = 6,	   /* flushing or lingering, then closed */
	SL_STATE_CLOSED = 7,
};

SL_EXPORT uint64_t sl_id(const struct sl_conn *c); /* never used twice; or 0 */
SL_EXPORT int sl_state(const struct sl_conn *c);   /* enum sl_state */
/*
 * The two ends, as the client sees them.  Behind a proxy that listener group
 * `proxy_protocol` trusts, they are what its header says: the real client, and
 * the address that this client has connected to.
 */
SL_EXPORT const struct sl_address *sl_local(struct sl_conn *c);
SL_EXPORT const struct sl_address *sl_remote(struct sl_conn *c);
/* The peer of the socket: that proxy, or the same as sl_remote(). */
SL_EXPORT const struct sl_address *sl_peer(struct sl_conn *c);
/*
 * A further fact in the header of that proxy (a TLV of version 2): the value
 * of the first one of this type, such as 0x01 (ALPN), 0x02 (the name that the
 * client asked for) or 0x20 (TLS).  *ret_len: its bytes, which may be 0.
 * Returns NULL with *ret_len 0 and ENODATA if there is none, EINVAL if ret_len
 * is NULL.  The value is good until `close` has returned.
 */
SL_EXPORT const void *sl_proxy_tlv(struct sl_conn *c, uint8_t type,
    size_t *ret_len);
SL_EXPORT uint64_t sl_bytes_read(const struct sl_conn *c);
/* What has left the queue, for the kernel or for TLS. */
SL_EXPORT uint64_t sl_bytes_written(const struct sl_conn *c);
/* What the kernel has not taken yet. */
SL_EXPORT size_t sl_queued(const struct sl_conn *c);
SL_EXPORT void *sl_data(const struct sl_conn *c);
SL_EXPORT void sl_set_data(struct sl_conn *c, void *data);
SL_EXPORT struct sl_service *sl_service(struct sl_conn *c);
SL_EXPORT int sl_is_client(const struct sl_conn *c);

/*
 * A drain waits for a connection by default and after sl_ref().  After
 * sl_unref() it closes the connection instead.
 */
SL_EXPORT void sl_ref(struct sl_conn *c);
SL_EXPORT void sl_unref(struct sl_conn *c);

/*
 * Outgoing connections.  Fill the rest with 0: a member that is 0 or NULL is as
 * if it did not exist.  The struct grows at its end.
 */
struct sl_connect_options {
	uint32_t size;	       /* of this struct */
	uint32_t flags;	       /* SL_CONNECT_... */
	const char *host;      /* a name, or an IPv4 or IPv6 address */
	uint16_t port;	       /* host byte order */
	uint16_t source_port;  /* to connect from; 0: any */
	int32_t nodelay;       /* 1: on, -1: off, 0: as the listener's */
	const char *unix_path; /* instead of host: "/run/x.sock", "@name" */
	const char *source;    /* the address to connect from; NULL: any */
	/* How long it may take until it is connected; 0: timeouts.connect. */
	uint64_t timeout_ms;
	int64_t keepalive_ms; /* of silence; -1: off, 0: as the listener's */
	void *data;	      /* for sl_data() */
	/* With SL_CONNECT_TLS; NULL: nothing is asked for. */
	const struct sl_tls_options *tls;
};
#define SL_CONNECT_TLS 0x1u /* with TLS, as a client: see sl_tls_options */
/* No line in the access log at its end: the plugin says what is to be said. */
#define SL_CONNECT_QUIET 0x2u

/*
 * What TLS asks for as a client.  Fill the rest with 0: a member that is 0 or
 * NULL is as the listener's `connect_tls` group has it, and where that says
 * nothing, as is said here.  The struct grows at its end.
 */
struct sl_tls_options {
	uint32_t size;	/* of this struct */
	uint32_t flags; /* SL_TLS_... */
	/* The host to ask for (SNI); "": none.  Else the host, if it is a name. */
	const char *servername;
	/*
	 * The name or address that the peer's certificate has to be valid for.
	 * Else servername, or else the host.
	 */
	const char *verify_name;
	/* PEM: CAs to trust, without CRLs.  Else those of the system. */
	const char *ca;
	const char *cert; /* PEM: our certificate with its chain, and... */
	const char *key;  /* ...its key, not encrypted.  Else none. */
	const char *const *alpn; /* protocols, the preferred one first */
	size_t alpn_count;
	/* From sl_tls_session(), to be resumed. */
	const void *session;
	size_t session_len;
};
/* Go on with any certificate: see sl_authorized(). */
#define SL_TLS_NO_VERIFY 0x1u

/*
 * Connect to a peer.  All of options is copied.  Returns the connection at once,
 * and nothing is called before the running callback has returned.  Then comes
 * either `open`, and all else as for an accepted connection, or `connect_error`
 * and nothing more; of the handlers `client` if the plugin has them.
 * sl_service(c) is `service`, or the version that has replaced it.
 *
 * What is written before `open` waits.  sl_close() and sl_terminate() before
 * `open` end it, and nothing is called: c is valid until the running callback
 * returns.  If anything else ends it, `connect_error` says so.
 *
 * In `start` and `reload` a connection may be made for the new service, but it
 * waits until the service has begun to serve.  If the reload is called off, it
 * ends, and nothing is called for it.  Each worker that serves the plugin calls
 * `start`.
 *
 * sl_first() and sl_find() find it when it is open, together with those that
 * were accepted: see sl_is_client().  No limit for connections counts it.
 * A drain waits for it as for any other: see sl_unref().
 *
 * A host that is a name is looked up in /etc/hosts and with the resolvers and
 * search domains of /etc/resolv.conf.  At most 16 of its addresses are tried, IPv6
 * and IPv4 in turn, 250 ms apart or as soon as the one before has failed, and the
 * first to answer is taken.  Until then sl_remote() shows the name.  An address is
 * never looked up.
 *
 * With TLS `handshake` comes before `open`, or, if it fails, `connect_error` with
 * the stage SL_STAGE_TLS.  The peer has to show a certificate that is good and
 * valid for its name: of the host, see sl_tls_options.  A handshake may take as
 * long as timeouts.handshake of the listener.
 *
 * Fails with EINVAL: an argument, which for TLS the log explains; ENAMETOOLONG:
 * of unix_path; EAFNOSUPPORT: host and source are of two families; ENOTSUP: a
 * member that this daemon does not know; EAGAIN: the service makes 1024 others in this worker right now;
 * ESHUTDOWN: the service ends, and its last connections are being closed;
 * ENOMEM.  A name cannot be combined with a source_port without a source.
 */
SL_EXPORT struct sl_conn *sl_connect(struct sl_service *service,
    const struct sl_connect_options *options);

/*
 * TLS.  A connection has TLS when its listener has a `tls` group, or when it was
 * asked for by sl_connect() or sl_upgrade_tls().  Errors of all
 * calls here, besides those that are named:
 *	ENOTCONN	it is closed; facts are there until `close` has returned
 *	ENOPROTOOPT	it has no TLS
 *	ENODATA		there is no such thing, or none so far
 *	EINVAL		an argument
 *	ENOMEM		the daemon is out of memory
 *	ENOBUFS		too much has been asked for on this connection already
 * What fails returns -1 or NULL.  Pointers that are returned are good until
 * `close` has returned, or `handshake` where that failed.
 *
 * A handshake that is done again later (see sl_renegotiate()) may change all
 * facts; `handshake` is not called for it.
 *
 * Where a call fills `buf`, it returns how many bytes there are, and has copied
 * them if they fit into `size`; with size 0, buf may be NULL.
 */

/* "TLSv1.2" or "TLSv1.3". */
SL_EXPORT const char *sl_tls_version(const struct sl_conn *c);

struct sl_cipher {
	uint32_t size;	  /* of this struct, as the daemon knows it */
	uint32_t bits;	  /* of the key */
	const char *name; /* OpenSSL's: "ECDHE-RSA-AES128-GCM-SHA256" */
	const char *standard_name; /* IANA's */
	const char *version;	   /* of TLS that first had it: "TLSv1.2" */
};
SL_EXPORT const struct sl_cipher *sl_tls_cipher(const struct sl_conn *c);

/* The protocol that was agreed on (ALPN).  ENODATA: none. */
SL_EXPORT const char *sl_alpn(const struct sl_conn *c);

/*
 * The host that the client has asked for (SNI), which may be us: in lower case
 * and without a dot at the end.  ENODATA: it named none.  EILSEQ: it has sent
 * other characters than letters, digits, '-', '_' and '.'.
 */
SL_EXPORT const char *sl_servername(const struct sl_conn *c);

/*
 * 1: the peer has shown a certificate, and it was found good; of a server: for
 * the name that it had to be valid for.  0: it has not, or it was not; also
 * during a handshake.
 */
SL_EXPORT int sl_authorized(const struct sl_conn *c);
/* Why it is not authorized, in words.  ENODATA: it is. */
SL_EXPORT const char *sl_authorization_error(const struct sl_conn *c);

/*
 * A certificate.  Text in it is printable ASCII, whatever the certificate says:
 * names are written as in RFC 2253, the last part first, other characters as
 * \XX; the others' names as Node writes them, quoted like a JSON string where
 * they could be mistaken for something else.
 */
struct sl_certificate {
	uint32_t size;	     /* of this struct, as the daemon knows it */
	const char *subject; /* "CN=example.org,O=Example" */
	const char *issuer;  /* the same */
	const char *sans;    /* "DNS:a.org, IP Address:192.0.2.7"; "" */
	const char *serial;  /* hexadecimal, upper case */
	int64_t valid_from, valid_to; /* seconds since 1970 */
	unsigned char sha256[32];     /* of der */
	const unsigned char *der;
	size_t der_len;
	const struct sl_certificate *next; /* its issuer's; NULL: not known */
};
/*
 * The peer's, and through `next` its chain: up to the CA if it was found good,
 * else what the peer has sent.  A resumed session knows the first one only.
 * ENODATA: it has shown none.  EILSEQ: one cannot be put into words.
 */
SL_EXPORT const struct sl_certificate *sl_peer_certificate(
    const struct sl_conn *c);
/*
 * Our own, which the peer was shown.  In a resumed session none is shown; it is
 * one of those that the listener has.
 */
SL_EXPORT const struct sl_certificate *sl_certificate(const struct sl_conn *c);

/*
 * The session as bytes, with its secrets, to be resumed later.  Of a client it
 * is there when the server has sent it, with TLS 1.3 after the handshake.
 */
SL_EXPORT ssize_t sl_tls_session(const struct sl_conn *c, void *buf,
    size_t size);
/*
 * Resume this session, if the peer goes along.  It began by the same rules: the
 * same name, CAs and mode to verify the peer; otherwise it is not resumed.
 * EALREADY: the handshake has begun.  ENOTSUP: it is not a client.
 */
SL_EXPORT int sl_set_tls_session(struct sl_conn *c, const void *buf,
    size_t len);
/* The ticket in it.  ENOTSUP: it is not a client. */
SL_EXPORT ssize_t sl_tls_ticket(const struct sl_conn *c, void *buf,
    size_t size);
/* 1: the handshake has resumed a session; 0: it has not. */
SL_EXPORT int sl_session_reused(const struct sl_conn *c);

/*
 * Key material that both ends can compute and nobody else (RFC 5705, RFC 8446):
 * len bytes, 1 or more.  A context of NULL is none, which with TLS 1.2 is not the
 * same as an empty one.  EINVAL: also what TLS does not allow, such as a label
 * of its own.  ENODATA: the handshake is not over.
 */
SL_EXPORT int sl_export_keying_material(const struct sl_conn *c, void *out,
    size_t len, const char *label, const void *context, size_t context_len);

/* The Finished message that we have sent, and that of the peer. */
SL_EXPORT ssize_t sl_tls_finished(const struct sl_conn *c, void *buf,
    size_t size);
SL_EXPORT ssize_t sl_tls_peer_finished(const struct sl_conn *c, void *buf,
    size_t size);

/*
 * Signature algorithms that both ends know, the best first:
 * "ECDSA+SHA256:RSA-PSS+SHA256:Ed25519".
 */
SL_EXPORT const char *sl_shared_sigalgs(const struct sl_conn *c);

struct sl_ephemeral_key {
	uint32_t size;	  /* of this struct, as the daemon knows it */
	uint32_t bits;	  /* 0: not known */
	const char *type; /* "ECDH", "DH", or "KEM" for whatever is neither */
	const char *name; /* of the group: "X25519", "prime256v1", or "" */
};
/* How the secret was made.  ENODATA: with no key that ends with the session. */
SL_EXPORT const struct sl_ephemeral_key *sl_ephemeral_key(
    const struct sl_conn *c);

/*
 * From now on no record of data has more than n bytes of it, 512 to 16384, nor
 * more than the listener's tls.max_send_fragment.
 */
SL_EXPORT int sl_set_max_send_fragment(struct sl_conn *c, size_t n);

/*
 * The host to ask for (SNI); NULL: none.  EALREADY: the handshake has begun.
 * ENOTSUP: it is not a client.
 */
SL_EXPORT int sl_set_servername(struct sl_conn *c, const char *name);

enum sl_verify {
	SL_VERIFY_NONE = 0,	/* do not ask for a certificate */
	SL_VERIFY_OPTIONAL = 1, /* ask, and go on: see sl_authorized() */
	SL_VERIFY_REQUIRE = 2,	/* ask, and end without a good one */
};
/*
 * What is asked of the peer, by the CAs of the listener.  Of a server: until the
 * handshake begins.  When it is over, a client is asked at once with TLS 1.3 (unless for NONE), and with TLS
 * 1.2 by the next renegotiation; until it has answered, sl_authorized() is as
 * before.  A refusal ends the connection with SL_WHY_TLS.
 * EALREADY: it was asked, and has not answered; or there is a handshake now, for
 * which it is too late.  ENOTSUP: it does not take part
 * in that, or is a server.  EPERM: the listener does not allow renegotiation.
 * EPIPE: our half is finished.
 */
SL_EXPORT int sl_set_verify_mode(struct sl_conn *c, int mode);

/*
 * Ask the peer for another handshake, which it may ignore.  EPERM: the listener
 * does not allow that (tls.renegotiation).  ENOTSUP: nor does TLS 1.3, or the
 * peer.  EALREADY: one is on its way.  EPIPE: our half is finished.
 */
SL_EXPORT int sl_renegotiate(struct sl_conn *c);
/* From now on nobody renegotiates on this connection. */
SL_EXPORT int sl_disable_renegotiation(struct sl_conn *c);

enum sl_tls_role {
	SL_TLS_SERVER = 1,
	SL_TLS_CLIENT = 2,
};
/*
 * Go on with TLS on a plain connection, as after STARTTLS, in either role,
 * whoever has connected.  For a server the listener has a `tls` group with
 * `starttls`, and options is NULL; a client asks for what the options say, or
 * NULL.  What was written before goes out in plain text first; until the
 * handshake is over sl_write() takes nothing more, and `drain` follows.  Then
 * `handshake` is called, but not `open` again; handlers and user pointer stay.
 * A handshake that fails ends the connection: `handshake` with the error,
 * `error`, `close`.
 *
 * Input that came behind the command must not be taken for encrypted input: if
 * `data` has left some of what it was shown, the connection ends with
 * SL_WHY_TLS.  It also ends if one half is finished before the handshake begins.
 *
 * Returns 0: it is going to, or -1.  ENOTCONN: it is closed.  EALREADY: it has
 * TLS, or is going to.  EAGAIN: it is not open yet.  ENOPROTOOPT: the listener
 * has no such group.  EPIPE: one half is finished.  EINVAL, ENOTSUP: as
 * sl_connect() with these options.
 */
SL_EXPORT int sl_upgrade_tls(struct sl_conn *c, int role,
    const struct sl_tls_options *options);

/*
 * The service.  A pointer to one is valid until its `stop`, or until a reload
 * replaces it.  So do not keep it: use the one that a callback is given, or
 * call sl_service() on a connection.
 */

SL_EXPORT const char *sl_service_name(const struct sl_service *service);
/* The state_version of its code, such as that of `prev` in `reload`; NULL: 0. */
SL_EXPORT uint32_t sl_state_version(const struct sl_service *service);
SL_EXPORT void *sl_service_data(const struct sl_service *service);
SL_EXPORT void sl_set_service_data(struct sl_service *service, void *data);

/*
 * The service of the listener or connector with this name, as this worker has
 * committed it, if it runs the same code as `service`, which is the caller's.
 * NULL with ENOENT: this worker has none; EPERM: it runs other code, such as that
 * of another version; EINVAL.
 */
SL_EXPORT struct sl_service *sl_find_service(const struct sl_service *service,
    const char *name);

/*
 * The address of the listener's socket number `index`, or NULL past the last.
 */
SL_EXPORT const struct sl_address *sl_listen_address(
    const struct sl_service *service, unsigned int index);

/* The connection with this id if it is open in this service, else NULL. */
SL_EXPORT struct sl_conn *sl_find(struct sl_service *service, uint64_t id);

/*
 * Walk the service's open connections:
 *	for (c = sl_first(service); c != NULL; c = sl_next(c))
 * Any of them may be written to or closed during the walk.
 */
SL_EXPORT struct sl_conn *sl_first(struct sl_service *service);
SL_EXPORT struct sl_conn *sl_next(struct sl_conn *c);

/*
 * Stop the listener, in every worker, until the next reload.  close_active
 * also closes its connections, with SL_WHY_STOP.  Fails with EPERM when the
 * service belongs to another plugin, or outside of a callback.
 */
SL_EXPORT int sl_stop(struct sl_service *service, int close_active);

/* Ask the daemon to reload, as SIGHUP does. */
SL_EXPORT int sl_reload(void);

/*
 * Options.  Strings live as long as the service.  A name that is not in the
 * table, or of another type, reads as not set: 0 or NULL.  The log says so once.
 */

SL_EXPORT const struct sl_options *sl_options(const struct sl_service *service);
SL_EXPORT const char *sl_option_string(const struct sl_options *options,
    const char *path);
SL_EXPORT int64_t sl_option_int(const struct sl_options *options,
    const char *path);
SL_EXPORT double sl_option_float(const struct sl_options *options,
    const char *path);
SL_EXPORT int sl_option_bool(const struct sl_options *options,
    const char *path);
SL_EXPORT uint64_t sl_option_ms(const struct sl_options *options,
    const char *path);
SL_EXPORT uint64_t sl_option_size(const struct sl_options *options,
    const char *path);
SL_EXPORT size_t sl_option_count(const struct sl_options *options,
    const char *path); /* strings in a list; 0 or 1 for any other option */
SL_EXPORT const char *sl_option_at(const struct sl_options *options,
    const char *path, size_t index);

/*
 * In `check`, `start` and `reload`: says why the callback is about to refuse.
 * `err` is what `check` was given, and NULL in the others.  `option` names the
 * one at fault, so that the operator is told its file and line; it may be NULL.
 * Returns -1, and has no other effect elsewhere:
 *	return sl_refuse(err, "motd", "longer than %d bytes", MOTD_MAX);
 *	return sl_refuse(NULL, "store", "%s: %s", path, strerror(errno));
 */
SL_EXPORT int sl_refuse(struct sl_error *err, const char *option,
    const char *fmt, ...) SL_PRINTF(3, 4);

/* Logs, counters, time. */

enum sl_log_level {
	SL_LOG_ERROR = 3, /* as in syslog(3) */
	SL_LOG_WARN = 4,
	SL_LOG_INFO = 6,
	SL_LOG_DEBUG = 7,
};

/*
 * Log one line of at most 1,023 bytes.  A longer one is cut, and a newline at
 * its end is dropped.  service may be NULL.
 */
SL_EXPORT void sl_log(const struct sl_service *service, int level,
    const char *fmt, ...) SL_PRINTF(3, 4);
SL_EXPORT void sl_conn_log(struct sl_conn *c, int level, const char *fmt, ...)
    SL_PRINTF(3, 4);

/*
 * Add n to the service's counter of this name: 1 to 31 of the characters
 * A-Z a-z 0-9 _ . -, copied.  Returns 0, or -1: EINVAL for any other name,
 * ENOSPC for more than 32 names.  `sluicectl status` shows the sum over all
 * workers.  Each worker logs its own count when the listener ends.
 */
SL_EXPORT int sl_count(struct sl_service *service, const char *name,
    uint64_t n);

/* Monotonic milliseconds, as of the running pass of the event loop. */
SL_EXPORT uint64_t sl_now_ms(void);

#ifdef __cplusplus
#pragma GCC diagnostic pop
/* Members that are left out are NULL, as intended. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
}
#endif

#endif /* SLUICE_H */
