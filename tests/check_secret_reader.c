/* check_secret_reader.c: a secret on its way from a file to the master. */

#include <sys/stat.h>

#include "base/memfd.h"
#include "config/bundle.h"
#include "master/gen.h"
#include "master/probation.h"
#include "reader_fixture.h"
#include "secret_fixture.h"

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

/* Run the reader, with what is in key.pem. */
static void
read_config(void)
{
	memset(&said, 0, sizeof(said));
	said.bundle = said.secret = -1;
	reader_run(NULL, true, take);
}

START_TEST(the_reader_sends_a_secret_beside_the_bundle)
{
	struct error err = { "" };
	struct settings *settings;
	char data[8192] = "";
	struct stat st;

	fixture_text("key.pem", BYTES);
	read_config();
	ck_assert_uint_eq(said.verdict, MSG_PREPARED);
	/* In --watch mode the file is watched. */
	ck_assert_uint_eq(said.sources, 1);
	is_secret(said.secret);
	ck_assert_int_eq(fstat(said.bundle, &st), 0);
	ck_assert_int_lt(st.st_size, (off_t)sizeof(data));
	ck_assert_int_eq(memfd_read(said.bundle, data, (size_t)st.st_size, 0),
	    0);
	ck_assert_ptr_null(
	    memmem(data, (size_t)st.st_size, "xyzzy", strlen("xyzzy")));
	settings = bundle_read(said.bundle, &err);
	ck_assert_msg(settings != NULL, "%s", err.text);
	ck_assert_uint_eq(settings->secret_count, 1);
	ck_assert_str_eq(settings->secrets[0].path, fixture_path("key.pem"));
	ck_assert_uint_eq(settings->secrets[0].origin.line, 5);
	settings_free(settings);
}
END_TEST

START_TEST(a_new_secret_makes_another_generation)
{
	struct gen *a = gen_new(1), *b = gen_new(2), *c = gen_new(3);

	fixture_text("key.pem", BYTES);
	read_config();
	a->bundle_fd = said.bundle;
	read_config();
	b->bundle_fd = said.bundle;
	ck_assert(probation_same(a, b));
	fixture_text("new.pem", "-----BEGIN SOMETHING-----\nplugh\n");
	ck_assert_int_eq(
	    rename(fixture_path("new.pem"), fixture_path("key.pem")), 0);
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
	read_config();
	ck_assert_uint_eq(said.verdict, MSG_REFUSED);
	ck_assert_ptr_nonnull(strstr(said.problem, "key.pem: cannot open"));
	ck_assert_uint_eq(said.line, 5);
	ck_assert_int_eq(said.secret, -1);
	fixture_text("key.pem", "");
	read_config();
	ck_assert_ptr_nonnull(strstr(said.problem, "key.pem: is empty"));
	ck_assert_int_eq(unlink(fixture_path("key.pem")), 0);
	ck_assert_int_eq(mkfifo(fixture_path("key.pem"), 0600), 0);
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
