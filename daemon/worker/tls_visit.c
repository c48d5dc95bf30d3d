/*
 * tls_visit.c: what is done around each use of OpenSSL: before it, after it, and
 * when it fails.
 */

#include "worker/tls_stream.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "base/fail.h"

/* Alerts have numbers of one byte. */
#define ALERT_MAX 255

/* Above them are the reasons of all libraries, such as "malloc failure". */
int
tls_alert_of(unsigned long code)
{
	int alert = ERR_GET_REASON(code) - SSL_AD_REASON_OFFSET;

	if (ERR_GET_LIB(code) != ERR_LIB_SSL || alert < 0 || alert > ALERT_MAX)
		return -1;
	return alert;
}

/* OpenSSL 3.0 has no words for the younger ones. */
static const char *
alert_words(int alert)
{
	switch (alert) {
	case SSL_AD_MISSING_EXTENSION:
		return "missing extension";
	case SSL_AD_CERTIFICATE_REQUIRED:
		return "certificate required";
	default:
		return SSL_alert_desc_string_long(alert);
	}
}

/* What OpenSSL says, or a callback of ours that has failed. */
static const char *
error_words(unsigned long code)
{
	const char *text = ERR_reason_error_string(code), *ours;
	int flags;

	ERR_peek_error_data(&ours, &flags);
	if (ERR_GET_REASON(code) == SSL_R_CALLBACK_FAILED &&
	    (flags & ERR_TXT_STRING) != 0)
		return ours;
	if (ERR_GET_REASON(code) == SSL_R_WRONG_VERSION_NUMBER)
		return "wrong version number, as if it did not speak TLS";
	return text != NULL ? text : "OpenSSL gives no reason";
}

/* The name or address that a certificate had to be valid for; NULL: none. */
static char *
asked_name(SSL *ssl, long verified)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);

	if (verified == X509_V_ERR_HOSTNAME_MISMATCH)
		return OPENSSL_strdup(X509_VERIFY_PARAM_get0_host(param, 0));
	if (verified != X509_V_ERR_IP_ADDRESS_MISMATCH)
		return NULL;
	return X509_VERIFY_PARAM_get1_ip_asc(param);
}

/* What to look at, where OpenSSL only says which step has failed. */
static const char *
certificate_hint(long verified)
{
	switch (verified) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
		return "; it comes from no CA that is trusted here, see the "
		       "key ca";
	default:
		return "";
	}
}

static void
say_certificate(struct tls *tls)
{
	long verified = SSL_get_verify_result(tls->ssl);
	char *name = asked_name(tls->ssl, verified);

	if (name != NULL)
		snprintf(tls->reason, sizeof(tls->reason),
		    "the peer's certificate is not valid for %s", name);
	else
		snprintf(tls->reason, sizeof(tls->reason),
		    "the peer's certificate: %s%s",
		    X509_verify_cert_error_string(verified),
		    certificate_hint(verified));
	OPENSSL_free(name);
}

static void
say_reason(struct tls *tls)
{
	unsigned long code = ERR_peek_error();
	int alert = tls_alert_of(code);

	if (alert != -1)
		snprintf(tls->reason, sizeof(tls->reason),
		    "the peer sent the alert \"%s\"", alert_words(alert));
	else if (ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED)
		say_certificate(tls);
	else
		snprintf(tls->reason, sizeof(tls->reason), "%s",
		    error_words(code));
}

int
tls_set_fault(struct tls *tls, enum sl_why why, int error)
{
	if (tls->fault.why == SL_WHY_NONE)
		tls->fault = (struct stream_fault){
			.why = why,
			.stage = SL_STAGE_TLS,
			.sys_errno = error,
			.text = tls->reason[0] != '\0' ? tls->reason : NULL,
		};
	return fail(error);
}

/* A direction of the socket is broken.  Returns -1 with errno. */
static int
socket_broken(struct tls *tls, int error)
{
	/* Bytes were lost for want of memory, so it cannot go on later. */
	if (error == ENOMEM) {
		tls_set_fault(tls, SL_WHY_MEMORY, ENOMEM);
		error = EIO;
	}
	return fail(error);
}

int
tls_broken(struct tls *tls, enum sl_why why)
{
	/* OpenSSL refuses every further call, and gives no reason again. */
	if (tls->fault.why != SL_WHY_NONE)
		return fail(EPROTO);
	if (tls->flood != NULL) {
		snprintf(tls->reason, sizeof(tls->reason), "%s", tls->flood);
		return tls_set_fault(tls, why, EPROTO);
	}
	if (tls->io.in_error != 0)
		return socket_broken(tls, tls->io.in_error);
	if (tls->io.out_error != 0)
		return socket_broken(tls, tls->io.out_error);
	say_reason(tls);
	return tls_set_fault(tls, why, EPROTO);
}

struct tls *
tls_enter(struct stream *stream, size_t room)
{
	struct tls *tls = stream->state;

	tls->io.fd = stream->fd;
	tls_io_enter(&tls->io, room);
	/* Others use the queue of errors, too: plugins, for example. */
	ERR_clear_error();
	return tls;
}

int
tls_pass_on(struct stream *stream, struct tls *tls)
{
	uint32_t made = tls_io_gathered();
	int rc;

	tls->behind += made;
	rc = tls_io_send(&tls->io);
	if (!tls->closed)
		stream->unsent = tls_bytes_len(&tls->io.out);
	if (tls->io.out.data == NULL)
		tls->answers = 0;
	return rc == -1 ? socket_broken(tls, tls->io.out_error) : 0;
}

void
tls_leave(struct stream *stream, struct tls *tls)
{
	int error = errno;

	tls_pass_on(stream, tls);
	tls_io_leave(&tls->io);
	errno = error;
}

void
tls_obey(const struct stream *stream, struct tls *tls)
{
	if (stream->unsent == 0 && !tls->closed)
		tls_bytes_free(&tls->io.out);
}
