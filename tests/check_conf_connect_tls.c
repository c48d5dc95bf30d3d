/*
 * check_conf_connect_tls.c: the groups for TLS as a client: `connect_tls` of a
 * listener, and `tls` of a connector.
 */

#include "conf_tls_fixture.h"

#include <sys/stat.h>

#define LEAF "cert = \"leaf.pem\"; key = \"leaf.key\";\n"

static void
use_connect_tls(void)
{
	group_name = "connect_tls";
	tls_fixture_leaf(fixture_dir);
}

START_TEST(an_empty_group_trusts_the_system)
{
	struct settings *settings = good_tls("");
	const struct tls_settings *tls = &settings->listeners[0].connect_tls;

	ck_assert(tls->on);
	ck_assert(!settings->listeners[0].tls.on);
	ck_assert_int_eq(tls->identity.verify, TLS_VERIFY_REQUIRE);
	ck_assert_uint_eq(tls->identity.secret, NO_SECRET);
	ck_assert_int_eq(tls->identity.not_after, -1);
	ck_assert_uint_eq(settings->secret_count, 0);
	finish(settings);
}
END_TEST

START_TEST(files_become_a_secret)
{
	struct settings *settings = good_tls("ca = \"ca.pem\";");
	struct tls_parts *parts;

	parts = parts_of(&settings->listeners[0].connect_tls.identity);
	ck_assert_int_eq(sk_X509_num(parts->ca), 1);
	ck_assert_uint_eq(parts->pair_count, 0);
	tls_parts_free(parts);
	finish(settings);
	settings = good_tls(LEAF "verify = \"none\"; servername = \"a.org\"; "
				 "verify_name = \"::1\"; alpn = \"h2\";");
	parts = parts_of(&settings->listeners[0].connect_tls.identity);
	ck_assert_uint_eq(parts->pair_count, 1);
	tls_parts_free(parts);
	ck_assert_int_gt(settings->listeners[0].connect_tls.identity.not_after,
	    0);
	finish(settings);
}
END_TEST

START_TEST(mistakes_name_the_group_and_the_line)
{
	bad_tls("cert = \"leaf.pem\";", 1,
	    "listener \"a\": connect_tls.cert: needs a key as well");
	bad_tls("key = \"leaf.key\";", 1,
	    "listener \"a\": connect_tls.key: needs a cert as well");
	bad_tls("ca = \"none.pem\";", 1, "listener \"a\": connect_tls.ca: ");
	bad_tls("crl = \"leaf.pem\";", 1,
	    "connect_tls.crl: a CRL needs the CA that issued it");
	bad_tls("ciphers = \"FOO\";", 0,
	    "listener \"a\": connect_tls: ciphers: OpenSSL does not know");
	bad_tls("alpn = [ \"\" ];", 1, "connect_tls.alpn: a protocol's name");
	bad_tls("servername = \"*.a.org\";", 0,
	    "connect_tls.servername: \"*.a.org\" is not the name of a host");
	bad_tls("servername = \"127.0.0.1\";", 0, "connect_tls.servername");
	bad_tls("verify_name = \"a b\";", 0,
	    "connect_tls.verify_name: \"a b\" is neither the name");
	bad_tls("starttls = true;", 0,
	    "connect_tls.starttls: this is only for connectors");
	bad_tls("sni = ( );", 1, "unknown key \"connect_tls.sni\"");
}
END_TEST

#define CONNECTOR_TO(to, keys)                   \
	"connectors = (\n"                       \
	"  { name = \"a\"; plugin = \"echo\";\n" \
	"    connect = \"" to "\";\n"            \
	"    tls : { " keys " };\n"              \
	"  }\n);\n"
#define CONNECTOR(keys) CONNECTOR_TO("a.org:1", keys)

START_TEST(a_connector_calls_it_tls)
{
	struct settings *settings = good(CONNECTOR("starttls = true;"));

	ck_assert(settings->connectors[0].connect_tls.on);
	ck_assert(settings->connectors[0].connect_tls.starttls);
	done(settings);
	settings = read_text(CONNECTOR("ca = \"none.pem\";"));
	tls_files_open(fixture_path("sluice.conf"), settings, &problems,
	    &secrets);
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 4, "connector \"a\": tls.ca: ");
	finish(settings);
}
END_TEST

START_TEST(over_a_unix_socket_somebody_has_to_say_the_name)
{
	static const char *const said[] = { CONNECTOR_TO("unix:/a",
						"verify_name = \"a.org\";"),
		CONNECTOR_TO("unix:@a", "servername = \"a.org\";"),
		CONNECTOR_TO("unix:/a", "verify = \"none\";"),
		CONNECTOR_TO("unix:/a", "starttls = true;"), CONNECTOR("") };

	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++)
		done(good(said[i]));
	one_mistake(CONNECTOR_TO("unix:/a", ""), 4,
	    "tls: unix:/a has no name to verify the server's certificate by; "
	    "write tls = { verify_name = ");
	one_mistake(CONNECTOR_TO("unix:@a", "verify = \"optional\";"), 4,
	    "tls: unix:@a has no name");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_empty_group_trusts_the_system,
		files_become_a_secret,
		mistakes_name_the_group_and_the_line,
		a_connector_calls_it_tls,
		over_a_unix_socket_somebody_has_to_say_the_name,
		NULL,
	};

	umask(077); /* keys are secret */
	return fixture_run_in("conf_connect_tls", tests, use_connect_tls);
}
