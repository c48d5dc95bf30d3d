/* api_tls.h: what a plugin asks for when it makes a TLS connection. */

#ifndef SLUICE_API_TLS_H
#define SLUICE_API_TLS_H

struct sl_service;
struct sl_tls_options;
struct tls_wish;

/*
 * As tls_wish_new(), but what is wrong with the options is logged.  Returns
 * NULL with errno.
 */
struct tls_wish *api_tls_wish(const struct sl_service *service,
    const struct sl_tls_options *options, const char *host);

#endif
