/*
 * check_tls_names.c: a client gets the rules of the name that it asks for.  The
 * program is linked so that OpenSSL changes to the context of a name, or fails
 * to, as a test wants it (-Wl,--wrap=SSL_set_SSL_CTX).
 */

#include "conn_plugin.h"
#include "ipc/counts.h"
#include "tls_peer.h"

static int secrets[2];
static bool failing;

SSL_CTX *__real_SSL_set_SSL_CTX(SSL *ssl, SSL_CTX *context);
SSL_CTX *__wrap_SSL_set_SSL_CTX(SSL *ssl, SSL_CTX *context);

/* It copies the certificates, for which there may be no memory. */
SSL_CTX *
__wrap_SSL_set_SSL_CTX(SSL *ssl, SSL_CTX *context)
{
	if (!failing)
		return __real_SSL_set_SSL_CTX(ssl, context);
	ERR_raise(ERR_LIB_SSL, ERR_R_MALLOC_FAILURE);
	return NULL;
}

static const struct sl_handlers shaking = {
	.size = sizeof(shaking),
	.handshake = on_handshake,
	.open = on_open,
	.data = on_data,
	.close = on_close,
};

/* A listener that is lenient, and a name of its own that is not. */
static void
begin_two_names(int64_t lenient, int64_t strict)
{
	struct listener_settings *settings;
	const struct tls_fixture *leaf, *ca;
	struct tls_name_settings *name;
	struct key_string *text;

	leaf = tls_fixture_leaf(fixture_dir);
	ca = tls_fixture_make(fixture_dir, "clients",
	    &(struct tls_fixture_options){ .ca = true });
	begin(&shaking);
	settings = peer_settings();
	settings->tls.identity.verify = lenient;
	name = keys_add(key_find(tls_keys, "sni"), &settings->tls);
	ck_assert_ptr_nonnull(name);
	text =
	    keys_add(key_find(key_find(tls_keys, "sni")->keys, "names"), name);
	ck_assert_ptr_nonnull(text);
	text->text = strdup("strict.example.org");
	name->identity.secret = 1;
	name->identity.verify = strict;
	secrets[0] = peer_secret(leaf, ca);
	secrets[1] = peer_secret(leaf, ca);
	peer_server = peer_make_server(settings, secrets, 2);
	worker_stream = peer_stream;
}

static void
end_two_names(void)
{
	worker_end();
	tls_server_unref(peer_server);
	tls_done();
	close(secrets[0]);
	close(secrets[1]);
}

/* A stranger with a certificate of its own making asks for this name. */
static const char *
try_as_stranger(const char *name)
{
	const struct tls_fixture *stranger = tls_fixture_make(fixture_dir,
	    "stranger", &(struct tls_fixture_options){ 0 });
	struct tls_peer peer;

	plugin.calls[0] = '\0';
	memset(plugin.calls, 0, sizeof(plugin.calls));
	peer_begin(&peer);
	SSL_use_certificate(peer.ssl, stranger->cert);
	SSL_use_PrivateKey(peer.ssl, stranger->key);
	if (name != NULL)
		SSL_set_tlsext_host_name(peer.ssl, name);
	peer_shake(&peer);
	peer_end(&peer);
	return plugin.calls;
}

START_TEST(a_strict_name_is_strict_at_a_lenient_listener)
{
	begin_two_names(TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRE);
	ck_assert_str_eq(try_as_stranger("strict.example.org"), "H");
	ck_assert_str_eq(try_as_stranger("STRICT.example.org."), "H");
	ck_assert_int_eq(try_as_stranger(NULL)[0], 'h');
	end_two_names();
	begin_two_names(TLS_VERIFY_NONE, TLS_VERIFY_REQUIRE);
	ck_assert_str_eq(try_as_stranger("strict.example.org"), "H");
	ck_assert_int_eq(try_as_stranger("other.example.org")[0], 'h');
	end_two_names();
}
END_TEST

/* The client has to say hello twice, and asks for these names. */
static const char *
try_two_hellos(const char *first, const char *second)
{
	struct tls_peer peer;

	memset(plugin.calls, 0, sizeof(plugin.calls));
	peer_begin(&peer);
	/* It guesses a group that the server does not have. */
	ck_assert_int_eq(SSL_set1_groups_list(peer.ssl, "P-521:P-256"), 1);
	SSL_set_tlsext_host_name(peer.ssl, first);
	ck_assert_int_eq(SSL_do_handshake(peer.ssl), -1);
	worker_idle();
	SSL_set_tlsext_host_name(peer.ssl, second);
	peer_shake(&peer);
	peer_end(&peer);
	return plugin.calls;
}

START_TEST(the_rules_are_those_of_the_last_hello)
{
	begin_two_names(TLS_VERIFY_REQUIRE, TLS_VERIFY_NONE);
	ck_assert_int_eq(
	    try_two_hellos("strict.example.org", "strict.example.org")[0], 'h');
	ck_assert_str_eq(try_two_hellos("strict.example.org", NULL), "H");
	ck_assert_str_eq(
	    try_two_hellos("strict.example.org", "other.example.org"), "H");
	ck_assert_int_eq(try_two_hellos(NULL, "strict.example.org")[0], 'h');
	end_two_names();
}
END_TEST

START_TEST(a_client_that_has_said_nothing_gets_the_rules_of_the_reload)
{
	struct tls_server *lenient;
	struct tls_peer peer;

	begin_two_names(TLS_VERIFY_NONE, TLS_VERIFY_NONE);
	peer_begin(&peer);
	worker_idle();
	lenient = peer_server;
	worker_settings()->tls.identity.verify = TLS_VERIFY_REQUIRE;
	peer_server = peer_make_server(worker_settings(), secrets, 2);
	worker_listener()->tls = tls_server_ref(peer_server);
	tls_server_unref(lenient);
	peer_shake(&peer);
	peer_end(&peer);
	ck_assert_str_eq(plugin.calls, "H");
	end_two_names();
}
END_TEST

static uint64_t
counted(enum count count)
{
	return worker_listener()->endpoint.counts->value[count];
}

START_TEST(without_memory_for_its_rules_no_client_gets_in)
{
	begin_two_names(TLS_VERIFY_NONE, TLS_VERIFY_REQUIRE);
	failing = true;
	ck_assert_str_eq(try_as_stranger("strict.example.org"), "H");
	ck_assert_uint_eq(plugin.error_why, SL_WHY_HANDSHAKE);
	ck_assert_str_eq(plugin.error_text,
	    "the TLS handshake failed: malloc failure");
	/* It is not the client's fault, and nothing that it has said. */
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_ALERT), 0);
	ck_assert_uint_eq(counted(COUNT_HANDSHAKES_PROTOCOL), 1);
	/* The listener's own context is there already. */
	ck_assert_int_eq(try_as_stranger("other.example.org")[0], 'h');
	failing = false;
	end_two_names();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_strict_name_is_strict_at_a_lenient_listener,
		the_rules_are_those_of_the_last_hello,
		a_client_that_has_said_nothing_gets_the_rules_of_the_reload,
		without_memory_for_its_rules_no_client_gets_in,
		NULL,
	};

	return fixture_run("tls_names", tests);
}
