/*
 * tls_tickets.h: the keys that seal session tickets.  All workers have the same,
 * so that a session which began in one goes on in another.
 */

#ifndef SLUICE_TLS_TICKETS_H
#define SLUICE_TLS_TICKETS_H

#include <openssl/types.h>

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

#endif
