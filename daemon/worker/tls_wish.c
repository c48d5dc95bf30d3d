/* tls_wish.c: what a plugin asks for, checked and copied. */

#include "worker/tls_wish.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sluice.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"
#include "config/address.h"
#include "config/secret.h"
#include "config/settings.h"
#include "tls/check.h"
#include "tls/parts.h"
#include "tls/pem.h"
#include "tls/tls_error.h"
#include "worker/api_struct.h"

/*
 * May it be sent as SNI?  Not with a dot in front: when OpenSSL verifies, that
 * stands for every host of a domain.
 */
static bool
is_host(const char *name)
{
	return !host_is_address(name) && host_name_valid(name);
}

/* Says what is wrong.  Returns -1 with EINVAL. */
static int
wrong(struct error *err, const char *member, const char *what)
{
	error_set(err, "%s %s", member, what);
	return fail(EINVAL);
}

/* -- Certificates -- */

/* The text as the parsers take it.  NULL: errno. */
static struct secret *
as_secret(const char *text)
{
	size_t len = strlen(text);
	struct secret *secret;

	if (len == 0 || len > SECRET_SIZE_MAX) {
		errno = EINVAL;
		return NULL;
	}
	secret = secret_new(len);
	if (secret == NULL)
		return NULL;
	memcpy(secret->bytes, text, len);
	secret->len = len;
	return secret;
}

static int
take_ca(struct tls_wish *wish, const char *text, struct error *err)
{
	struct secret *pem = as_secret(text);

	if (pem == NULL)
		return errno == EINVAL ? wrong(err, "ca", "is no PEM text")
				       : -1;
	wish->parts->ca = tls_pem_certificates(pem, err);
	secret_free(pem);
	return wish->parts->ca != NULL ? 0 : wrong(err, "ca", err->text);
}

static int
take_pair(struct tls_wish *wish, const char *cert, const char *key,
    struct error *err)
{
	struct tls_pair *pair = tls_parts_add_pair(wish->parts);
	struct secret *pem = as_secret(cert);

	if (pair == NULL || (pem == NULL && errno != EINVAL)) {
		secret_free(pem);
		return fail(ENOMEM);
	}
	if (pem != NULL)
		pair->chain = tls_pem_certificates(pem, err);
	secret_free(pem);
	if (pair->chain == NULL)
		return wrong(err, "cert",
		    pem != NULL ? err->text : "is no PEM text");
	pem = as_secret(key);
	if (pem == NULL && errno != EINVAL)
		return -1;
	if (pem != NULL)
		pair->key = tls_pem_key(pem, NULL, err);
	secret_free(pem);
	if (pair->key == NULL)
		return wrong(err, "key",
		    pem != NULL ? err->text : "is no PEM text");
	if (tls_key_position(pair->chain, pair->key) != 0)
		return wrong(err, "key", "does not belong to the certificate");
	return 0;
}

/* -- The rest -- */

static int
take_string(char **ret, const char *text)
{
	char *copy = text != NULL ? strdup(text) : NULL;

	if (text != NULL && copy == NULL)
		return -1;
	free(*ret);
	*ret = copy;
	return 0;
}

static int
wrong_name(struct error *err, const char *member, const char *name,
    const char *what)
{
	error_set(err, "%s \"%.200s\" %s", member, name, what);
	return fail(EINVAL);
}

static int
take_names(struct tls_wish *wish, const struct sl_tls_options *options,
    struct error *err)
{
	const char *servername = options->servername;

	if (servername != NULL && servername[0] != '\0' && !is_host(servername))
		return wrong_name(err, "servername", servername,
		    "is not the name of a host");
	if (options->verify_name != NULL && !is_host(options->verify_name) &&
	    !host_is_address(options->verify_name))
		return wrong_name(err, "verify_name", options->verify_name,
		    "is neither the name of a host nor an address");
	if (take_string(&wish->servername, servername) == -1)
		return -1;
	return take_string(&wish->verify_name, options->verify_name);
}

static int
take_alpn(struct tls_wish *wish, const struct sl_tls_options *options,
    struct error *err)
{
	if (options->alpn_count > 0 && options->alpn == NULL)
		return wrong(err, "alpn", "is missing");
	for (size_t i = 0; i < options->alpn_count; i++) {
		if (options->alpn[i] != NULL &&
		    alpn_add(&wish->alpn, options->alpn[i]) == 0)
			continue;
		if (options->alpn[i] != NULL && errno == ENOMEM)
			return -1;
		return wrong(err, "alpn", "has a name that is none");
	}
	return 0;
}

static int
take_options(struct tls_wish *wish, const struct sl_tls_options *options,
    struct error *err)
{
	if ((options->flags & ~SL_TLS_NO_VERIFY) != 0)
		return wrong(err, "flags", "has unknown ones");
	if (options->flags & SL_TLS_NO_VERIFY)
		wish->verify = TLS_VERIFY_NONE;
	if ((options->cert == NULL) != (options->key == NULL))
		return wrong(err, "cert", "and key go together");
	if (take_names(wish, options, err) == -1 ||
	    take_alpn(wish, options, err) == -1)
		return -1;
	if (options->ca != NULL && take_ca(wish, options->ca, err) == -1)
		return -1;
	if (options->cert != NULL &&
	    take_pair(wish, options->cert, options->key, err) == -1)
		return -1;
	if (options->session == NULL && options->session_len == 0)
		return 0;
	if (tls_wish_set_session(wish, options->session,
		options->session_len) == 0)
		return 0;
	return errno == EINVAL ? wrong(err, "session", "is none") : -1;
}

struct tls_wish *
tls_wish_new(const struct sl_tls_options *options, const char *host,
    struct error *err)
{
	struct tls_wish *wish = calloc(1, sizeof(*wish));
	struct sl_tls_options known = { 0 };
	int error;

	error_set(err, "out of memory");
	if (wish == NULL)
		return NULL;
	wish->verify = TLS_VERIFY_INHERIT;
	wish->parts = calloc(1, sizeof(*wish->parts));
	if (options != NULL &&
	    api_read_struct(&known, sizeof(known), options, TLS_OPTIONS_MIN) ==
		-1)
		error_set(err, "the struct is of another version");
	else if (wish->parts != NULL && take_string(&wish->host, host) == 0 &&
	    take_options(wish, &known, err) == 0)
		return wish;
	error = errno;
	tls_wish_free(wish);
	errno = error;
	return NULL;
}

void
tls_wish_free(struct tls_wish *wish)
{
	if (wish == NULL)
		return;
	free(wish->host);
	free(wish->servername);
	free(wish->verify_name);
	tls_parts_free(wish->parts);
	alpn_free(&wish->alpn);
	SSL_SESSION_free(wish->session);
	free(wish);
}

int
tls_wish_set_servername(struct tls_wish *wish, const char *name)
{
	if (name != NULL && !is_host(name))
		return fail(EINVAL);
	return take_string(&wish->servername, name != NULL ? name : "");
}

int
tls_wish_set_session(struct tls_wish *wish, const void *buf, size_t len)
{
	const unsigned char *at = buf;
	SSL_SESSION *session;

	if (buf == NULL || len == 0 || len > INT32_MAX)
		return fail(EINVAL);
	session = d2i_SSL_SESSION(NULL, &at, (long)len);
	if (session == NULL || at != (const unsigned char *)buf + len) {
		SSL_SESSION_free(session);
		return tls_fail(EINVAL);
	}
	SSL_SESSION_free(wish->session);
	wish->session = session;
	return 0;
}

int
tls_wish_set_verify(struct tls_wish *wish, int mode)
{
	if (mode != TLS_VERIFY_NONE && mode != TLS_VERIFY_OPTIONAL &&
	    mode != TLS_VERIFY_REQUIRE)
		return fail(EINVAL);
	wish->verify = mode;
	return 0;
}
