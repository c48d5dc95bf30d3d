/* check_conf_tls.c: `tls` groups, and the mistakes that operators make there. */

#include "conf_tls_fixture.h"

#include <sys/stat.h>
#include <time.h>

static char *
slurp(const char *path)
{
	char *text = calloc(1, 16384);
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_gt(fread(text, 1, 16383, file), 0);
	fclose(file);
	return text;
}

START_TEST(without_the_group_there_is_no_tls)
{
	struct settings *settings = good(LISTENERS);

	ck_assert(!settings->listeners[0].tls.on);
	done(settings);
}
END_TEST

START_TEST(a_pair_becomes_a_secret)
{
	const struct tls_fixture *leaf = tls_fixture_leaf(fixture_dir);
	struct settings *settings = good_tls(LEAF);
	const struct tls_settings *tls = &settings->listeners[0].tls;
	struct tls_parts *parts = parts_of(&tls->identity);
	int64_t ends = time(NULL) + 90 * 24 * 3600;

	ck_assert(tls->on && tls->tickets);
	ck_assert_int_eq(tls->identity.verify, TLS_VERIFY_NONE);
	ck_assert_uint_eq(tls->identity.origin.line, 3);
	ck_assert_uint_eq(tls->session_timeout_ms, 12 * 3600 * 1000);
	ck_assert_uint_eq(tls->max_send_fragment, 16384);
	ck_assert_int_ge(tls->identity.not_after, ends - 60);
	ck_assert_int_le(tls->identity.not_after, ends);
	ck_assert_uint_eq(settings->secret_count, 1);
	ck_assert_str_eq(settings->secrets[0].path, fixture_path("leaf.pem"));
	ck_assert_uint_eq(settings->source_count, 2);
	ck_assert_uint_eq(parts->pair_count, 1);
	ck_assert_int_eq(EVP_PKEY_eq(parts->pairs[0].key, leaf->key), 1);
	tls_parts_free(parts);
	finish(settings);
}
END_TEST

START_TEST(keys_find_their_certificates)
{
	struct settings *settings;
	struct tls_parts *parts;

	tls_fixture_leaf(fixture_dir);
	make("rsa", &(struct tls_fixture_options){ .kind = TLS_FIXTURE_RSA });
	settings = good_tls("cert = [ \"leaf.pem\", \"rsa.pem\" ];\n"
			    "key = [ \"rsa.key\", \"leaf.key\" ];\n");
	parts = parts_of(&settings->listeners[0].tls.identity);
	ck_assert_uint_eq(parts->pair_count, 2);
	ck_assert(EVP_PKEY_is_a(parts->pairs[0].key, "EC"));
	ck_assert(EVP_PKEY_is_a(parts->pairs[1].key, "RSA"));
	tls_parts_free(parts);
	finish(settings);
}
END_TEST

START_TEST(one_file_may_hold_both)
{
	char *cert, *key, both[16384];

	tls_fixture_leaf(fixture_dir);
	cert = slurp(fixture_path("leaf.pem"));
	key = slurp(fixture_path("leaf.key"));
	snprintf(both, sizeof(both), "notes\n%s%s", cert, key);
	fixture_text("both.pem", both);
	finish(good_tls("cert = \"both.pem\"; key = \"both.pem\";"));
	snprintf(both, sizeof(both), "%s%s", key, cert);
	fixture_text("both.pem", both);
	finish(good_tls("cert = \"both.pem\"; key = \"both.pem\";"));
	free(cert);
	free(key);
}
END_TEST

/* In `text` each end of a line becomes `between`. */
static void
put_inline(char *keys, size_t room, const char *key, const char *text,
    const char *between)
{
	size_t used = strlen(keys);

	used += (size_t)snprintf(keys + used, room - used, "%s = \"", key);
	for (; *text != '\0'; text++) {
		if (*text == '\n')
			used += (size_t)snprintf(keys + used, room - used, "%s",
			    between);
		else
			used += (size_t)snprintf(keys + used, room - used, "%c",
			    *text);
	}
	snprintf(keys + used, room - used, "\";\n");
}

START_TEST(pem_may_stand_in_the_file)
{
	static const char *const between[] = { "\n", "\n\t\t", "\"\n\"", "\\n",
		"", "\\n\"\n  \"" };
	const struct tls_fixture *leaf = tls_fixture_leaf(fixture_dir);
	char *cert, *key, keys[32768];
	struct settings *settings;
	struct tls_parts *parts;

	cert = slurp(leaf->cert_file);
	key = slurp(leaf->key_file);
	for (size_t i = 0; i < sizeof(between) / sizeof(between[0]); i++) {
		keys[0] = '\0';
		put_inline(keys, sizeof(keys), "cert", cert, between[i]);
		put_inline(keys, sizeof(keys), "key", key, between[i]);
		settings = good_tls(keys);
		ck_assert_uint_eq(settings->source_count, 0);
		parts = parts_of(&settings->listeners[0].tls.identity);
		ck_assert_int_eq(EVP_PKEY_eq(parts->pairs[0].key, leaf->key),
		    1);
		ck_assert_int_eq(
		    X509_cmp(sk_X509_value(parts->pairs[0].chain, 0),
			leaf->cert),
		    0);
		/* Nothing of it goes into the bundle. */
		ck_assert_str_eq(
		    settings->listeners[0].tls.identity.key[0].text,
		    "(inline)");
		ck_assert_str_eq(settings->secrets[0].path, "(inline)");
		tls_parts_free(parts);
		finish(settings);
	}
	free(cert);
	free(key);
}
END_TEST

START_TEST(no_message_shows_a_key)
{
	char *key, keys[32768] = "cert = \"leaf.pem\";\n", *space;

	tls_fixture_leaf(fixture_dir);
	key = slurp(fixture_path("leaf.key"));
	space = strstr(key, "-----END");
	put_inline(keys, sizeof(keys), "cert", key, "\n");
	*space = '\0'; /* no end */
	snprintf(keys, sizeof(keys), "cert = \"leaf.pem\";\n");
	put_inline(keys, sizeof(keys), "key", key, "\n");
	bad_tls(keys, 2, "tls.key: (inline): is not good PEM");
	snprintf(keys, sizeof(keys), "cert = \"leaf.pem\";\n");
	put_inline(keys, sizeof(keys), "key", key + 28, "\n");
	bad_tls(keys, 2, "tls.key: (inline): is not PEM");
	snprintf(keys, sizeof(keys), LEAF);
	put_inline(keys, sizeof(keys), "passphrase_file", key, "\n");
	bad_tls(keys, 2, "contains a control character");
	snprintf(keys, sizeof(keys), LEAF);
	put_inline(keys, sizeof(keys), "ocsp", key, "");
	bad_tls(keys, 0, "tls.ocsp: (inline): is not an OCSP response in DER");
	free(key);
}
END_TEST

START_TEST(a_file_that_is_of_no_use_is_named)
{
	char *text, twice[8192];
	struct settings *settings;

	tls_fixture_leaf(fixture_dir);
	bad_tls("cert = \"none.pem\"; key = \"leaf.key\";", 1,
	    "none.pem: cannot open the file: No such file");
	bad_tls("cert = \"leaf.pem\";\nkey = \"none.key\";", 2,
	    "none.key: cannot open the file");
	settings = read_tls("cert = \"none.pem\";\nkey = \"none.key\";\n"
			    "ca = \"none-ca.pem\";");
	ck_assert_uint_eq(problems.errors, 3); /* all of them at once */
	finish(settings);
	fixture_text("empty", "");
	bad_tls("cert = \"empty\"; key = \"leaf.key\";", 1,
	    "listener \"a\": tls.cert: ");
	bad_tls("cert = \"empty\"; key = \"leaf.key\";", 1, "empty: is empty");
	fixture_text("text", "hello\n");
	bad_tls("cert = \"text\"; key = \"leaf.key\";", 1, "text: is not PEM");
	bad_tls("cert = \"leaf.key\"; key = \"leaf.key\";", 1,
	    "leaf.key: contains no certificate");
	bad_tls("cert = \"leaf.pem\"; key = \"leaf.pem\";", 1,
	    "leaf.pem: contains no private key");
	fixture_text("bad",
	    "-----BEGIN CERTIFICATE-----\n!!!\n"
	    "-----END CERTIFICATE-----\n");
	bad_tls("cert = \"bad\"; key = \"leaf.key\";", 1,
	    "bad: is not good PEM");
	fixture_text("der", "0\x82");
	bad_tls("cert = \"der\"; key = \"leaf.key\";", 1,
	    "der: is DER, not PEM");
	fixture_text("short",
	    "-----BEGIN CERTIFICATE-----\nMAAA\n"
	    "-----END CERTIFICATE-----\n");
	bad_tls("cert = \"short\"; key = \"leaf.key\";", 1,
	    "short: certificate 1 cannot be read");
	text = slurp(fixture_path("leaf.pem"));
	snprintf(twice, sizeof(twice), "%s-----BEGIN CERTIFIC", text);
	fixture_text("cut", twice);
	bad_tls("cert = \"cut\"; key = \"leaf.key\";", 1,
	    "cut: is cut off: it ends in a line that begins another block");
	free(text);
	text = slurp(fixture_path("leaf.key"));
	snprintf(twice, sizeof(twice), "%s%s", text, text);
	fixture_text("two", twice);
	bad_tls("cert = \"leaf.pem\"; key = \"two\";", 1,
	    "two: contains more than one private key; put each into a file");
	free(text);
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0600), 0);
	bad_tls("cert = \"fifo\"; key = \"leaf.key\";", 1,
	    "fifo: is not a regular file");
	bad_tls("cert = \".\"; key = \"leaf.key\";", 1,
	    "is not a regular file");
}
END_TEST

START_TEST(certificates_and_keys_come_in_pairs)
{
	tls_fixture_leaf(fixture_dir);
	make("other", NULL);
	bad_tls("cert = \"leaf.pem\";\nkey = \"other.key\";", 2,
	    "other.key: does not belong to the certificate");
	bad_tls("cert = [ \"leaf.pem\", \"other.pem\" ];\nkey = \"leaf.key\";",
	    2, "the number of keys (1) is not the number of certificates (2)");
	bad_tls("cert = [ \"leaf.pem\", \"other.pem\" ];\n"
		"key = [ \"leaf.key\",\n\"leaf.key\" ];",
	    3, "leaf.key: is given twice");
	bad_tls("cert = \"leaf.pem\";", 0, "\"tls.key\" is missing");
	bad_tls("key = \"leaf.key\";", 0, "\"tls.cert\" is missing");
	bad_tls("cert = [ \"leaf.pem\", \"other.pem\" ];\n"
		"key = [ \"leaf.key\", \"other.key\" ];",
	    0, "two certificates have the same kind of key");
}
END_TEST

START_TEST(encrypted_keys_need_a_passphrase)
{
	make("leaf", &(struct tls_fixture_options){ .passphrase = "open" });
	bad_tls("cert = \"leaf.pem\";\nkey = \"leaf.key\";", 2,
	    "leaf.key: is encrypted: passphrase_file must name");
	fixture_text("wrong", "shut\n");
	bad_tls("cert = \"leaf.pem\";\nkey = \"leaf.key\";\n"
		"passphrase_file = \"wrong\";",
	    2, "leaf.key: cannot be decrypted with the passphrase");
	bad_tls("cert = \"leaf.pem\";\nkey = \"leaf.key\";\n"
		"passphrase_file = \"none\";",
	    0, "none: cannot open the file");
	fixture_text("right", "open\nand more\n");
	finish(good_tls(LEAF "passphrase_file = \"right\";"));
	fixture_text("right", "open");
	finish(good_tls(LEAF "passphrase_file = \"right\";"));
}
END_TEST

/* Read the pair, and expect this warning. */
static void
doubtful(const char *file, mode_t mode, const char *part)
{
	struct settings *settings;

	ck_assert_int_eq(chmod(fixture_path(file), mode), 0);
	settings = read_tls("cert = \"leaf.pem\";\nkey = \"leaf.key\";");
	ck_assert_uint_eq(problems.count, part != NULL);
	if (part != NULL)
		expect(LOG_LEVEL_WARN, "/sluice.conf",
		    strstr(file, ".key") != NULL ? FIRST + 1 : FIRST, part);
	finish(settings);
	ck_assert_int_eq(chmod(fixture_path(file), 0600), 0);
}

START_TEST(files_that_are_open_to_everybody_are_told)
{
	tls_fixture_leaf(fixture_dir);
	doubtful("leaf.pem", 0644, NULL);
	doubtful("leaf.pem", 0646, "leaf.pem: can be written to by everybody");
	doubtful("leaf.key", 0640, NULL);
	doubtful("leaf.key", 0644, "leaf.key: can be read by everybody");
	doubtful("leaf.key", 0602, "can be written to by everybody");
}
END_TEST

START_TEST(certificates_follow_the_calendar)
{
	make("leaf",
	    &(struct tls_fixture_options){ .from_s = -7200, .until_s = -60 });
	bad_tls(LEAF, 1, "leaf.pem: certificate 1 (CN=leaf) expired on 20");
	make("leaf",
	    &(struct tls_fixture_options){ .from_s = 3600, .until_s = 7200 });
	bad_tls(LEAF, 1, "certificate 1 (CN=leaf) is not valid before 20");
	make("leaf",
	    &(struct tls_fixture_options){ .from_s = -60,
		.until_s = 5 * 24 * 3600 + 60 });
	doubtful_tls(LEAF, 1, "leaf.pem: a certificate ends in 5 days, on 20");
}
END_TEST

START_TEST(an_issuer_in_the_chain_is_held_to_the_calendar_too)
{
	const struct tls_fixture *ca, *leaf;

	ca = make("ca",
	    &(struct tls_fixture_options){ .ca = true,
		.from_s = -7200,
		.until_s = -60 });
	leaf = make("leaf", &(struct tls_fixture_options){ .issuer = ca });
	tls_fixture_chain(fixture_path("leaf.pem"), leaf, ca, NULL);
	bad_tls(LEAF, 1, "certificate 2 (CN=ca) expired on");
}
END_TEST

START_TEST(a_chain_has_an_order)
{
	const struct tls_fixture *root = make_ca("root"), *middle, *leaf;
	const struct tls_fixture *stranger = make_ca("stranger");

	middle = make("middle",
	    &(struct tls_fixture_options){ .ca = true, .issuer = root });
	leaf = make("leaf", &(struct tls_fixture_options){ .issuer = middle });
	tls_fixture_chain(fixture_path("leaf.pem"), leaf, middle, NULL);
	finish(good_tls(LEAF));
	tls_fixture_chain(fixture_path("leaf.pem"), leaf, middle, root, NULL);
	finish(good_tls(LEAF));
	tls_fixture_chain(fixture_path("leaf.pem"), middle, leaf, NULL);
	bad_tls(LEAF, 1,
	    "leaf.pem: the chain is out of order: certificate 2 must come "
	    "first");
	tls_fixture_chain(fixture_path("leaf.pem"), leaf, root, middle, NULL);
	bad_tls(LEAF, 1,
	    "out of order: certificate 3 (CN=middle) must come right behind "
	    "certificate 1 (CN=leaf)");
	tls_fixture_chain(fixture_path("leaf.pem"), leaf, stranger, NULL);
	bad_tls(LEAF, 1,
	    "certificate 1 (CN=leaf) is not issued by certificate 2 "
	    "(CN=stranger)");
}
END_TEST

START_TEST(names_have_what_they_say_and_inherit_whom_they_believe)
{
	const struct tls_fixture *own;
	struct settings *settings;
	const struct tls_settings *tls;
	struct tls_parts *parts;

	tls_fixture_leaf(fixture_dir);
	own = make_ca("own");
	make("b", &(struct tls_fixture_options){ .names = "DNS:b.example" });
	make("c", &(struct tls_fixture_options){ .names = "DNS:*.c.example" });
	settings = good_tls(LEAF
	    "verify = \"require\"; ca = \"ca.pem\";\n"
	    "sni = (\n"
	    "  { names = \"B.Example\"; cert = \"b.pem\"; key = \"b.key\"; },\n"
	    "  { names = [ \"*.c.example\" ];\n"
	    "    cert = \"c.pem\"; key = \"c.key\";\n"
	    "    verify = \"none\"; ca = \"own.pem\"; }\n"
	    ");\n");
	tls = &settings->listeners[0].tls;
	ck_assert_uint_eq(tls->sni_count, 2);
	ck_assert_uint_eq(settings->secret_count, 3);
	ck_assert_str_eq(tls->sni[0].names[0].text, "b.example");
	ck_assert_int_eq(tls->sni[0].identity.verify, TLS_VERIFY_REQUIRE);
	ck_assert_uint_eq(tls->sni[0].identity.origin.line, FIRST + 3);
	parts = parts_of(&tls->sni[0].identity);
	ck_assert_int_eq(sk_X509_num(parts->ca), 1);
	tls_parts_free(parts);
	ck_assert_int_eq(tls->sni[1].identity.verify, TLS_VERIFY_NONE);
	parts = parts_of(&tls->sni[1].identity);
	ck_assert_int_eq(sk_X509_num(parts->ca), 1);
	ck_assert_int_eq(X509_cmp(sk_X509_value(parts->ca, 0), own->cert), 0);
	tls_parts_free(parts);
	finish(settings);
}
END_TEST

static void
bad_name(const char *name, const char *part)
{
	char keys[512];

	snprintf(keys, sizeof(keys),
	    LEAF "sni = (\n{ names = \"%s\"; cert = \"leaf.pem\"; "
		 "key = \"leaf.key\"; }\n);",
	    name);
	bad_tls(keys, 3, part);
}

START_TEST(names_are_names)
{
	make("leaf", &(struct tls_fixture_options){ .names = "DNS:a.example" });
	bad_name("example.org.", "ends with a dot");
	bad_name("127.0.0.1", "is an address");
	bad_name("::1", "is an address");
	bad_name("", "is not a name");
	bad_name("*", "is not a name");
	bad_name("a.*.org", "is not a name");
	bad_name("a*.org", "is not a name");
	bad_name("a..org", "is not a name");
	bad_name("a b", "is not a name");
	bad_name("-a.org", "is not a name");
	bad_name("b\xc3\xbc"
		 "cher.example",
	    "is not a name");
	doubtful_tls(LEAF "sni = ( { names = \"b.example\"; "
			  "cert = \"leaf.pem\"; key = \"leaf.key\"; } );",
	    2, "the certificate is not valid for \"b.example\"");
	bad_tls(LEAF "sni = (\n"
		     "{ names = \"a.example\"; cert = \"leaf.pem\"; "
		     "key = \"leaf.key\"; },\n"
		     "{ names = \"A.example\"; cert = \"leaf.pem\"; "
		     "key = \"leaf.key\"; }\n"
		     ");",
	    4, "\"a.example\" is already in sni");
	bad_tls(LEAF "sni = ( { names = \"a.example\";\n"
		     "cert = \"none\"; key = \"leaf.key\"; } );",
	    3, "listener \"a\": tls.sni.cert of a.example: ");
}
END_TEST

START_TEST(words_are_checked)
{
	tls_fixture_leaf(fixture_dir);
	bad_tls(LEAF "alpn = [ \"h2\", \"\" ];", 2, "has 1 to 255 bytes");
	bad_tls(LEAF "min_version = \"1.1\";", 2, "not one of 1.2, 1.3");
	bad_tls(LEAF "verify = \"inherit\";", 2,
	    "not one of none, optional, require");
	bad_tls(LEAF "min_version = \"1.3\"; max_version = \"1.2\";", 0,
	    "listener \"a\": tls: min_version: is higher than max_version");
	bad_tls(LEAF "policy = \"modern\"; min_version = \"1.2\";", 0,
	    "\"modern\" is TLS 1.3 alone");
	bad_tls(LEAF "ciphers = \"FOO\";", 0,
	    "listener \"a\": tls: ciphers: OpenSSL does not know \"FOO\"");
	bad_tls(LEAF "max_send_fragment = 100;", 2, "max_send_fragment");
	bad_tls(LEAF "session_timeout = \"8d\";", 2, "session_timeout");
	doubtful_tls(LEAF "alpn = \"h2,http/1.1\";", 2,
	    "tls.alpn: \"h2,http/1.1\" is the name of one protocol");
	bad_tls(LEAF "certificate = \"x\";", 2, "did you mean \"tls.cert\"?");
	bad_tls(LEAF "cyphers = \"x\";", 2, "did you mean \"tls.ciphers\"?");
}
END_TEST

START_TEST(a_new_certificate_changes_the_stamp_and_not_the_service)
{
	struct image_settings image = { .hash = { 1 } };
	struct settings *a, *b;

	tls_fixture_leaf(fixture_dir);
	a = good_tls(LEAF);
	secret_files_close(&secrets);
	tls_fixture_leaf(fixture_dir);
	b = good_tls(LEAF "alpn = \"x\";");
	ck_assert_mem_ne(a->secrets[0].stamp, b->secrets[0].stamp,
	    sizeof(a->secrets[0].stamp));
	a->images = b->images = &image;
	ck_assert(
	    listener_same_service(a, &a->listeners[0], b, &b->listeners[0]));
	a->images = b->images = NULL;
	settings_free(a);
	finish(b);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		without_the_group_there_is_no_tls,
		a_pair_becomes_a_secret,
		keys_find_their_certificates,
		one_file_may_hold_both,
		pem_may_stand_in_the_file,
		no_message_shows_a_key,
		a_file_that_is_of_no_use_is_named,
		certificates_and_keys_come_in_pairs,
		encrypted_keys_need_a_passphrase,
		files_that_are_open_to_everybody_are_told,
		certificates_follow_the_calendar,
		an_issuer_in_the_chain_is_held_to_the_calendar_too,
		a_chain_has_an_order,
		names_have_what_they_say_and_inherit_whom_they_believe,
		names_are_names,
		words_are_checked,
		a_new_certificate_changes_the_stamp_and_not_the_service,
		NULL,
	};

	umask(077); /* keys are secret */
	return fixture_run("conf_tls", tests);
}
