/* check.c: certificates against each other, and against the calendar. */

#include "tls/check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "base/time_text.h"
#include "tls/parts.h"

#define NAME_TEXT_MAX 128

/* "CN=example.org,O=...", cut off where it is too long. */
static const char *
name_text(const X509_NAME *name, char text[NAME_TEXT_MAX])
{
	BIO *bio = BIO_new(BIO_s_mem());
	int len = 0;

	if (bio != NULL &&
	    X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) > 0)
		len = BIO_read(bio, text, NAME_TEXT_MAX - 1);
	BIO_free(bio);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

static const char *
subject(const X509 *cert, char text[NAME_TEXT_MAX])
{
	return name_text(X509_get_subject_name(cert), text);
}

int64_t
tls_seconds(const ASN1_TIME *time)
{
	struct tm tm;

	return ASN1_TIME_to_tm(time, &tm) == 1 ? (int64_t)timegm(&tm) : -1;
}

int
tls_key_position(const STACK_OF(X509) *chain, const EVP_PKEY *key)
{
	int i, found = -1;

	for (i = 0; i < sk_X509_num(chain) && found == -1; i++)
		if (EVP_PKEY_eq(X509_get0_pubkey(sk_X509_value(chain, i)),
			key) == 1)
			found = i;
	ERR_clear_error();
	return found;
}

static bool
issued(X509 *issuer, X509 *cert)
{
	bool did = X509_check_issued(issuer, cert) == X509_V_OK &&
	    X509_verify(cert, X509_get0_pubkey(issuer)) == 1;

	ERR_clear_error();
	return did;
}

static int
wrong_order(const STACK_OF(X509) *chain, int at, struct error *err)
{
	char name[NAME_TEXT_MAX], other[NAME_TEXT_MAX];
	X509 *cert = sk_X509_value(chain, at);

	subject(cert, name);
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (i != at && issued(sk_X509_value(chain, i), cert))
			return error_set(err,
			    "the chain is out of order: certificate %d (%s) "
			    "must come right behind certificate %d (%s), "
			    "which it issued",
			    i + 1, subject(sk_X509_value(chain, i), other),
			    at + 1, name);
	return error_set(err,
	    "certificate %d (%s) is not issued by certificate %d (%s), "
	    "which comes behind it",
	    at + 1, name, at + 2, subject(sk_X509_value(chain, at + 1), other));
}

int
tls_check_chain(const STACK_OF(X509) *chain, struct error *err)
{
	for (int i = 0; i + 1 < sk_X509_num(chain); i++)
		if (!issued(sk_X509_value(chain, i + 1),
			sk_X509_value(chain, i)))
			return wrong_order(chain, i, err);
	return 0;
}

int
tls_check_dates(const STACK_OF(X509) *certificates, int64_t now,
    int64_t *ret_not_after, struct error *err)
{
	int64_t from, until, first = INT64_MAX;
	char name[NAME_TEXT_MAX], when[TIME_TEXT_MAX];
	X509 *cert;

	for (int i = 0; i < sk_X509_num(certificates); i++) {
		cert = sk_X509_value(certificates, i);
		from = tls_seconds(X509_get0_notBefore(cert));
		until = tls_seconds(X509_get0_notAfter(cert));
		subject(cert, name);
		if (from == -1 || until == -1)
			return error_set(err,
			    "certificate %d (%s) has dates that cannot be read",
			    i + 1, name);
		if (now < from)
			return error_set(err,
			    "certificate %d (%s) is not valid before %s", i + 1,
			    name, date_text(from, when));
		if (now > until)
			return error_set(err,
			    "certificate %d (%s) expired on %s", i + 1, name,
			    date_text(until, when));
		if (until < first)
			first = until;
	}
	*ret_not_after = first;
	return 0;
}

static bool
has_issuer(const STACK_OF(X509) *ca, X509 *cert)
{
	for (int i = 0; i < sk_X509_num(ca); i++)
		if (issued(sk_X509_value(ca, i), cert))
			return true;
	return false;
}

int
tls_check_ca(const STACK_OF(X509) *ca, struct error *err)
{
	char name[NAME_TEXT_MAX], issuer[NAME_TEXT_MAX];
	X509 *cert;

	for (int i = 0; i < sk_X509_num(ca); i++) {
		cert = sk_X509_value(ca, i);
		/* May also be the certificate of a single client. */
		if (X509_self_signed(cert, 1) == 1)
			continue;
		subject(cert, name);
		if (X509_check_ca(cert) == 0)
			return error_set(err, "%s is not a CA", name);
		if (!has_issuer(ca, cert))
			return error_set(err,
			    "%s is issued by %s, which is not among the CAs; "
			    "both are needed",
			    name,
			    name_text(X509_get_issuer_name(cert), issuer));
	}
	return 0;
}

static bool
is_of(X509_CRL *crl, const X509 *ca)
{
	bool is = X509_NAME_cmp(X509_CRL_get_issuer(crl),
		      X509_get_subject_name(ca)) == 0 &&
	    X509_CRL_verify(crl, X509_get0_pubkey(ca)) == 1;

	ERR_clear_error();
	return is;
}

static bool
is_of_one(X509_CRL *crl, const STACK_OF(X509) *ca)
{
	for (int i = 0; i < sk_X509_num(ca); i++)
		if (is_of(crl, sk_X509_value(ca, i)))
			return true;
	return false;
}

static bool
has_crl(const X509 *ca, const STACK_OF(X509_CRL) *crls)
{
	for (int i = 0; i < sk_X509_CRL_num(crls); i++)
		if (is_of(sk_X509_CRL_value(crls, i), ca))
			return true;
	return false;
}

int
tls_check_crls(const STACK_OF(X509_CRL) *crls, const STACK_OF(X509) *ca,
    struct tls_period *ret_period, struct error *err)
{
	char issuer[NAME_TEXT_MAX];
	int64_t from, until;
	const ASN1_TIME *next;
	X509_CRL *crl;

	*ret_period = (struct tls_period){ 0, INT64_MAX };
	for (int i = 0; i < sk_X509_CRL_num(crls); i++) {
		crl = sk_X509_CRL_value(crls, i);
		if (!is_of_one(crl, ca))
			return error_set(err,
			    "contains a CRL of %s, which is not one of the CAs",
			    name_text(X509_CRL_get_issuer(crl), issuer));
		next = X509_CRL_get0_nextUpdate(crl);
		from = tls_seconds(X509_CRL_get0_lastUpdate(crl));
		until = next != NULL ? tls_seconds(next) : INT64_MAX;
		if (from > ret_period->from)
			ret_period->from = from;
		if (until < ret_period->until)
			ret_period->until = until;
	}
	return 0;
}

int
tls_check_crl_of_each(const STACK_OF(X509_CRL) *crls, const STACK_OF(X509) *ca,
    struct error *err)
{
	const X509 *first = NULL;
	char name[NAME_TEXT_MAX], more[32] = "";
	int without = 0;

	for (int i = 0; i < sk_X509_num(ca); i++) {
		if (has_crl(sk_X509_value(ca, i), crls))
			continue;
		if (without++ == 0)
			first = sk_X509_value(ca, i);
	}
	if (without == 0)
		return 0;
	if (without > 1)
		snprintf(more, sizeof(more), ", nor of %d more", without - 1);
	return error_set(err,
	    "there is no CRL of the CA %s%s: where there is a CRL, clients of a "
	    "CA without one are refused; add it",
	    subject(first, name), more);
}

bool
tls_check_host(const struct tls_parts *parts, const char *name)
{
	char host[256];
	X509 *leaf;

	/* One label is as good as another in place of the "*". */
	snprintf(host, sizeof(host), "%s%s", name[0] == '*' ? "a" : "",
	    name[0] == '*' ? name + 1 : name);
	for (uint32_t i = 0; i < parts->pair_count; i++) {
		leaf = sk_X509_value(parts->pairs[i].chain, 0);
		if (X509_check_host(leaf, host, 0, 0, NULL) == 1)
			return true;
	}
	return false;
}
