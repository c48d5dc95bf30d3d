/*
 * tls_late.h: certificates end when a test wants it.  The program is linked with
 * --wrap=X509_cmp_current_time, and includes this once.
 */

#ifndef SLUICE_TESTS_TLS_LATE_H
#define SLUICE_TESTS_TLS_LATE_H

#include <openssl/x509.h>
#include <stdbool.h>

/* Have the certificates of peers ended? */
static bool late;

int __real_X509_cmp_current_time(const ASN1_TIME *time);
int __wrap_X509_cmp_current_time(const ASN1_TIME *time);

int
__wrap_X509_cmp_current_time(const ASN1_TIME *time)
{
	return late ? -1 : __real_X509_cmp_current_time(time);
}

#endif
