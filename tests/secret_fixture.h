/*
 * secret_fixture.h: a secret, and settings that have it.  Each program
 * includes it once.
 */

#ifndef SLUICE_TESTS_SECRET_FIXTURE_H
#define SLUICE_TESTS_SECRET_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/secret.h"
#include "config/settings.h"
#include "fixture.h"

#define BYTES "-----BEGIN SOMETHING-----\nxyzzy\n"

/* One secret, and nothing that would need it. */
static inline struct settings *
made_settings(const char *path)
{
	struct settings *settings = settings_new();
	struct secret_settings *secret = settings_add_secret(settings);

	settings->workers = 1;
	secret->origin.file = settings_add_file(settings, path);
	secret->path = strdup("key.pem");
	return settings;
}

static inline int
sealed(const char *bytes)
{
	struct secret *secret = secret_new(strlen(bytes));
	struct error err = { "" };
	int fd;

	ck_assert_ptr_nonnull(secret);
	memcpy(secret->bytes, bytes, strlen(bytes));
	secret->len = strlen(bytes);
	fd = secret_seal(secret, &err);
	ck_assert_msg(fd != -1, "%s", err.text);
	secret_free(secret);
	return fd;
}

static inline void
is_secret(int fd)
{
	struct error err = { "" };
	struct secret *secret = secret_read(fd, &err);

	ck_assert_msg(secret != NULL, "%s", err.text);
	ck_assert_uint_eq(secret->len, strlen(BYTES));
	ck_assert_mem_eq(secret->bytes, BYTES, secret->len);
	secret_free(secret);
}

#endif
