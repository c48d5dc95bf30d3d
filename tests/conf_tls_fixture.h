/*
 * conf_tls_fixture.h: what the check_conf_tls*.c need: reading a `tls` group and
 * the files that it names.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_CONF_TLS_FIXTURE_H
#define SLUICE_TESTS_CONF_TLS_FIXTURE_H

#include "conf_fixture.h"
#include "tls_fixture.h"

#include "base/error.h"
#include "config/secret.h"
#include "reader/secret_files.h"
#include "reader/tls_files.h"
#include "tls/parts.h"

#define FIRST 4 /* the line of the first key of the group */

static struct secret_files secrets;

static const char *group_name = "tls";

/* Read a configuration whose one listener has these keys in its group. */
static inline struct settings *
read_tls(const char *keys)
{
	static char text[65536];
	struct settings *settings;

	ck_assert_uint_lt(strlen(keys) + 256, sizeof(text));
	snprintf(text, sizeof(text),
	    "listeners = (\n"
	    "  { name = \"a\"; plugin = \"echo\"; listen = \"127.0.0.1:7007\";\n"
	    "    %s : {\n"
	    "%s\n"
	    "    };\n"
	    "  }\n);\n",
	    group_name, keys);
	settings = read_text(text);
	ck_assert_ptr_nonnull(settings);
	memset(&secrets, 0, sizeof(secrets));
	tls_files_open(fixture_path("sluice.conf"), settings, &problems,
	    &secrets);
	return settings;
}

static inline void
finish(struct settings *settings)
{
	secret_files_close(&secrets);
	done(settings);
}

static inline struct settings *
good_tls(const char *keys)
{
	struct settings *settings = read_tls(keys);

	if (problems.count > 0)
		dump();
	ck_assert_uint_eq(problems.count, 0);
	ck_assert_uint_eq(secrets.count, settings->secret_count);
	return settings;
}

/* One mistake, on this line of the group. */
static inline void
bad_tls(const char *keys, uint32_t line, const char *part)
{
	struct settings *settings = read_tls(keys);

	expect(LOG_LEVEL_ERROR, "/sluice.conf", FIRST + line - 1, part);
	if (problems.errors != 1)
		dump();
	ck_assert_uint_eq(problems.errors, 1);
	/* No part of a key is ever shown. */
	for (uint32_t i = 0; i < problems.count; i++)
		ck_assert_ptr_null(strstr(problems.list[i].text, "MIG"));
	finish(settings);
}

static inline void
doubtful_tls(const char *keys, uint32_t line, const char *part)
{
	struct settings *settings = read_tls(keys);

	ck_assert_uint_eq(problems.errors, 0);
	expect(LOG_LEVEL_WARN, "/sluice.conf", FIRST + line - 1, part);
	finish(settings);
}

static inline struct tls_parts *
parts_of(const struct tls_identity_settings *identity)
{
	struct error err = { "" };
	struct secret *secret;
	struct tls_parts *parts;

	ck_assert_uint_lt(identity->secret, secrets.count);
	secret = secret_read(secrets.fds[identity->secret], &err);
	ck_assert_msg(secret != NULL, "%s", err.text);
	parts = tls_parts_read(secret, &err);
	ck_assert_msg(parts != NULL, "%s", err.text);
	secret_free(secret);
	return parts;
}

static inline const struct tls_fixture *
make(const char *name, const struct tls_fixture_options *options)
{
	return tls_fixture_make(fixture_dir, name, options);
}

static inline const struct tls_fixture *
make_ca(const char *name)
{
	return make(name, &(struct tls_fixture_options){ .ca = true });
}

#define LEAF "cert = \"leaf.pem\"; key = \"leaf.key\";\n"

#endif
