/*
 * tls_files.h: the certificates and keys that the `tls` groups name, checked
 * and put together as secrets.
 */

#ifndef SLUICE_TLS_FILES_H
#define SLUICE_TLS_FILES_H

struct problems;
struct secret_files;
struct settings;

/*
 * One secret for each listener with TLS, and for each entry of its `sni`.
 * Fills in the resolved fields of each identity, and takes PEM texts out of
 * the settings.  Anything that would make handshakes fail is a problem.
 */
void tls_files_open(const char *config, struct settings *settings,
    struct problems *problems, struct secret_files *ret);

#endif
