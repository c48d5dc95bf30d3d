/* tls_input.h: the value of a key of `tls`: a path, or the PEM text itself. */

#ifndef SLUICE_TLS_INPUT_H
#define SLUICE_TLS_INPUT_H

#include <stdbool.h>

struct error;
struct key_string;
struct secret;
struct settings;

/* Is it PEM text?  Such a text must never be shown. */
bool tls_input_inline(const char *text);

/*
 * Its name in messages: the path to open, or "(inline)"; owned by the caller.
 * NULL: ENOMEM.
 */
char *tls_input_name(const char *config, const char *text);

/*
 * The bytes, owned by the caller.  A path is added to settings->sources.  NULL:
 * err, a phrase that is appended to the name.
 */
struct secret *tls_input_read(struct settings *settings, const char *name,
    const char *text, struct error *err);

/*
 * May users who should not change, or read what is secret in, the file of that
 * name?  If so, say in `doubt` what would help.
 */
bool tls_input_is_open(const char *name, bool secret, struct error *doubt);

/* Replace PEM text by "(inline)"; a path stays. */
void tls_input_forget(struct key_string *entry);

#endif
