/*
 * sockets_fixture.h: the listening sockets of a master, and two listeners that
 * ask for some.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_SOCKETS_FIXTURE_H
#define SLUICE_TESTS_SOCKETS_FIXTURE_H

#include <sys/socket.h>

#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "fixture.h"
#include "master/inherited.h"
#include "master/sockets.h"

static struct inherited nothing;
static struct sockets *sockets;
static struct error err;
static struct listener_settings web = {
	.name = (char *)(uintptr_t) "web",
	.backlog = 16,
	.nodelay = true,
	.keepalive = { .on = true, .ms = 60000 },
	.unix_rights = { UINT32_MAX, { (uid_t)-1, (gid_t)-1 } },
};
static struct listener_settings other = {
	.name = (char *)(uintptr_t) "other",
	.backlog = 16,
	.unix_rights = { UINT32_MAX, { (uid_t)-1, (gid_t)-1 } },
};

static inline void
make(void)
{
	log_init("test");
	log_configure(LOG_LEVEL_ERROR, LOG_FORMAT_TEXT);
	sockets = sockets_new(&nothing);
	ck_assert_ptr_nonnull(sockets);
}

static inline void
address(const char *spec, struct address *ret)
{
	int count = address_resolve(spec, ret, 1, &err);

	ck_assert_msg(count == 1, "%s: %s", spec, err.text);
}

static inline struct sock *
open_for(const char *spec, const struct listener_settings *listener,
    uint32_t worker)
{
	struct address where;

	err.text[0] = '\0';
	address(spec, &where);
	return sockets_open(sockets, listener, &where, worker, 0, &err);
}

static inline struct sock *
must_open(const char *spec, const struct listener_settings *listener,
    uint32_t worker)
{
	struct sock *sock = open_for(spec, listener, worker);

	ck_assert_msg(sock != NULL, "%s", err.text);
	return sock;
}

#endif
