/*
 * tls_tickets.h: the keys that seal session tickets.  All workers have the same,
 * so that a session which began in one goes on in another.
 */

#ifndef SLUICE_TLS_TICKETS_H
#define SLUICE_TLS_TICKETS_H

#include <openssl/ssl.h>
#include <stdbool.h>

struct error;

/*
 * The keys from now on, by the sealed memfd of MSG_TICKETS, which stays the
 * caller's.  0, or -1 with err: then those that were there stay.
 */
int tls_tickets_set(int fd, struct error *err);

/* Wipe them: tickets are neither made nor taken. */
void tls_tickets_clear(void);

/* Tickets of this context are sealed by these keys. */
void tls_tickets_use(SSL_CTX *context);

/*
 * For SSL_CTX_set_session_ticket_cb(): a ticket gets the time when its session
 * began.  OpenSSL has one there, too, but by the calendar.
 */
int tls_tickets_date(SSL *ssl, void *arg);

/* Is the session of a ticket younger than its timeout, however clocks are set? */
bool tls_tickets_is_fresh(SSL_SESSION *session);

#endif
