/*
 * check_ocsp.c: which certificate an OCSP response is about, and whether it is
 * still valid.
 */

#include <openssl/err.h>
#include <openssl/ocsp.h>
#include <string.h>

#include "base/error.h"
#include "config/secret.h"
#include "tls/check.h"
#include "tls/parts.h"
#include "tls/tls_error.h"

#define CLOCK_SKEW_S 300 /* between the responder's clock and ours */

/*
 * The same serial number and issuer.  Our chain may lack the issuer, whose key
 * would be the third part of the id.
 */
static bool
is_about(const OCSP_SINGLERESP *single, X509 *cert)
{
	ASN1_OBJECT *algorithm;
	ASN1_OCTET_STRING *name;
	ASN1_INTEGER *serial;
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	const EVP_MD *md;

	/* It takes no const, and changes nothing. */
	OCSP_id_get0_info(&name, &algorithm, NULL, &serial,
	    (OCSP_CERTID *)(uintptr_t)OCSP_SINGLERESP_get0_id(single));
	md = EVP_get_digestbyobj(algorithm);
	return md != NULL &&
	    ASN1_INTEGER_cmp(serial, X509_get0_serialNumber(cert)) == 0 &&
	    X509_NAME_digest(X509_get_issuer_name(cert), md, hash, &len) == 1 &&
	    ASN1_STRING_length(name) == (int)len &&
	    memcmp(ASN1_STRING_get0_data(name), hash, len) == 0;
}

static OCSP_SINGLERESP *
find(OCSP_BASICRESP *basic, const struct tls_parts *parts, uint32_t *ret_pair)
{
	OCSP_SINGLERESP *single;

	for (int i = 0; i < OCSP_resp_count(basic); i++) {
		single = OCSP_resp_get0(basic, i);
		for (uint32_t j = 0; j < parts->pair_count; j++)
			if (is_about(single,
				sk_X509_value(parts->pairs[j].chain, 0))) {
				*ret_pair = j;
				return single;
			}
	}
	return NULL;
}

static int
check(OCSP_BASICRESP *basic, struct tls_parts *parts, struct error *err)
{
	ASN1_GENERALIZEDTIME *from, *until;
	OCSP_SINGLERESP *single = find(basic, parts, &parts->ocsp_pair);
	int status;

	if (single == NULL)
		return error_set(err, "is about another certificate");
	status = OCSP_single_get0_status(single, NULL, NULL, &from, &until);
	if (status == V_OCSP_CERTSTATUS_REVOKED)
		return error_set(err, "says that the certificate is revoked");
	if (status != V_OCSP_CERTSTATUS_GOOD)
		return error_set(err, "does not know the certificate");
	parts->ocsp_until = until != NULL ? tls_seconds(until) : -1;
	if (OCSP_check_validity(from, until, CLOCK_SKEW_S, -1) == 1)
		return 1;
	error_set(err,
	    ERR_GET_REASON(ERR_peek_last_error()) == OCSP_R_STATUS_NOT_YET_VALID
		? "is not valid yet"
		: "is out of date");
	ERR_clear_error();
	return 0;
}

static OCSP_BASICRESP *
parse(const struct secret *der, struct error *err)
{
	const unsigned char *at = (const unsigned char *)der->bytes;
	OCSP_RESPONSE *response;
	OCSP_BASICRESP *basic = NULL;

	response = d2i_OCSP_RESPONSE(NULL, &at, (long)der->len);
	if (response == NULL)
		tls_error(err, "is not an OCSP response in DER");
	else if (OCSP_response_status(response) !=
	    OCSP_RESPONSE_STATUS_SUCCESSFUL)
		error_set(err, "is an OCSP error: %s",
		    OCSP_response_status_str(OCSP_response_status(response)));
	else if ((basic = OCSP_response_get1_basic(response)) == NULL)
		tls_error(err, "is not a basic OCSP response");
	OCSP_RESPONSE_free(response);
	return basic;
}

int
tls_check_ocsp(struct tls_parts *parts, const struct secret *der,
    struct error *err)
{
	OCSP_BASICRESP *basic;
	int result;

	ERR_clear_error();
	basic = parse(der, err);
	if (basic == NULL)
		return -1;
	result = check(basic, parts, err);
	OCSP_BASICRESP_free(basic);
	if (result != 1)
		return result;
	parts->ocsp = OPENSSL_memdup(der->bytes, der->len);
	if (parts->ocsp == NULL)
		return error_set(err, "out of memory");
	parts->ocsp_len = der->len;
	return 1;
}
