/* tls_identity_internal.h: what tls_identity.c and tls_trust.c share. */

#ifndef SLUICE_TLS_IDENTITY_INTERNAL_H
#define SLUICE_TLS_IDENTITY_INTERNAL_H

#include "reader/tls_identity.h"

struct secret;

/*
 * An error, or a warning, about this key and file, which may be NULL; `text` is a
 * phrase that follows the name of the file.
 */
void tls_identity_wrong(struct tls_identity *self, const struct origin *origin,
    const char *key, const char *file, const char *text);
void tls_identity_doubt(struct tls_identity *self, const struct origin *origin,
    const char *key, const char *file, const char *text);

/*
 * Read one input of a key.  Bytes and name are owned by the caller.  NULL: it was
 * reported.
 */
struct secret *tls_identity_input(struct tls_identity *self,
    const struct origin *origin, const char *key, const char *text,
    char **ret_name);

/* Read and check the CAs and CRLs. */
void tls_identity_trust(struct tls_identity *self);

#endif
