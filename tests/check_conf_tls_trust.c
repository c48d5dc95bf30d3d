/*
 * check_conf_tls_trust.c: who verifies clients, by a `tls` group, and what says
 * that a certificate was not revoked.
 */

#include "conf_tls_fixture.h"

#include <sys/stat.h>

#include <time.h>

START_TEST(verification_needs_a_ca)
{
	const struct tls_fixture *root, *middle;

	tls_fixture_leaf(fixture_dir);
	bad_tls(LEAF "verify = \"require\";", 0,
	    "tls.verify: there is no ca, so no client could be verified");
	bad_tls(LEAF "verify = \"optional\";", 0, "there is no ca");
	finish(good_tls(LEAF "verify = \"require\"; ca = \"ca.pem\";"));
	bad_tls(LEAF "verify = \"require\";\nca = \"leaf.pem\";", 3,
	    "CN=localhost is not a CA");
	root = make_ca("root");
	middle = make("middle",
	    &(struct tls_fixture_options){ .ca = true, .issuer = root });
	bad_tls(LEAF "ca = \"middle.pem\";", 2,
	    "CN=middle is issued by CN=root, which is not among the CAs");
	finish(good_tls(LEAF "ca = [ \"middle.pem\", \"root.pem\" ];"));
	tls_fixture_chain(fixture_path("cas.pem"), root, middle, NULL);
	finish(good_tls(LEAF "ca = \"cas.pem\";"));
}
END_TEST

START_TEST(a_ca_that_has_expired_is_a_warning)
{
	tls_fixture_leaf(fixture_dir);
	make("old",
	    &(struct tls_fixture_options){ .ca = true,
		.from_s = -7200,
		.until_s = -60 });
	doubtful_tls(LEAF "ca = [ \"ca.pem\", \"old.pem\" ];", 2,
	    "tls.ca: certificate 2 (CN=old) expired on");
}
END_TEST

START_TEST(a_crl_is_of_one_of_the_cas)
{
	const struct tls_fixture *stranger;
	struct settings *settings;
	struct tls_parts *parts;
	X509 *ca;

	tls_fixture_leaf(fixture_dir);
	stranger = make_ca("stranger");
	tls_fixture_crl(fixture_path("stranger.crl"), stranger, NULL);
	bad_tls(LEAF "crl = \"stranger.crl\";", 2,
	    "there is no ca in this group");
	bad_tls(LEAF "ca = \"ca.pem\";\ncrl = \"stranger.crl\";", 3,
	    "stranger.crl: contains a CRL of CN=stranger, which is not one "
	    "of the CAs");
	bad_tls(LEAF "ca = \"ca.pem\";\ncrl = \"ca.pem\";", 3,
	    "ca.pem: contains no CRL");
	settings =
	    good_tls(LEAF "ca = \"stranger.pem\";\ncrl = \"stranger.crl\";");
	parts = parts_of(&settings->listeners[0].tls.identity);
	ca = sk_X509_value(parts->ca, 0);
	ck_assert_int_eq(X509_cmp(ca, stranger->cert), 0);
	ck_assert_int_eq(sk_X509_CRL_num(parts->crls), 1);
	tls_parts_free(parts);
	finish(settings);
}
END_TEST

START_TEST(a_crl_follows_the_calendar)
{
	const struct tls_fixture *ca;
	struct settings *settings;
	int64_t until;

	tls_fixture_leaf(fixture_dir);
	ca = make_ca("authority");
	tls_fixture_crl_at(fixture_path("old.crl"), ca, NULL, -7200, -3600);
	tls_fixture_crl_at(fixture_path("early.crl"), ca, NULL, 3600, 7200);
	tls_fixture_crl_at(fixture_path("good.crl"), ca, NULL, -3600, 7200);
	doubtful_tls(LEAF "ca = \"authority.pem\";\ncrl = \"old.crl\";", 3,
	    "old.crl: is out of date, so no certificate of a peer");
	doubtful_tls(LEAF "ca = \"authority.pem\";\ncrl = \"early.crl\";", 3,
	    "early.crl: is not valid before 20");
	settings =
	    good_tls(LEAF "ca = \"authority.pem\";\ncrl = \"good.crl\";");
	until = settings->listeners[0].tls.identity.crl_until - time(NULL);
	ck_assert_int_gt(until, 7000);
	ck_assert_int_le(until, 7200);
	finish(settings);
}
END_TEST

START_TEST(an_entry_of_sni_with_a_ca_and_no_crl_is_a_warning)
{
	tls_fixture_leaf(fixture_dir);
	make_ca("own");
	tls_fixture_crl(fixture_path("good.crl"), make_ca("authority"), NULL);
	doubtful_tls(LEAF "ca = \"authority.pem\"; crl = \"good.crl\";\n"
			  "sni = ( { names = \"localhost\";\n"
			  "  cert = \"leaf.pem\"; key = \"leaf.key\";\n"
			  "  ca = \"own.pem\"; } );",
	    5, "tls.sni.ca of localhost: there is no crl in this entry");
}
END_TEST

START_TEST(a_ca_without_a_crl_beside_one_that_has_one_is_a_warning)
{
	const struct tls_fixture *root, *middle;

	tls_fixture_leaf(fixture_dir);
	root = make_ca("root");
	middle = make("middle",
	    &(struct tls_fixture_options){ .ca = true, .issuer = root });
	make_ca("third");
	tls_fixture_crl(fixture_path("root.crl"), root, NULL);
	tls_fixture_crl(fixture_path("middle.crl"), middle, NULL);
	doubtful_tls(LEAF "ca = [ \"root.pem\", \"middle.pem\" ];\n"
			  "crl = \"root.crl\";",
	    3,
	    "listener \"a\": tls.crl: there is no CRL of the CA CN=middle: "
	    "where there is a CRL, clients of a CA without one are refused");
	doubtful_tls(LEAF "ca = [ \"root.pem\", \"third.pem\", "
			  "\"middle.pem\" ];\n"
			  "crl = \"root.crl\";",
	    3, "of the CA CN=third, nor of 1 more: where");
	finish(good_tls(LEAF "ca = [ \"root.pem\", \"middle.pem\" ];\n"
			     "crl = [ \"root.crl\", \"middle.crl\" ];"));
	/* Without any CRL none is asked for. */
	finish(good_tls(LEAF "ca = [ \"root.pem\", \"middle.pem\" ];"));
}
END_TEST

START_TEST(a_staple_is_about_the_certificate)
{
	const struct tls_fixture *ca = make_ca("ca"), *leaf, *other;
	struct settings *settings;
	struct tls_parts *parts;

	leaf = make("leaf", &(struct tls_fixture_options){ .issuer = ca });
	other = make("other", &(struct tls_fixture_options){ .issuer = ca });
	bad_tls(LEAF "ocsp = \"leaf.pem\";", 0,
	    "leaf.pem: is not an OCSP response in DER");
	tls_fixture_ocsp(fixture_path("ocsp"), ca, other, 3600);
	bad_tls(LEAF "ocsp = \"ocsp\";", 0,
	    "ocsp: is about another certificate");
	tls_fixture_ocsp(fixture_path("ocsp"), ca, leaf, -3600);
	doubtful_tls(LEAF "ocsp = \"ocsp\";", 0,
	    "ocsp: is out of date, and is not sent");
	tls_fixture_ocsp(fixture_path("ocsp"), ca, leaf, 3600);
	settings = good_tls(LEAF "ocsp = \"ocsp\";");
	parts = parts_of(&settings->listeners[0].tls.identity);
	ck_assert_uint_gt(parts->ocsp_len, 0);
	ck_assert_int_gt(parts->ocsp_until, time(NULL));
	ck_assert_int_eq(parts->ocsp_until,
	    settings->listeners[0].tls.identity.ocsp_until);
	tls_parts_free(parts);
	finish(settings);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		verification_needs_a_ca,
		a_ca_that_has_expired_is_a_warning,
		a_crl_is_of_one_of_the_cas,
		a_crl_follows_the_calendar,
		an_entry_of_sni_with_a_ca_and_no_crl_is_a_warning,
		a_ca_without_a_crl_beside_one_that_has_one_is_a_warning,
		a_staple_is_about_the_certificate,
		NULL,
	};

	umask(077); /* keys are secret */
	return fixture_run("conf_tls_trust", tests);
}
