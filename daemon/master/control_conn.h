/* control_conn.h: one client of the control socket: for control*.c. */

#ifndef SLUICE_MASTER_CONTROL_CONN_H
#define SLUICE_MASTER_CONTROL_CONN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/types.h>

#include "base/time_text.h"
#include "ipc/control_words.h"

struct control_subject;
struct counts_sum;
struct event;
struct event_base;
struct gen;
struct listener_settings;
struct upstream_list;

#define CONTROL_REPLY_MAX \
	(6u << 20) /* bytes; 1,024 listeners fit, with all their counts */

enum control_state {
	CONTROL_READING, /* the request */
	CONTROL_WORKING, /* the answer will come from elsewhere */
	CONTROL_WRITING,
	CONTROL_ENDING,	   /* the answer is sent: until the client closes */
	CONTROL_RESTING,   /* the same, until it may ask again */
	CONTROL_FOLLOWING, /* lines, until one side leaves */
};

struct control_conn {
	TAILQ_ENTRY(control_conn) link;
	const struct control_subject *subject; /* borrowed */
	/* The client is gone; conn is freed when this returns. */
	void (*on_gone)(void *arg, struct control_conn *conn);
	void *arg;
	/*
	 * The status process: it stays, and may ask again and again, but only
	 * what is `on_page`.  Called with each request.  NULL: an ordinary
	 * client.
	 */
	void (*on_question)(void *arg);
	int fd;
	uid_t uid;
	pid_t pid;
	enum control_state state;
	struct event *readable, *writable, *timer;
	size_t length;	/* of the request so far */
	size_t dropped; /* bytes read and dropped after the request */
	char *reply;
	size_t reply_length, reply_sent;
	size_t reply_room; /* of one that follows */
	bool input_ended;
	/* Called when the client leaves while it waits for an answer. */
	void (*cancel)(struct control_conn *conn);
	/* It follows, and has taken all lines. */
	void (*on_sent)(struct control_conn *conn);
	void *waits_for; /* the command's; see control_wait() */
	char request[CONTROL_REQUEST_MAX + 1];
};

/* Takes fd over, also on failure.  NULL: no memory. */
struct control_conn *control_conn_new(struct event_base *base, int fd,
    const struct control_subject *subject,
    void (*on_gone)(void *arg, struct control_conn *conn), void *arg);
/* It is the status process: see on_question. */
void control_conn_stay(struct control_conn *conn,
    void (*on_question)(void *arg));
/* Without on_gone.  Not from inside a command. */
void control_conn_free(struct control_conn *conn);

/*
 * The answer, which is taken over; {"ok": true} is added if it has no "ok".
 * NULL: no memory.
 */
void control_reply(struct control_conn *conn, json_t *reply);

/* {"ok": false, "error": ...} */
void control_fail(struct control_conn *conn, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The answer comes later, from control_reply(), unless `cancel` is called
 * before.
 */
void control_wait(struct control_conn *conn,
    void (*cancel)(struct control_conn *conn));

/*
 * In place of an answer: lines from now on, by control_push().  `cancel` is
 * called when the client leaves, on_sent when it has taken all of them.
 */
void control_follow(struct control_conn *conn,
    void (*cancel)(struct control_conn *conn),
    void (*on_sent)(struct control_conn *conn));

#define CONTROL_FOLLOW_MAX (256u << 10) /* bytes that wait for a client */

/*
 * Send it a line, which has its newline.  0, or -1: no memory, or too much waits
 * already, and the line was dropped.
 */
int control_push(struct control_conn *conn, const char *line, size_t length);
/* Does nothing wait for it?  Then on_sent has been called. */
bool control_has_sent(const struct control_conn *conn);

/*
 * What was asked of a command: by the place of the option, NULL where it was not
 * given.  Of the kind that control_words says; borrowed.
 */
struct control_args {
	const json_t *of[CONTROL_OPTIONS_MAX];
};

/* control_commands.c: do what the line asks for; reply, fail or wait. */
void control_run(struct control_conn *conn, const char *line, size_t length);

/* control_counts.c: a number of a worker, as JSON can hold it. */
json_t *control_number(uint64_t value);
/* As an object, without those that are 0. */
json_t *control_counts(const struct counts_sum *sum, uint64_t tick_scale);

/* control_endpoints.c: a hash as 64 digits. */
json_t *control_hash(const uint8_t *hash);
/* Those of a generation, which may be NULL. */
json_t *control_listeners(const struct control_subject *subject,
    const struct gen *gen, const struct upstream_list *upstreams);
json_t *control_connectors(const struct control_subject *subject,
    const struct gen *gen, const struct upstream_list *upstreams);

/* control_upstreams.c: those of the listener in that slot. */
json_t *control_upstreams(const struct upstream_list *list, uint32_t slot);
/*
 * What a worker says of a time on the monotonic clock: how many milliseconds ago
 * that was, and when it was for people.
 */
uint64_t control_ago(uint64_t at_ms, char since[TIME_TEXT_MAX]);

/* control_certificates.c: those of its own, with the day on which they end. */
json_t *control_certificates(const struct listener_settings *endpoint);

/*
 * control_status.c: the lines of a text that come before its end, or before its
 * last line.
 */
json_t *control_lines(const char *text, const char *last);

/* control_status.c, control_generations.c */
void control_status(struct control_conn *conn, const struct control_args *args);
void control_generations(struct control_conn *conn,
    const struct control_args *args);

/* control_config.c */
void control_config(struct control_conn *conn, const struct control_args *args);

/* control_diff.c */
void control_diff(struct control_conn *conn, const struct control_args *args);

/* control_events.c */
void control_events(struct control_conn *conn, const struct control_args *args);

/* control_commands.c: "control socket, uid 0, process 12", for the log. */
void control_client_name(const struct control_conn *conn, char *who,
    size_t size);

/* control_recycle.c */
void control_workers(struct control_conn *conn,
    const struct control_args *args);

/* control_conns.c */
void control_conns(struct control_conn *conn, const struct control_args *args);
void control_kill(struct control_conn *conn, const struct control_args *args);

#endif
