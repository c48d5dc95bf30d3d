/*
 * check_sticky.c: changed options of a listening socket are found, named, and
 * set back.
 */

#include "fixture.h"

#include <linux/filter.h>
#include <linux/tcp.h>
#include <netinet/in.h>

#include "master/sticky.h"

static int
listening(int family)
{
	struct sockaddr_storage address = { .ss_family = (sa_family_t)family };
	socklen_t length = family == AF_INET ? sizeof(struct sockaddr_in)
					     : sizeof(struct sockaddr_in6);
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd == -1)
		return -1;
	if (bind(fd, (struct sockaddr *)&address, length) == -1 ||
	    listen(fd, 10) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

static bool deaf;

static const struct change {
	int level, name, value;
	const char *text;
} changes[] = {
	{ SOL_SOCKET, SO_REUSEADDR, 1, "SO_REUSEADDR" },
	{ SOL_SOCKET, SO_RCVBUF, 3000, "SO_RCVBUF" },
	{ SOL_SOCKET, SO_SNDBUF, 9000, "SO_SNDBUF" },
	{ SOL_SOCKET, SO_RCVLOWAT, 5000, "SO_RCVLOWAT" },
	{ SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE" },
	{ SOL_SOCKET, SO_OOBINLINE, 1, "SO_OOBINLINE" },
	{ SOL_SOCKET, SO_INCOMING_CPU, 1, "SO_INCOMING_CPU" },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, 1000, "SO_MAX_PACING_RATE" },
	{ IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY" },
	{ IPPROTO_TCP, TCP_CORK, 1, "TCP_CORK" },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 3, "TCP_KEEPINTVL" },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, 9, "TCP_USER_TIMEOUT" },
	{ IPPROTO_TCP, TCP_LINGER2, 7, "TCP_LINGER2" },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, 30, "TCP_DEFER_ACCEPT" },
	{ IPPROTO_TCP, TCP_MAXSEG, 100, "TCP_MAXSEG" },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, 100, "TCP_NOTSENT_LOWAT" },
	{ IPPROTO_TCP, TCP_FASTOPEN, 5, "TCP_FASTOPEN" },
	{ IPPROTO_IP, IP_TTL, 1, "IP_TTL" },
	{ IPPROTO_IP, IP_MINTTL, 255, "IP_MINTTL" },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, 1, "IPV6_UNICAST_HOPS" },
};

static void
change_and_reset(int fd, const struct change *change)
{
	char text[STICKY_TEXT_MAX] = "";
	int before = 0, now = 0;
	socklen_t length = sizeof(before);
	struct sticky sticky;

	sticky_note(fd, &sticky);
	getsockopt(fd, change->level, change->name, &before, &length);
	if (setsockopt(fd, change->level, change->name, &change->value,
		sizeof(change->value)) == -1)
		return; /* not an option of this family */
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), 0);
	ck_assert_ptr_nonnull(strstr(text, change->text));
	length = sizeof(now);
	getsockopt(fd, change->level, change->name, &now, &length);
	ck_assert_msg(now == before, "%s", change->text);
	text[0] = '\0';
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), 0);
	ck_assert_str_eq(text, "");
}

START_TEST(options_are_set_back)
{
	static const int families[] = { AF_INET, AF_INET6 };
	size_t f;
	int fd;

	for (f = 0; f < 2; f++) {
		fd = listening(families[f]);
		if (fd == -1)
			continue; /* no IPv6 here */
		for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]);
		     i++)
			change_and_reset(fd, &changes[i]);
		close(fd);
	}
}
END_TEST

START_TEST(linger_timeouts_and_blocking_are_set_back)
{
	const struct linger linger = { 1, 3600 };
	const struct timeval time = { 1, 0 };
	char text[STICKY_TEXT_MAX] = "";
	int fd = listening(AF_INET);
	struct sticky sticky;

	sticky_note(fd, &sticky);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &time, sizeof(time));
	fcntl(fd, F_SETFL, 0);
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), 0);
	ck_assert_str_eq(text, "O_NONBLOCK, SO_LINGER, SO_RCVTIMEO");
	ck_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	text[0] = '\0';
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), 0);
	ck_assert_str_eq(text, "");
	close(fd);
}
END_TEST

START_TEST(what_cannot_be_set_back_is_reported)
{
	char text[STICKY_TEXT_MAX] = "";
	int fd = listening(AF_INET), clamp = 3000;
	struct sticky sticky;

	sticky_note(fd, &sticky);
	setsockopt(fd, IPPROTO_TCP, TCP_WINDOW_CLAMP, &clamp, sizeof(clamp));
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), -1);
	ck_assert_str_eq(text, "TCP_WINDOW_CLAMP");
	ck_assert(!deaf);
	close(fd);
}
END_TEST

START_TEST(filters_are_removed_unless_they_are_locked)
{
	struct sock_filter code[] = { { BPF_RET | BPF_K, 0, 0, 0 } };
	struct sock_fprog program = { 1, code };
	char text[STICKY_TEXT_MAX] = "";
	int fd = listening(AF_INET), on = 1;
	struct sticky sticky;

	sticky_note(fd, &sticky);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program,
		sizeof(program)) == -1) {
		close(fd);
		return; /* newer kernels allow this only to root */
	}
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), 0);
	ck_assert_str_eq(text, "a filter");
	setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
	setsockopt(fd, SOL_SOCKET, SO_LOCK_FILTER, &on, sizeof(on));
	text[0] = '\0';
	ck_assert_int_eq(sticky_reset(fd, &sticky, &deaf, text), -1);
	ck_assert_str_eq(text, "a locked filter");
	ck_assert(deaf);
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		options_are_set_back,
		linger_timeouts_and_blocking_are_set_back,
		what_cannot_be_set_back_is_reported,
		filters_are_removed_unless_they_are_locked,
		NULL,
	};

	return fixture_run("sticky", tests);
}
