/*
 * tls_tickets.c: session tickets, sealed as RFC 5077 recommends, and dated by a
 * clock that nobody can set.
 */

#include "worker/tls_tickets.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "config/secret.h"
#include "config/ticket_keys.h"

#define NAME_SIZE 16
#define HALF_SIZE 32

struct ticket_key {
	unsigned char name[NAME_SIZE];
	unsigned char aes[HALF_SIZE], hmac[HALF_SIZE];
};

/*
 * TICKET_KEYS_MAX of them; NULL: until the master has sent some there are no
 * tickets.  A process that a plugin forks has zeros there, and no core dump has
 * them.
 */
static struct secret *keys;

_Static_assert(sizeof(struct ticket_key) == TICKET_KEY_SIZE, "no padding");

int
tls_tickets_set(int fd, struct error *err)
{
	struct secret *secret = secret_read(fd, err);

	if (secret == NULL)
		return -1;
	if (secret->len != TICKET_KEYS_MAX * sizeof(struct ticket_key)) {
		secret_free(secret);
		return error_set(err, "keys for tickets of a wrong length");
	}
	secret_free(keys);
	keys = secret;
	return 0;
}

void
tls_tickets_clear(void)
{
	secret_free(keys);
	keys = NULL;
}

/* Number 0 is the newest.  NULL: there are none. */
static struct ticket_key *
key_at(size_t i)
{
	return keys != NULL ? (struct ticket_key *)(void *)keys->bytes + i
			    : NULL;
}

static struct ticket_key *
find(const unsigned char *name)
{
	for (size_t i = 0; keys != NULL && i < TICKET_KEYS_MAX; i++)
		if (memcmp(key_at(i)->name, name, NAME_SIZE) == 0)
			return key_at(i);
	return NULL;
}

static bool
set_mac(EVP_MAC_CTX *mac, struct ticket_key *key)
{
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key->hmac,
		    sizeof(key->hmac)),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
		    (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/*
 * -1: an error, 0: no such key, 1: done, 2: done, but make a new ticket.  With
 * TLS 1.3 a client uses each ticket once (RFC 8446, C.4), so it needs another.
 */
static int
on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv,
    EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	struct ticket_key *key = seal ? key_at(0) : find(name);

	if (key == NULL)
		return 0;
	if (seal) {
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
			return -1;
		memcpy(name, key->name, NAME_SIZE);
	}
	if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv,
		seal) != 1 ||
	    !set_mac(mac, key))
		return -1;
	if (seal)
		return 1;
	return key == key_at(0) && SSL_version(ssl) < TLS1_3_VERSION ? 1 : 2;
}

/*
 * All workers have the same clock.  It goes on while the machine is suspended,
 * as the timeout of a session does.
 */
static int64_t
now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* When the session of a ticket began.  0, or -1: the ticket does not tell. */
static int
get_date(SSL_SESSION *session, int64_t *ret_ms)
{
	void *data;
	size_t len;

	if (SSL_SESSION_get0_ticket_appdata(session, &data, &len) != 1 ||
	    data == NULL || len != sizeof(*ret_ms))
		return -1;
	memcpy(ret_ms, data, sizeof(*ret_ms));
	return 0;
}

int
tls_tickets_date(SSL *ssl, void *arg)
{
	SSL_SESSION *session = SSL_get_session(ssl);
	int64_t date;

	(void)arg;
	/*
	 * A new ticket for a session that was resumed, as when the key is no
	 * longer the newest: the client was verified when the first one was made.
	 */
	if (SSL_session_reused(ssl) && get_date(session, &date) == 0)
		return 1;
	date = now_ms();
	return SSL_SESSION_set1_ticket_appdata(session, &date, sizeof(date));
}

bool
tls_tickets_is_fresh(SSL_SESSION *session)
{
	int64_t date;

	return get_date(session, &date) == 0 &&
	    now_ms() - date <= (int64_t)SSL_SESSION_get_timeout(session) * 1000;
}

void
tls_tickets_use(SSL_CTX *context)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(context, on_ticket);
}
