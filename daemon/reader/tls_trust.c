/*
 * tls_trust.c: by what an identity verifies its peers: CAs and CRLs.
 */

#include <stdlib.h>

#include "base/error.h"
#include "base/time_text.h"
#include "config/secret.h"
#include "config/settings.h"
#include "reader/tls_identity_internal.h"
#include "tls/check.h"
#include "tls/parts.h"
#include "tls/pem.h"

/* Move what is in `from`, owned, to the end of *to.  -1: ENOMEM. */
static int
append(STACK_OF(X509) **to, STACK_OF(X509) *from)
{
	X509 *cert;

	if (*to == NULL && (*to = sk_X509_new_null()) == NULL)
		return -1;
	while ((cert = sk_X509_shift(from)) != NULL)
		if (sk_X509_push(*to, cert) == 0) {
			X509_free(cert);
			return -1;
		}
	return 0;
}

static void
read_ca(struct tls_identity *self, const struct key_string *entry)
{
	STACK_OF(X509) *found;
	struct secret *bytes;
	struct error err = { "" };
	char *name;

	bytes =
	    tls_identity_input(self, &entry->origin, "ca", entry->text, &name);
	if (bytes != NULL) {
		found = tls_pem_certificates(bytes, &err);
		if (found != NULL && append(&self->parts->ca, found) == -1)
			error_set(&err, "out of memory");
		if (err.text[0] != '\0')
			tls_identity_wrong(self, &entry->origin, "ca", name,
			    err.text);
		sk_X509_pop_free(found, X509_free);
	}
	secret_free(bytes);
	free(name);
}

static int
append_crls(STACK_OF(X509_CRL) **to, STACK_OF(X509_CRL) *from)
{
	X509_CRL *crl;

	if (*to == NULL && (*to = sk_X509_CRL_new_null()) == NULL)
		return -1;
	while ((crl = sk_X509_CRL_shift(from)) != NULL)
		if (sk_X509_CRL_push(*to, crl) == 0) {
			X509_CRL_free(crl);
			return -1;
		}
	return 0;
}

/* A file of CRLs is good for this time. */
static void
check_period(struct tls_identity *self, const struct key_string *entry,
    const char *name, const struct tls_period *period)
{
	struct tls_identity_settings *identity = self->identity;
	char when[TIME_TEXT_MAX];
	struct error err;

	if (period->from > self->now) {
		error_set(&err,
		    "is not valid before %s, so no certificate of a peer will "
		    "be accepted until then",
		    date_text(period->from, when));
		tls_identity_doubt(self, &entry->origin, "crl", name, err.text);
	}
	if (period->until < self->now)
		tls_identity_doubt(self, &entry->origin, "crl", name,
		    "is out of date, so no certificate of a peer will be "
		    "accepted");
	if (period->until != INT64_MAX &&
	    (identity->crl_until == -1 || period->until < identity->crl_until))
		identity->crl_until = period->until;
}

static void
read_crl(struct tls_identity *self, const struct key_string *entry)
{
	STACK_OF(X509_CRL) *found = NULL;
	struct tls_period period;
	struct secret *bytes;
	struct error err = { "" };
	char *name;

	bytes =
	    tls_identity_input(self, &entry->origin, "crl", entry->text, &name);
	if (bytes != NULL) {
		found = tls_pem_crls(bytes, &err);
		if (found != NULL &&
		    tls_check_crls(found, self->parts->ca, &period, &err) ==
			0) {
			check_period(self, entry, name, &period);
			if (append_crls(&self->parts->crls, found) == -1)
				error_set(&err, "out of memory");
		}
		if (err.text[0] != '\0')
			tls_identity_wrong(self, &entry->origin, "crl", name,
			    err.text);
	}
	sk_X509_CRL_pop_free(found, X509_CRL_free);
	secret_free(bytes);
	free(name);
}

static void
read_crls(struct tls_identity *self)
{
	const struct tls_identity_settings *identity = self->identity;
	struct error err;

	for (uint32_t i = 0; i < identity->crl_count && !self->failed; i++)
		read_crl(self, &identity->crl[i]);
	if (identity->crl_count > 0 && !self->failed &&
	    tls_check_crl_of_each(self->parts->crls, self->parts->ca, &err) ==
		-1)
		tls_identity_doubt(self, &identity->crl[0].origin, "crl", NULL,
		    err.text);
}

/* An entry of sni without a CA has the CAs and CRLs of the listener. */
static void
inherit_ca(struct tls_identity *self)
{
	const struct tls_parts *base = self->base->parts;
	struct tls_parts *parts = self->parts;

	if (base->ca != NULL)
		parts->ca = X509_chain_up_ref(base->ca);
	for (int i = 0; i < sk_X509_CRL_num(base->crls); i++)
		X509_CRL_up_ref(sk_X509_CRL_value(base->crls, i));
	if (base->crls != NULL)
		parts->crls = sk_X509_CRL_dup(base->crls);
	if ((base->ca != NULL && parts->ca == NULL) ||
	    (base->crls != NULL && parts->crls == NULL))
		tls_identity_wrong(self, &self->identity->origin, "ca", NULL,
		    "out of memory");
}

static void
check_ca(struct tls_identity *self)
{
	const struct tls_identity_settings *identity = self->identity;
	struct error err;
	int64_t ends;

	if (tls_check_ca(self->parts->ca, &err) == -1)
		tls_identity_wrong(self, &identity->ca[0].origin, "ca", NULL,
		    err.text);
	/* Others of the list may be valid, and are enough for their clients. */
	else if (tls_check_dates(self->parts->ca, self->now, &ends, &err) == -1)
		tls_identity_doubt(self, &identity->ca[0].origin, "ca", NULL,
		    err.text);
}

void
tls_identity_trust(struct tls_identity *self)
{
	const struct tls_identity_settings *identity = self->identity;
	bool failed = self->failed;

	self->failed = false;
	for (uint32_t i = 0; i < identity->ca_count; i++)
		read_ca(self, &identity->ca[i]);
	if (identity->ca_count > 0 && !self->failed)
		check_ca(self);
	if (identity->ca_count == 0 && self->base != NULL)
		inherit_ca(self);
	if (identity->crl_count > 0 && identity->ca_count == 0)
		tls_identity_wrong(self, &identity->crl[0].origin, "crl", NULL,
		    "a CRL needs the CA that issued it: there is no ca in this "
		    "group");
	read_crls(self);
	if (self->base != NULL && self->base->identity->crl_count > 0 &&
	    identity->ca_count > 0 && identity->crl_count == 0)
		tls_identity_doubt(self, &identity->ca[0].origin, "ca", NULL,
		    "there is no crl in this entry, so none of its clients is "
		    "found revoked, unlike those of the listener; give it one");
	/* A client has those of the system. */
	if (identity->verify != TLS_VERIFY_NONE && !self->failed &&
	    !self->client && sk_X509_num(self->parts->ca) <= 0)
		tls_identity_wrong(self, &identity->origin, "verify", NULL,
		    "there is no ca, so no client could be verified");
	self->failed |= failed;
}
