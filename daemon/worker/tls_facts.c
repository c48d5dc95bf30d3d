/*
 * tls_facts.c: what OpenSSL says of a session.  Half a handshake proves nothing:
 * until it is over nobody is authorized, and there are no secrets.
 */

#include "worker/tls_facts.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sluice.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"
#include "tls/tls_error.h"
#include "worker/tls_kept.h"
#include "worker/tls_name.h"

#define PROTOCOL_MAX_LEN 255 /* of ALPN */
#define CONTEXT_MAX 65535    /* of key material: 16 bits say its length */
#define FINISHED_MAX 64
#define SIGALGS_MAX 1024 /* bytes; more than OpenSSL has algorithms for */

static const void *
none(int error)
{
	errno = error;
	return NULL;
}

/* As every call with a buffer does. */
static ssize_t
copy_out(void *buf, size_t size, const void *data, size_t len)
{
	if (buf == NULL && size > 0)
		return fail(EINVAL);
	if (size >= len && len > 0)
		memcpy(buf, data, len);
	return len;
}

const char *
tls_fact_version(const SSL *ssl)
{
	if (SSL_get_current_cipher(ssl) == NULL)
		return none(ENODATA);
	return SSL_get_version(ssl);
}

const struct sl_cipher *
tls_fact_cipher(SSL *ssl, struct tls_kept **kept)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	struct sl_cipher fact;

	if (cipher == NULL)
		return none(ENODATA);
	memset(&fact, 0, sizeof(fact)); /* what is kept is compared */
	fact.size = sizeof(fact);
	fact.bits = SSL_CIPHER_get_bits(cipher, NULL);
	fact.name = SSL_CIPHER_get_name(cipher);
	fact.standard_name = SSL_CIPHER_standard_name(cipher);
	fact.version = SSL_CIPHER_get_version(cipher);
	return tls_keep(kept, &fact, sizeof(fact));
}

const char *
tls_fact_alpn(const SSL *ssl, struct tls_kept **kept)
{
	const unsigned char *name;
	unsigned int len;

	SSL_get0_alpn_selected(ssl, &name, &len);
	if (len == 0)
		return none(ENODATA);
	for (unsigned int i = 0; i < len; i++)
		if (name[i] < ' ' || name[i] > '~')
			return none(EILSEQ);
	return tls_keep(kept, name, len);
}

const char *
tls_fact_servername(const SSL *ssl, struct tls_kept **kept)
{
	const char *asked = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	char name[TLS_NAME_MAX + 1];

	if (asked == NULL || *asked == '\0' || strcmp(asked, ".") == 0)
		return none(ENODATA);
	if (!tls_name_tidy(asked, strlen(asked), name) ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.")] !=
		'\0')
		return none(EILSEQ);
	return tls_keep(kept, name, strlen(name));
}

/* -- Who the peer is -- */

int
tls_fact_authorized(SSL *ssl)
{
	return SSL_is_init_finished(ssl) &&
	    SSL_get0_peer_certificate(ssl) != NULL &&
	    SSL_get_verify_result(ssl) == X509_V_OK;
}

const char *
tls_fact_authorization_error(SSL *ssl)
{
	long result = SSL_get_verify_result(ssl);

	if (tls_fact_authorized(ssl))
		return none(ENODATA);
	if (result != X509_V_OK)
		return X509_verify_cert_error_string(result);
	if (!SSL_is_init_finished(ssl))
		return "the handshake is not over";
	if (SSL_is_server(ssl) && SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE)
		return "no certificate was asked for";
	return "the peer has shown no certificate";
}

/* -- Sessions -- */

ssize_t
tls_fact_session(SSL *ssl, void *buf, size_t size)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	unsigned char *data = NULL;
	ssize_t rc;
	int len;

	if (session == NULL || !SSL_is_init_finished(ssl) ||
	    (!SSL_is_server(ssl) && !SSL_SESSION_is_resumable(session)))
		return fail(ENODATA);
	len = i2d_SSL_SESSION(session, &data);
	if (len <= 0)
		return tls_fail(ENOMEM);
	rc = copy_out(buf, size, data, len);
	OPENSSL_clear_free(data, len);
	return rc;
}

ssize_t
tls_fact_ticket(SSL *ssl, void *buf, size_t size)
{
	const SSL_SESSION *session = SSL_get_session(ssl);
	const unsigned char *ticket = NULL;
	size_t len = 0;

	if (SSL_is_server(ssl))
		return fail(ENOTSUP);
	if (session != NULL && SSL_is_init_finished(ssl))
		SSL_SESSION_get0_ticket(session, &ticket, &len);
	return len > 0 ? copy_out(buf, size, ticket, len) : fail(ENODATA);
}

int
tls_fact_reused(SSL *ssl)
{
	return SSL_session_reused(ssl);
}

/* -- Secrets -- */

int
tls_fact_export(SSL *ssl, void *out, size_t len, const char *label,
    const void *context, size_t context_len)
{
	unsigned char *made;
	int rc;

	if (out == NULL || len == 0 || len > INT32_MAX || label == NULL ||
	    (context == NULL && context_len > 0) || context_len > CONTEXT_MAX)
		return fail(EINVAL);
	if (!SSL_is_init_finished(ssl))
		return fail(ENODATA);
	made = malloc(len);
	if (made == NULL)
		return -1;
	rc = SSL_export_keying_material(ssl, made, len, label, strlen(label),
	    context, context_len, context != NULL);
	if (rc == 1)
		memcpy(out, made, len);
	OPENSSL_cleanse(made, len);
	free(made);
	return rc == 1 ? 0 : tls_fail(EINVAL);
}

static ssize_t
copy_finished(const unsigned char data[FINISHED_MAX], size_t len, void *buf,
    size_t size)
{
	return len > 0 ? copy_out(buf, size, data, len) : fail(ENODATA);
}

ssize_t
tls_fact_finished(SSL *ssl, void *buf, size_t size)
{
	unsigned char data[FINISHED_MAX];

	return copy_finished(data, SSL_get_finished(ssl, data, sizeof(data)),
	    buf, size);
}

ssize_t
tls_fact_peer_finished(SSL *ssl, void *buf, size_t size)
{
	unsigned char data[FINISHED_MAX];

	return copy_finished(data,
	    SSL_get_peer_finished(ssl, data, sizeof(data)), buf, size);
}

static const char *
signature_name(int sign)
{
	switch (sign) {
	case NID_rsaEncryption:
		return "RSA";
	case NID_rsassaPss:
		return "RSA-PSS";
	case NID_X9_62_id_ecPublicKey:
		return "ECDSA";
	case NID_ED25519:
		return "Ed25519";
	case NID_ED448:
		return "Ed448";
	default:
		return OBJ_nid2sn(sign);
	}
}

const char *
tls_fact_sigalgs(SSL *ssl, struct tls_kept **kept)
{
	int count =
	    SSL_get_shared_sigalgs(ssl, 0, NULL, NULL, NULL, NULL, NULL);
	char text[SIGALGS_MAX];
	int sign, hash, n = 0;

	if (count <= 0)
		return none(ENODATA);
	for (int i = 0; i < count && n < (int)sizeof(text); i++) {
		SSL_get_shared_sigalgs(ssl, i, &sign, &hash, NULL, NULL, NULL);
		n += snprintf(text + n, sizeof(text) - n, "%s%s%s%s",
		    i > 0 ? ":" : "", signature_name(sign),
		    hash != NID_undef ? "+" : "",
		    hash != NID_undef ? OBJ_nid2sn(hash) : "");
	}
	return tls_keep(kept, text, strnlen(text, sizeof(text)));
}

/* Sizes as OpenSSL has them for a key of the group. */
static const struct group {
	int nid;
	unsigned int bits;
	const char *type;
} groups[] = {
	{ NID_X25519, 253, "ECDH" },
	{ NID_X448, 448, "ECDH" },
	{ NID_X9_62_prime256v1, 256, "ECDH" },
	{ NID_secp384r1, 384, "ECDH" },
	{ NID_secp521r1, 521, "ECDH" },
	{ NID_ffdhe2048, 2048, "DH" },
	{ NID_ffdhe3072, 3072, "DH" },
	{ NID_ffdhe4096, 4096, "DH" },
	{ NID_ffdhe6144, 6144, "DH" },
	{ NID_ffdhe8192, 8192, "DH" },
};

/* Curves that are not in the table have their name in common, at least. */
static void
take_group(SSL *ssl, int nid, struct sl_ephemeral_key *ret)
{
	const char *name;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		if (groups[i].nid != nid)
			continue;
		ret->bits = groups[i].bits;
		ret->type = groups[i].type;
		ret->name = OBJ_nid2sn(nid);
		return;
	}
	name = SSL_group_to_name(ssl, nid);
	ret->type = (nid & TLSEXT_nid_unknown) != 0 ? "KEM" : "ECDH";
	ret->name = name != NULL ? name : "";
}

const struct sl_ephemeral_key *
tls_fact_ephemeral_key(SSL *ssl, struct tls_kept **kept)
{
	const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
	struct sl_ephemeral_key fact;
	int exchange, nid;

	if (cipher == NULL)
		return none(ENODATA);
	exchange = SSL_CIPHER_get_kx_nid(cipher); /* NID_kx_any: TLS 1.3 */
	if (exchange != NID_kx_any &&
	    (SSL_session_reused(ssl) ||
		(exchange != NID_kx_ecdhe && exchange != NID_kx_dhe)))
		return none(ENODATA);
	memset(&fact, 0, sizeof(fact)); /* what is kept is compared */
	fact.size = sizeof(fact);
	fact.type = "DH";
	fact.name = "";
	nid = (int)SSL_get_negotiated_group(ssl);
	if (nid != NID_undef && exchange != NID_kx_dhe)
		take_group(ssl, nid, &fact);
	else if (exchange != NID_kx_dhe)
		return none(ENODATA);
	return tls_keep(kept, &fact, sizeof(fact));
}
