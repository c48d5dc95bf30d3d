/* http.h: requests and answers; the one that speaks with libmicrohttpd. */

#ifndef SLUICE_STATUS_HTTP_H
#define SLUICE_STATUS_HTTP_H

struct error;
struct event_base;

/* One for the process; clients_init() was called.  0, or -1 with err. */
int http_init(struct event_base *base, struct error *err);
void http_done(void);

/* There are news, for the clients that wait for them. */
void http_answer_waiting(void);

/* Serve those that are connected, and call on_left when they are gone. */
void http_leave(void (*on_left)(void));

extern const struct clients_ops http_clients_ops;

#endif
