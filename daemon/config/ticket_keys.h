/*
 * ticket_keys.h: the keys that seal TLS session tickets, as the master sends
 * them to the workers: TICKET_KEYS_MAX times TICKET_KEY_SIZE random bytes, the
 * newest first.  It seals; the others open what they have sealed before.
 */

#ifndef SLUICE_TICKET_KEYS_H
#define SLUICE_TICKET_KEYS_H

#define TICKET_KEYS_MAX 3
/* A name of 16 bytes, a key for AES-256 and one for HMAC-SHA256. */
#define TICKET_KEY_SIZE 80

#endif
