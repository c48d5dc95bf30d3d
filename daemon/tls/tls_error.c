/* tls_error.c: OpenSSL keeps a queue of errors for each thread. */

#include "tls/tls_error.h"

#include <openssl/err.h>
#include <string.h>

#include "base/error.h"
#include "base/fail.h"

int
tls_error(struct error *err, const char *what)
{
	unsigned long code = ERR_peek_error();
	const char *reason = ERR_reason_error_string(code);

	if (ERR_SYSTEM_ERROR(code))
		reason = error_text(ERR_GET_REASON(code));
	if (code == 0 || reason == NULL)
		error_set(err, "%s", what);
	else
		error_set(err, "%s: %s", what, reason);
	ERR_clear_error();
	return -1;
}

int
tls_fail(int error)
{
	ERR_clear_error();
	return fail(error);
}
