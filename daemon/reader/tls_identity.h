/*
 * tls_identity.h: the files of one identity: of a listener, or of an entry of
 * its `sni`, which may take its CAs from the listener.
 */

#ifndef SLUICE_TLS_IDENTITY_H
#define SLUICE_TLS_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct listener_settings;
struct origin;
struct problems;
struct settings;
struct tls_identity_settings;
struct tls_name_settings;
struct tls_parts;
struct tls_settings;

struct tls_identity {
	const char *config; /* the main file, which paths are relative to */
	struct settings *settings;
	struct problems *problems;
	const struct listener_settings *listener; /* or a connector */
	const struct tls_settings *tls;		  /* its group */
	bool client;				  /* the group of a client */
	const struct tls_name_settings *name;	  /* an entry of sni, or NULL */
	const struct tls_identity *base;	  /* the listener's, or NULL */
	struct tls_identity_settings *identity;	  /* of the name, or listener */
	int64_t now;				  /* seconds since 1970 */
	struct tls_parts *parts;		  /* owned */
	bool failed;				  /* a problem was reported */
};

/* "listener "a": tls", where problems are. */
const char *tls_identity_place(const struct tls_identity *self,
    struct error *text);
/* Read and check all of it.  Problems have been reported if it failed. */
void tls_identity_read(struct tls_identity *self);
void tls_identity_done(struct tls_identity *self);

#endif
