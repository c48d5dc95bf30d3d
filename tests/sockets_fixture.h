/*
 * sockets_fixture.h: the listening sockets of a master, and two listeners that
 * ask for some.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_SOCKETS_FIXTURE_H
#define SLUICE_TESTS_SOCKETS_FIXTURE_H

#include <sys/socket.h>
#include <sys/wait.h>

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

#define STARTERS 4
#define START_ROUNDS 150

/* One of the daemons: says 'y' if it got the path, and lives until `end`. */
static inline void
start_one(const char *spec, int begin, int end, int said)
{
	struct sock *sock;
	char byte;

	if (read(begin, &byte, 1) != 0)
		_exit(1);
	sock = open_for(spec, &web, SOCK_SHARED);
	byte = sock != NULL ? 'y' : 'n';
	if (write(said, &byte, 1) != 1 || read(end, &byte, 1) != 0)
		_exit(1);
	_exit(0); /* as if killed: the socket stays, and is stale */
}

/* How many got it, when all began at once.  meanwhile: they have what they got. */
static inline unsigned int
start_all(const char *spec, void (*meanwhile)(void))
{
	int begin[2], end[2], said[2];
	unsigned int got = 0;
	char byte;

	ck_assert_int_eq(pipe(begin), 0);
	ck_assert_int_eq(pipe(end), 0);
	ck_assert_int_eq(pipe(said), 0);
	for (int i = 0; i < STARTERS; i++)
		if (fork() == 0) {
			close(begin[1]);
			close(end[1]);
			start_one(spec, begin[0], end[0], said[1]);
		}
	close(begin[1]);
	for (int i = 0; i < STARTERS; i++) {
		ck_assert_int_eq(read(said[0], &byte, 1), 1);
		got += byte == 'y';
	}
	meanwhile();
	close(end[1]);
	while (wait(NULL) > 0)
		;
	close(begin[0]);
	close(end[0]);
	close(said[0]);
	close(said[1]);
	return got;
}

#endif
