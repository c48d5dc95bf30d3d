/* check_tls_output.c: the keys of what is sent over TLS. */

#include "worker/tls_stream.h"

#include "conn_plugin.h"
#include "tls_peer.h"

static int secret;
static unsigned int updates; /* that the client was sent */

static void
on_failure(struct sl_conn *c, const struct sl_error *err)
{
	if (err != NULL)
		on_handshake(c, err);
}

static const struct sl_handlers echoes = {
	.size = sizeof(echoes),
	.handshake = on_failure,
	.open = on_open,
	.data = echo_data,
	.drain = on_drain,
	.close = on_close,
};

/* Of OpenSSL, for each message and record. */
static void
on_tls_message(int sent, int version, int type, const void *buf, size_t len,
    SSL *ssl, void *arg)
{
	const unsigned char *message = buf;

	(void)version;
	(void)ssl;
	(void)arg;
	if (sent != 0 || type != SSL3_RT_HANDSHAKE ||
	    message[0] != SSL3_MT_KEY_UPDATE)
		return;
	/* Type, length, and what it asks of the client: nothing. */
	ck_assert_uint_eq(len, 5);
	ck_assert_uint_eq(message[4], SSL_KEY_UPDATE_NOT_REQUESTED);
	updates++;
}

static struct tls *
begin_echo(struct tls_peer *peer, int version)
{
	begin(&echoes);
	peer_settings();
	secret = peer_secret(tls_fixture_leaf(fixture_dir), NULL);
	peer_server = peer_make_server(worker_settings(), &secret, 1);
	worker_stream = peer_stream;
	updates = 0;
	peer_begin(peer);
	SSL_set_max_proto_version(peer->ssl, version);
	SSL_set_msg_callback(peer->ssl, on_tls_message);
	ck_assert_int_eq(peer_shake(peer), 1);
	ck_assert_int_eq(SSL_version(peer->ssl), version);
	return plugin.conn->stream.state;
}

static void
end_echo(struct tls_peer *peer)
{
	peer_end(peer);
	worker_end();
	tls_server_unref(peer_server);
	tls_done();
	close(secret);
}

/* So many records, each of which comes back as it was. */
static void
echo_some(struct tls_peer *peer, unsigned int times)
{
	char buf[5];

	while (times-- > 0) {
		peer_say(peer, "hello", 5);
		peer_hear(peer, buf, 5);
		ck_assert_mem_eq(buf, "hello", 5);
	}
}

START_TEST(a_key_that_has_made_enough_records_is_followed_by_another)
{
	struct tls_peer peer;
	struct tls *tls = begin_echo(&peer, TLS1_3_VERSION);

	tls->records = KEY_RECORDS_MAX - 3;
	echo_some(&peer, 3);
	ck_assert_uint_eq(updates, 0);
	echo_some(&peer, 1);
	ck_assert_uint_eq(updates, 1);
	echo_some(&peer, 3);
	ck_assert_uint_eq(updates, 1);
	/* The next one wears out as well. */
	tls->records = KEY_RECORDS_MAX;
	echo_some(&peer, 1);
	ck_assert_uint_eq(updates, 2);
	end_echo(&peer);
}
END_TEST

START_TEST(a_client_that_asks_for_a_new_key_meanwhile_gets_one)
{
	struct tls_peer peer;
	struct tls *tls = begin_echo(&peer, TLS1_3_VERSION);

	tls->records = KEY_RECORDS_MAX;
	ck_assert_int_eq(SSL_key_update(peer.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
	echo_some(&peer, 2);
	ck_assert_uint_ge(updates, 1);
	end_echo(&peer);
}
END_TEST

START_TEST(a_session_of_tls_1_2_goes_on_with_its_key)
{
	struct tls_peer peer;
	struct tls *tls = begin_echo(&peer, TLS1_2_VERSION);

	tls->records = KEY_RECORDS_MAX - 1;
	echo_some(&peer, 3);
	ck_assert_uint_lt(tls->records, 3);
	end_echo(&peer);
}
END_TEST

/* Is there no memory for a larger buffer? */
static bool starved;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

void *
__wrap_realloc(void *old, size_t size)
{
	if (!starved)
		return __real_realloc(old, size);
	errno = ENOMEM;
	return NULL;
}

/* A chain that is larger than the buffer for output. */
static int
make_long_chain(void)
{
	const struct tls_fixture *leaf = tls_fixture_leaf(fixture_dir);
	struct tls_parts *parts = calloc(1, sizeof(*parts));
	struct tls_pair *pair = tls_parts_add_pair(parts);
	struct secret *packed;
	struct error err;
	int fd;

	pair->chain = sk_X509_new_null();
	for (int i = 0; i < 1200; i++) {
		X509_up_ref(leaf->cert);
		sk_X509_push(pair->chain, leaf->cert);
	}
	EVP_PKEY_up_ref(leaf->key);
	pair->key = leaf->key;
	packed = tls_parts_write(parts, &err);
	ck_assert_ptr_nonnull(packed);
	fd = secret_seal(packed, &err);
	secret_free(packed);
	tls_parts_free(parts);
	return fd;
}

START_TEST(output_for_which_there_is_no_memory_is_told_as_that)
{
	struct tls_peer peer;

	begin(&echoes);
	peer_settings();
	secret = make_long_chain();
	peer_server = peer_make_server(worker_settings(), &secret, 1);
	worker_stream = peer_stream;
	peer_begin(&peer);
	starved = true;
	SSL_do_handshake(peer.ssl);
	worker_idle();
	starved = false;
	ck_assert_str_eq(plugin.calls, "H");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_MEMORY);
	ck_assert_int_eq(plugin.error_errno, ENOMEM);
	end_echo(&peer);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_key_that_has_made_enough_records_is_followed_by_another,
		a_client_that_asks_for_a_new_key_meanwhile_gets_one,
		a_session_of_tls_1_2_goes_on_with_its_key,
		output_for_which_there_is_no_memory_is_told_as_that,
		NULL,
	};

	return fixture_run("tls_output", tests);
}
