/* check_secret_reader.c: a secret on its way from a file to the master. */

#include <openssl/core_names.h>
#include <sys/stat.h>

#include "base/memfd.h"
#include "config/bundle.h"
#include "config/secret.h"
#include "config/settings.h"
#include "master/gen.h"
#include "master/probation.h"
#include "reader_fixture.h"
#include "tiny_elf.h"
#include "tls/parts.h"
#include "tls_fixture.h"

static struct {
	int bundle, secret;
	uint32_t verdict, line;
	char problem[512];
	unsigned int sources;
} said;

static void
take(const struct msg *msg)
{
	switch (msg->type) {
	case MSG_BUNDLE:
		said.bundle = msg->fd;
		break;
	case MSG_SECRET:
		ck_assert_int_ne(said.bundle, -1);
		ck_assert_int_eq(said.secret, -1);
		ck_assert_uint_eq(msg->secret.index, 0);
		said.secret = msg->fd;
		break;
	case MSG_PROBLEM:
		said.line = msg->problem.line;
		snprintf(said.problem, sizeof(said.problem), "%s",
		    msg->problem.text);
		break;
	case MSG_SOURCE:
		said.sources++;
		break;
	default:
		said.verdict = msg->type;
		break;
	}
}

/* Run the reader, with what is in leaf.pem and leaf.key. */
static void
read_config(void)
{
	struct tiny plugin = tiny();

	memset(&said, 0, sizeof(said));
	said.bundle = said.secret = -1;
	fixture_file("echo.so", &plugin, sizeof(plugin));
	reader_run(fixture_text("sluice.conf",
		       "listeners = (\n"
		       "  { name = \"a\"; listen = \"127.0.0.1:7007\";\n"
		       "    plugin = \"./echo.so\";\n"
		       "    tls : {\n"
		       "      cert = \"leaf.pem\";\n"
		       "      key = \"leaf.key\";\n"
		       "    };\n"
		       "  }\n"
		       ");\n"),
	    true, take);
}

/* Does it hold what stands in leaf.key? */
static void
is_key_of(int fd, const struct tls_fixture *leaf)
{
	struct error err = { "" };
	struct secret *secret = secret_read(fd, &err);
	struct tls_parts *parts;

	ck_assert_msg(secret != NULL, "%s", err.text);
	parts = tls_parts_read(secret, &err);
	ck_assert_msg(parts != NULL, "%s", err.text);
	ck_assert_uint_eq(parts->pair_count, 1);
	ck_assert_int_eq(EVP_PKEY_eq(parts->pairs[0].key, leaf->key), 1);
	tls_parts_free(parts);
	secret_free(secret);
}

/* A part of the key that is in no certificate. */
static void
private_part(const struct tls_fixture *leaf, unsigned char part[32])
{
	BIGNUM *number = NULL;

	ck_assert_int_eq(
	    EVP_PKEY_get_bn_param(leaf->key, OSSL_PKEY_PARAM_PRIV_KEY, &number),
	    1);
	ck_assert_int_eq(BN_bn2binpad(number, part, 32), 32);
	BN_clear_free(number);
}

START_TEST(the_reader_sends_a_secret_beside_the_bundle)
{
	const struct tls_fixture *leaf = tls_fixture_leaf(fixture_dir);
	struct error err = { "" };
	struct settings *settings;
	unsigned char part[32];
	char data[8192] = "";
	struct stat st;

	read_config();
	ck_assert_msg(said.verdict == MSG_PREPARED, "%s", said.problem);
	/* Whoever watches files hears of them, beside the plugin. */
	ck_assert_uint_ge(said.sources, 3);
	is_key_of(said.secret, leaf);
	ck_assert_int_eq(fstat(said.bundle, &st), 0);
	ck_assert_int_lt(st.st_size, (off_t)sizeof(data));
	ck_assert_int_eq(memfd_read(said.bundle, data, (size_t)st.st_size, 0),
	    0);
	private_part(leaf, part);
	ck_assert_ptr_null(
	    memmem(data, (size_t)st.st_size, part, sizeof(part)));
	ck_assert_ptr_null(memmem(data, (size_t)st.st_size, "PRIVATE", 7));
	settings = bundle_read(said.bundle, &err);
	ck_assert_msg(settings != NULL, "%s", err.text);
	ck_assert_uint_eq(settings->secret_count, 1);
	ck_assert_uint_eq(settings->listeners[0].tls.identity.secret, 0);
	ck_assert_str_eq(settings->secrets[0].path, fixture_path("leaf.pem"));
	ck_assert_uint_eq(settings->secrets[0].origin.line, 5);
	settings_free(settings);
}
END_TEST

START_TEST(a_new_secret_makes_another_generation)
{
	struct gen *a = gen_new(1), *b = gen_new(2), *c = gen_new(3);

	tls_fixture_leaf(fixture_dir);
	read_config();
	a->bundle_fd = said.bundle;
	read_config();
	b->bundle_fd = said.bundle;
	ck_assert(probation_same(a, b));
	tls_fixture_leaf(fixture_dir);
	read_config();
	c->bundle_fd = said.bundle;
	ck_assert(!probation_same(a, c));
	gen_unref(a);
	gen_unref(b);
	gen_unref(c);
}
END_TEST

START_TEST(a_secret_that_cannot_be_read_is_reported_with_its_line)
{
	tls_fixture_leaf(fixture_dir);
	ck_assert_int_eq(unlink(fixture_path("leaf.key")), 0);
	read_config();
	ck_assert_uint_eq(said.verdict, MSG_REFUSED);
	ck_assert_ptr_nonnull(strstr(said.problem, "leaf.key: cannot open"));
	ck_assert_uint_eq(said.line, 6);
	ck_assert_int_eq(said.secret, -1);
	fixture_text("leaf.key", "");
	read_config();
	ck_assert_ptr_nonnull(strstr(said.problem, "leaf.key: is empty"));
	ck_assert_int_eq(unlink(fixture_path("leaf.key")), 0);
	ck_assert_int_eq(mkfifo(fixture_path("leaf.key"), 0600), 0);
	read_config();
	ck_assert_ptr_nonnull(strstr(said.problem, "is not a regular file"));
	ck_assert_uint_eq(said.verdict, MSG_REFUSED);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		the_reader_sends_a_secret_beside_the_bundle,
		a_new_secret_makes_another_generation,
		a_secret_that_cannot_be_read_is_reported_with_its_line,
		NULL,
	};

	return fixture_run("secret_reader", tests);
}
