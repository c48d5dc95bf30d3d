/* tls_identity.c: read the files of an identity, and check them together. */

#include "reader/tls_identity_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/time_text.h"
#include "config/secret.h"
#include "config/settings.h"
#include "reader/problems.h"
#include "reader/tls_input.h"
#include "tls/check.h"
#include "tls/parts.h"
#include "tls/pem.h"

#define DAY_S (24 * 60 * 60)

const char *
tls_identity_place(const struct tls_identity *self, struct error *text)
{
	const char *name = self->listener->name;

	error_set(text, "%s \"%s\": %s", endpoint_kind(self->listener),
	    name != NULL ? name : "", tls_group(self->listener, self->tls));
	return text->text;
}

/* "listener "a": tls.key: FILE", for entries of sni with their name. */
static const char *
place(const struct tls_identity *self, const char *key, const char *file,
    struct error *text)
{
	const struct tls_name_settings *name = self->name;
	struct error group;

	error_set(text, "%s.%s%s%s%s%s%s", tls_identity_place(self, &group),
	    name != NULL ? "sni." : "", key,
	    name != NULL && name->name_count > 0 ? " of " : "",
	    name != NULL && name->name_count > 0 ? name->names[0].text : "",
	    file != NULL ? ": " : "", file != NULL ? file : "");
	return text->text;
}

void
tls_identity_wrong(struct tls_identity *self, const struct origin *origin,
    const char *key, const char *file, const char *text)
{
	struct error where;

	self->failed = true;
	problem_error(self->problems, origin, "%s: %s",
	    place(self, key, file, &where), text);
}

void
tls_identity_doubt(struct tls_identity *self, const struct origin *origin,
    const char *key, const char *file, const char *text)
{
	struct error where;

	problem_warn(self->problems, origin, "%s: %s",
	    place(self, key, file, &where), text);
}

static bool
is_secret(const char *key)
{
	return strcmp(key, "key") == 0 || strcmp(key, "passphrase_file") == 0;
}

struct secret *
tls_identity_input(struct tls_identity *self, const struct origin *origin,
    const char *key, const char *text, char **ret_name)
{
	struct secret *bytes;
	struct error err;

	*ret_name = tls_input_name(self->config, text);
	if (*ret_name == NULL) {
		tls_identity_wrong(self, origin, key, NULL, "out of memory");
		return NULL;
	}
	bytes = tls_input_read(self->settings, *ret_name, text, &err);
	if (bytes == NULL)
		tls_identity_wrong(self, origin, key, *ret_name, err.text);
	else if (!tls_input_inline(text) &&
	    tls_input_is_open(*ret_name, is_secret(key), &err))
		tls_identity_doubt(self, origin, key, *ret_name, err.text);
	return bytes;
}

/* -- certificates and keys -- */

static void
read_certificate(struct tls_identity *self, struct key_string *entry,
    struct tls_pair *pair)
{
	struct secret *bytes;
	struct error err;
	char *name;

	bytes = tls_identity_input(self, &entry->origin, "cert", entry->text,
	    &name);
	if (bytes != NULL) {
		pair->chain = tls_pem_certificates(bytes, &err);
		if (pair->chain == NULL)
			tls_identity_wrong(self, &entry->origin, "cert", name,
			    err.text);
	}
	secret_free(bytes);
	free(name);
}

/* Pair number i gets certificate number i. */
static void
read_certificates(struct tls_identity *self)
{
	struct tls_identity_settings *identity = self->identity;
	struct tls_pair *pair;

	for (uint32_t i = 0; i < identity->cert_count; i++) {
		pair = tls_parts_add_pair(self->parts);
		if (pair == NULL)
			tls_identity_wrong(self, &identity->cert[i].origin,
			    "cert", NULL, "out of memory");
		else
			read_certificate(self, &identity->cert[i], pair);
	}
}

/* The key belongs to a certificate of the chain that is not the first. */
static void
not_first(struct tls_identity *self, uint32_t pair, int position,
    const char *key_name)
{
	const struct key_string *entry = &self->identity->cert[pair];
	char *name = tls_input_name(self->config, entry->text);
	struct error err;

	error_set(&err,
	    "the chain is out of order: certificate %d must come first, since "
	    "it is the one that the key %s belongs to",
	    position + 1, key_name);
	tls_identity_wrong(self, &entry->origin, "cert", name, err.text);
	free(name);
}

/* Give the key, owned, to its certificate. */
static void
place_key(struct tls_identity *self, const struct key_string *entry,
    const char *name, EVP_PKEY *key)
{
	struct tls_parts *parts = self->parts;
	bool twice = false;
	int position;

	for (uint32_t i = 0; i < parts->pair_count; i++) {
		position = tls_key_position(parts->pairs[i].chain, key);
		if (position == 0 && parts->pairs[i].key == NULL) {
			parts->pairs[i].key = key;
			return;
		}
		if (position > 0) {
			not_first(self, i, position, name);
			EVP_PKEY_free(key);
			return;
		}
		twice |= position == 0;
	}
	tls_identity_wrong(self, &entry->origin, "key", name,
	    twice ? "is given twice"
		: parts->pair_count == 1
		? "does not belong to the certificate"
		: "belongs to none of the certificates");
	EVP_PKEY_free(key);
}

/* place_it: all certificates are there. */
static void
read_key(struct tls_identity *self, struct key_string *entry,
    const struct secret *passphrase, bool place_it)
{
	EVP_PKEY *key = NULL;
	struct secret *bytes;
	struct error err;
	char *name;

	bytes =
	    tls_identity_input(self, &entry->origin, "key", entry->text, &name);
	if (bytes != NULL) {
		key = tls_pem_key(bytes, passphrase, &err);
		if (key == NULL)
			tls_identity_wrong(self, &entry->origin, "key", name,
			    err.text);
	}
	secret_free(bytes);
	if (key != NULL && place_it)
		place_key(self, entry, name, key);
	else
		EVP_PKEY_free(key);
	free(name);
}

static void
read_keys(struct tls_identity *self)
{
	struct tls_identity_settings *identity = self->identity;
	struct secret *passphrase = NULL;
	bool place_them = !self->failed;
	char *name = NULL;

	if (identity->passphrase_file != NULL) {
		passphrase = tls_identity_input(self, &identity->origin,
		    "passphrase_file", identity->passphrase_file, &name);
		free(name);
		if (passphrase == NULL)
			return;
	}
	for (uint32_t i = 0; i < identity->key_count; i++)
		read_key(self, &identity->key[i], passphrase, place_them);
	secret_free(passphrase);
}

static void
check_counts(struct tls_identity *self)
{
	const struct tls_identity_settings *identity = self->identity;
	struct error err;

	if (identity->cert_count == identity->key_count)
		return;
	error_set(&err,
	    "the number of keys (%u) is not the number of certificates (%u); "
	    "each certificate needs its own key",
	    identity->key_count, identity->cert_count);
	tls_identity_wrong(self, &identity->key[0].origin, "key", NULL,
	    err.text);
}

static void
warn_of_end(struct tls_identity *self, const struct origin *origin,
    const char *name, int64_t not_after)
{
	int64_t left = not_after - self->now;
	char when[TIME_TEXT_MAX];
	struct error err;

	if (left >= (int64_t)TLS_WARN_DAYS * DAY_S)
		return;
	error_set(&err, "a certificate ends in %lld days, on %s",
	    (long long)(left / DAY_S), date_text(not_after, when));
	tls_identity_doubt(self, origin, "cert", name, err.text);
}

/* Are there certificates and keys to be read? */
static bool
has_pairs(struct tls_identity *self)
{
	const struct tls_identity_settings *identity = self->identity;

	if (identity->cert_count > 0 && identity->key_count > 0)
		return true;
	/* Keys that a server needs have been reported. */
	if (!self->client)
		self->failed = true;
	else if (identity->cert_count > 0)
		tls_identity_wrong(self, &identity->cert[0].origin, "cert",
		    NULL, "needs a key as well");
	else if (identity->key_count > 0)
		tls_identity_wrong(self, &identity->key[0].origin, "key", NULL,
		    "needs a cert as well");
	return false;
}

static void
check_pair(struct tls_identity *self, uint32_t at)
{
	struct tls_identity_settings *identity = self->identity;
	const struct key_string *entry = &identity->cert[at];
	char *name = tls_input_name(self->config, entry->text);
	STACK_OF(X509) *chain = self->parts->pairs[at].chain;
	struct error err;
	int64_t ends;

	if (tls_check_chain(chain, &err) == -1 ||
	    tls_check_dates(chain, self->now, &ends, &err) == -1)
		tls_identity_wrong(self, &entry->origin, "cert", name,
		    err.text);
	else {
		warn_of_end(self, &entry->origin, name, ends);
		if (identity->not_after == -1 || ends < identity->not_after)
			identity->not_after = ends;
	}
	free(name);
}

static void
read_pairs(struct tls_identity *self)
{
	read_certificates(self);
	check_counts(self);
	read_keys(self);
	if (self->failed)
		return;
	for (uint32_t i = 0; i < self->parts->pair_count; i++)
		check_pair(self, i);
}

/* -- the rest -- */

static void
read_ocsp(struct tls_identity *self)
{
	struct tls_identity_settings *identity = self->identity;
	struct secret *bytes;
	struct error err, more;
	char *name;
	int kept;

	if (identity->ocsp == NULL)
		return;
	bytes = tls_identity_input(self, &identity->origin, "ocsp",
	    identity->ocsp, &name);
	if (bytes != NULL) {
		kept = tls_check_ocsp(self->parts, bytes, &err);
		if (kept == -1)
			tls_identity_wrong(self, &identity->origin, "ocsp",
			    name, err.text);
		else if (kept == 0) {
			error_set(&more, "%s, and is not sent", err.text);
			tls_identity_doubt(self, &identity->origin, "ocsp",
			    name, more.text);
		} else
			identity->ocsp_until = self->parts->ocsp_until;
	}
	secret_free(bytes);
	free(name);
}

static void
check_names(struct tls_identity *self)
{
	const struct tls_name_settings *name = self->name;
	struct error err;

	for (uint32_t i = 0; name != NULL && i < name->name_count; i++) {
		if (tls_check_host(self->parts, name->names[i].text))
			continue;
		error_set(&err, "the certificate is not valid for \"%s\"",
		    name->names[i].text);
		tls_identity_doubt(self, &name->names[i].origin, "cert", NULL,
		    err.text);
	}
}

void
tls_identity_read(struct tls_identity *self)
{
	self->parts = calloc(1, sizeof(*self->parts));
	if (self->parts == NULL) {
		tls_identity_wrong(self, &self->identity->origin, "cert", NULL,
		    "out of memory");
		return;
	}
	if (has_pairs(self))
		read_pairs(self);
	tls_identity_trust(self);
	if (self->failed)
		return;
	read_ocsp(self);
	check_names(self);
}

void
tls_identity_done(struct tls_identity *self)
{
	tls_parts_free(self->parts);
	self->parts = NULL;
}
