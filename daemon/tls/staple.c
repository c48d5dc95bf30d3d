/*
 * staple.c: the response is sent only with the certificate that it is about, and
 * only until it runs out: a client would refuse it then, and goes on without.
 * It lives as long as the context, which may outlive its generation.
 */

#include "tls/staple.h"

#include <openssl/ssl.h>
#include <stdint.h>
#include <time.h>

#include "base/error.h"
#include "tls/parts.h"
#include "tls/tls_error.h"

struct staple {
	X509 *certificate; /* a reference */
	unsigned char *response;
	size_t len;
	int64_t until; /* seconds since 1970; -1: for ever */
};

static void
staple_free(struct staple *staple)
{
	if (staple == NULL)
		return;
	X509_free(staple->certificate);
	OPENSSL_free(staple->response);
	OPENSSL_free(staple);
}

static void
free_cb(void *parent, void *data, CRYPTO_EX_DATA *ad, int index, long argl,
    void *argp)
{
	(void)parent;
	(void)ad;
	(void)index;
	(void)argl;
	(void)argp;
	staple_free(data);
}

static int
staple_index(void)
{
	static int index = -1;

	if (index == -1)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_cb);
	return index;
}

static int
status_cb(SSL *ssl, void *arg)
{
	const struct staple *staple = arg;
	unsigned char *copy;

	if (SSL_get_certificate(ssl) != staple->certificate ||
	    (staple->until != -1 && time(NULL) > staple->until))
		return SSL_TLSEXT_ERR_NOACK;
	copy = OPENSSL_memdup(staple->response, staple->len);
	if (copy == NULL)
		return SSL_TLSEXT_ERR_NOACK;
	/* It is the connection's now. */
	SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)staple->len);
	return SSL_TLSEXT_ERR_OK;
}

int
tls_staple(SSL_CTX *ctx, const struct tls_parts *parts, struct error *err)
{
	struct staple *staple;
	X509 *leaf;

	if (parts->ocsp == NULL)
		return 0;
	staple = OPENSSL_zalloc(sizeof(*staple));
	if (staple == NULL)
		return error_set(err, "ocsp: out of memory");
	leaf = sk_X509_value(parts->pairs[parts->ocsp_pair].chain, 0);
	if (X509_up_ref(leaf) == 1)
		staple->certificate = leaf;
	staple->response = OPENSSL_memdup(parts->ocsp, parts->ocsp_len);
	staple->len = parts->ocsp_len;
	staple->until = parts->ocsp_until;
	if (staple->certificate == NULL || staple->response == NULL ||
	    SSL_CTX_set_ex_data(ctx, staple_index(), staple) != 1) {
		staple_free(staple);
		return tls_error(err, "ocsp: OpenSSL refuses it");
	}
	SSL_CTX_set_tlsext_status_cb(ctx, status_cb);
	SSL_CTX_set_tlsext_status_arg(ctx, staple);
	return 0;
}
