/* check_tls_certificate.c: what plugins are told about certificates. */

#include <openssl/x509v3.h>

#include "tls_api.h"
#include "worker/tls_kept.h"

static void
show_a_good_one(void)
{
	const struct sl_certificate *shown, *issuer;
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_REQUIRE, false);
	peer_connect_as(&peer, client);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	assert_none(sl_authorization_error(plugin.conn), ENODATA);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_ptr_nonnull(shown);
	ck_assert_str_eq(shown->subject, "CN=someone");
	ck_assert_str_eq(shown->sans,
	    "DNS:some.one, email:some@one.org, IP Address:0:0:0:0:0:0:0:1");
	issuer = shown->next;
	ck_assert_ptr_nonnull(issuer);
	ck_assert_str_eq(issuer->subject, "CN=ca");
	ck_assert_str_eq(issuer->issuer, "CN=ca");
	ck_assert_str_eq(issuer->sans, "");
	ck_assert_ptr_null(issuer->next);
	ck_assert_ptr_eq(sl_peer_certificate(plugin.conn), shown);
	peer_end(&peer);
	end_tls();
}

START_TEST(a_good_certificate_authorizes)
{
	every_way(show_a_good_one);
}
END_TEST

static void
optional_ones(void)
{
	const struct sl_certificate *shown;
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_OPTIONAL, false);
	peer_connect_as(&peer, NULL);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "the peer has shown no certificate");
	assert_none(sl_peer_certificate(plugin.conn), ENODATA);
	peer_end(&peer);
	peer_connect_as(&peer, tls_fixture_make(fixture_dir, "stranger", NULL));
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "self-signed certificate");
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_ptr_nonnull(shown);
	ck_assert_str_eq(shown->subject, "CN=stranger");
	ck_assert_ptr_null(shown->next);
	peer_end(&peer);
	peer_connect_as(&peer,
	    tls_fixture_make(fixture_dir, "late",
		&(struct tls_fixture_options){ .issuer = ca,
		    .from_s = -1000,
		    .until_s = -10 }));
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	ck_assert_str_eq(sl_authorization_error(plugin.conn),
	    "certificate has expired");
	ck_assert_str_eq(sl_peer_certificate(plugin.conn)->next->subject,
	    "CN=ca");
	peer_end(&peer);
	peer_connect_as(&peer, client);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	peer_end(&peer);
	end_tls();
}

START_TEST(an_optional_certificate_need_not_be_good)
{
	every_way(optional_ones);
}
END_TEST

/* Three storeys, of which the client sends two, in this order. */
static void
show_a_chain(void)
{
	const struct tls_fixture *middle, *other, *end;
	const struct sl_certificate *shown;
	struct tls_peer peer;

	begin_tls(TLS_VERIFY_OPTIONAL, false);
	middle = tls_fixture_make(fixture_dir, "middle",
	    &(struct tls_fixture_options){ .ca = true,
		.issuer = ca,
		.kind = way.kind });
	other = tls_fixture_make(fixture_dir, "other",
	    &(struct tls_fixture_options){ .ca = true });
	end = tls_fixture_make(fixture_dir, "end",
	    &(struct tls_fixture_options){ .issuer = middle });
	peer_prepare(&peer, end);
	SSL_add1_chain_cert(peer.ssl, other->cert);
	SSL_add1_chain_cert(peer.ssl, middle->cert);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_authorized(plugin.conn), 1);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_str_eq(shown->subject, "CN=end");
	ck_assert_str_eq(shown->next->subject, "CN=middle");
	ck_assert_str_eq(shown->next->next->subject, "CN=ca");
	ck_assert_ptr_null(shown->next->next->next);
	peer_end(&peer);
	/* One whose CA is not known here: what it sends, without the rest. */
	end = tls_fixture_make(fixture_dir, "foreign",
	    &(struct tls_fixture_options){ .issuer = other });
	peer_prepare(&peer, end);
	SSL_add1_chain_cert(peer.ssl, middle->cert);
	SSL_add1_chain_cert(peer.ssl, other->cert);
	ck_assert_int_eq(peer_shake(&peer), 1);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_str_eq(shown->subject, "CN=foreign");
	ck_assert_str_eq(shown->next->subject, "CN=other");
	ck_assert_ptr_null(shown->next->next);
	peer_end(&peer);
	end_tls();
}

START_TEST(next_is_the_issuer)
{
	every_way(show_a_chain);
}
END_TEST

static void
add_name(GENERAL_NAMES *names, int type, const char *text, int len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = ASN1_STRING_type_new(
	    type == GEN_IPADD ? V_ASN1_OCTET_STRING : V_ASN1_IA5STRING);

	ASN1_STRING_set(string, text, len);
	GENERAL_NAME_set0_value(name, type, string);
	sk_GENERAL_NAME_push(names, name);
}

/* A stranger's, with this common name and these other names. */
static struct tls_fixture
make_odd(const char *subject, int len, GENERAL_NAMES *names)
{
	const struct tls_fixture *plain =
	    tls_fixture_make(fixture_dir, "odd", NULL);
	struct tls_fixture odd = { X509_dup(plain->cert), plain->key, "", "" };
	X509_NAME *name = X509_NAME_new();

	X509_NAME_add_entry_by_NID(name, NID_commonName, V_ASN1_UTF8STRING,
	    (const unsigned char *)subject, len, -1, 0);
	X509_NAME_add_entry_by_NID(name, NID_organizationName,
	    V_ASN1_UTF8STRING, (const unsigned char *)"O, CN=root", 10, -1, 0);
	X509_set_subject_name(odd.cert, name);
	X509_NAME_free(name);
	if (names != NULL)
		ck_assert_int_eq(X509_add1_ext_i2d(odd.cert,
				     NID_subject_alt_name, names, 0, 0),
		    1);
	GENERAL_NAMES_free(names);
	ck_assert_int_gt(X509_sign(odd.cert, odd.key, EVP_sha256()), 0);
	return odd;
}

START_TEST(names_are_never_taken_for_others)
{
	static const char nul[] = "good.org\0.evil.org";
	const struct sl_certificate *shown;
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct tls_fixture odd;
	struct tls_peer peer;

	way.version = TLS1_3_VERSION;
	begin_tls(TLS_VERIFY_OPTIONAL, false);
	add_name(names, GEN_DNS, nul, sizeof(nul) - 1);
	add_name(names, GEN_DNS, "a.org, DNS:b.org", 16);
	add_name(names, GEN_URI, "x:\"\\\n\x1b\xff", 7);
	add_name(names, GEN_DNS, "*.c.org", 7);
	add_name(names, GEN_DNS, "", 0);
	odd = make_odd("good\0\n\x1b\xc3\xbc", 9, names);
	peer_connect_as(&peer, &odd);
	shown = sl_peer_certificate(plugin.conn);
	ck_assert_ptr_nonnull(shown);
	ck_assert_str_eq(shown->subject,
	    "O=O\\, CN=root,CN=good\\00\\0A\\1B\\C3\\BC");
	ck_assert_str_eq(shown->sans,
	    "\"DNS:good.org\\u0000.evil.org\", "
	    "\"DNS:a.org\\u002c DNS:b.org\", "
	    "\"URI:x:\\\"\\\\\\u000a\\u001b\\u00ff\", DNS:*.c.org, DNS:");
	peer_end(&peer);
	X509_free(odd.cert);
	end_tls();
}
END_TEST

START_TEST(a_certificate_that_cannot_be_put_into_words_is_refused)
{
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	struct tls_fixture odd;
	struct tls_peer peer;

	way.version = TLS1_2_VERSION;
	begin_tls(TLS_VERIFY_OPTIONAL, false);
	add_name(names, GEN_IPADD, "12345", 5);
	odd = make_odd("odd", 3, names);
	peer_connect_as(&peer, &odd);
	assert_none(sl_peer_certificate(plugin.conn), EILSEQ);
	ck_assert_int_eq(sl_authorized(plugin.conn), 0);
	peer_end(&peer);
	X509_free(odd.cert);
	end_tls();
}
END_TEST

START_TEST(what_is_kept_has_a_limit)
{
	struct tls_kept *kept = NULL;
	const void *first = tls_keep(&kept, "0", 1), *again;
	char text[16];
	int n = 0;

	do
		snprintf(text, sizeof(text), "%d", n++);
	while (tls_keep(&kept, text, strlen(text)) != NULL);
	ck_assert_int_eq(errno, ENOBUFS);
	ck_assert_int_ge(n, 32);
	ck_assert_int_le(n, 128);
	again = tls_keep(&kept, "0", 1);
	ck_assert_ptr_eq(first, again);
	ck_assert_str_eq(first, "0");
	tls_kept_free(&kept);
	ck_assert_ptr_null(kept);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_good_certificate_authorizes,
		an_optional_certificate_need_not_be_good,
		next_is_the_issuer,
		names_are_never_taken_for_others,
		a_certificate_that_cannot_be_put_into_words_is_refused,
		what_is_kept_has_a_limit,
		NULL,
	};

	fill();
	make_keys();
	return fixture_run("tls_certificate", tests);
}
