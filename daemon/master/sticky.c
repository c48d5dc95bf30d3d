/*
 * sticky.c: a table of options, and functions for those that are not plain
 * numbers.
 */

#include "master/sticky.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* Newer than some headers. */
#ifndef SO_BINDTOIFINDEX
#define SO_BINDTOIFINDEX 62
#endif
#ifndef SO_DETACH_REUSEPORT_BPF
#define SO_DETACH_REUSEPORT_BPF 68
#endif
#ifndef SO_BUF_LOCK
#define SO_BUF_LOCK 72
#endif
#ifndef IPV6_MINHOPCOUNT
#define IPV6_MINHOPCOUNT 73
#endif

enum how {
	AS_WAS,
	HALF, /* the kernel doubles what it is told */
	UNSET /* 0 is "the default", which reads as a number */
};

static const struct option {
	int level, name;
	enum how how;
	const char *text;
} options[] = {
	{ SOL_SOCKET, SO_REUSEADDR, AS_WAS, "SO_REUSEADDR" },
	{ SOL_SOCKET, SO_REUSEPORT, AS_WAS, "SO_REUSEPORT" },
	{ SOL_SOCKET, SO_BINDTOIFINDEX, AS_WAS, "SO_BINDTODEVICE" },
	{ SOL_SOCKET, SO_RCVBUF, HALF, "SO_RCVBUF" },
	{ SOL_SOCKET, SO_SNDBUF, HALF, "SO_SNDBUF" },
	/* After the two options that set it. */
	{ SOL_SOCKET, SO_BUF_LOCK, AS_WAS, "SO_BUF_LOCK" },
	{ SOL_SOCKET, SO_RCVLOWAT, AS_WAS, "SO_RCVLOWAT" },
	{ SOL_SOCKET, SO_KEEPALIVE, AS_WAS, "SO_KEEPALIVE" },
	{ SOL_SOCKET, SO_OOBINLINE, AS_WAS, "SO_OOBINLINE" },
	{ SOL_SOCKET, SO_DONTROUTE, AS_WAS, "SO_DONTROUTE" },
	{ SOL_SOCKET, SO_PRIORITY, AS_WAS, "SO_PRIORITY" },
	{ SOL_SOCKET, SO_BUSY_POLL, AS_WAS, "SO_BUSY_POLL" },
	{ SOL_SOCKET, SO_INCOMING_CPU, AS_WAS, "SO_INCOMING_CPU" },
	{ SOL_SOCKET, SO_MAX_PACING_RATE, AS_WAS, "SO_MAX_PACING_RATE" },
	{ SOL_SOCKET, SO_PASSCRED, AS_WAS, "SO_PASSCRED" },
	{ SOL_SOCKET, SO_PASSSEC, AS_WAS, "SO_PASSSEC" },
	{ IPPROTO_TCP, TCP_NODELAY, AS_WAS, "TCP_NODELAY" },
	{ IPPROTO_TCP, TCP_CORK, AS_WAS, "TCP_CORK" },
	{ IPPROTO_TCP, TCP_KEEPIDLE, AS_WAS, "TCP_KEEPIDLE" },
	{ IPPROTO_TCP, TCP_KEEPINTVL, AS_WAS, "TCP_KEEPINTVL" },
	{ IPPROTO_TCP, TCP_KEEPCNT, AS_WAS, "TCP_KEEPCNT" },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, AS_WAS, "TCP_USER_TIMEOUT" },
	{ IPPROTO_TCP, TCP_LINGER2, UNSET, "TCP_LINGER2" },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT, AS_WAS, "TCP_DEFER_ACCEPT" },
	{ IPPROTO_TCP, TCP_WINDOW_CLAMP, AS_WAS, "TCP_WINDOW_CLAMP" },
	{ IPPROTO_TCP, TCP_MAXSEG, UNSET, "TCP_MAXSEG" },
	{ IPPROTO_TCP, TCP_NOTSENT_LOWAT, AS_WAS, "TCP_NOTSENT_LOWAT" },
	{ IPPROTO_TCP, TCP_FASTOPEN, AS_WAS, "TCP_FASTOPEN" },
	{ IPPROTO_TCP, TCP_SAVE_SYN, AS_WAS, "TCP_SAVE_SYN" },
	{ IPPROTO_TCP, TCP_TX_DELAY, AS_WAS, "TCP_TX_DELAY" },
	{ IPPROTO_IP, IP_TOS, AS_WAS, "IP_TOS" },
	{ IPPROTO_IP, IP_TTL, AS_WAS, "IP_TTL" },
	{ IPPROTO_IP, IP_MINTTL, AS_WAS, "IP_MINTTL" },
	{ IPPROTO_IP, IP_MTU_DISCOVER, AS_WAS, "IP_MTU_DISCOVER" },
	{ IPPROTO_IP, IP_RECVERR, AS_WAS, "IP_RECVERR" },
	{ IPPROTO_IPV6, IPV6_TCLASS, AS_WAS, "IPV6_TCLASS" },
	{ IPPROTO_IPV6, IPV6_UNICAST_HOPS, AS_WAS, "IPV6_UNICAST_HOPS" },
	{ IPPROTO_IPV6, IPV6_MINHOPCOUNT, AS_WAS, "IPV6_MINHOPCOUNT" },
	{ IPPROTO_IPV6, IPV6_MTU_DISCOVER, AS_WAS, "IPV6_MTU_DISCOVER" },
	{ IPPROTO_IPV6, IPV6_RECVERR, AS_WAS, "IPV6_RECVERR" },
	{ IPPROTO_IPV6, IPV6_DONTFRAG, AS_WAS, "IPV6_DONTFRAG" },
};

#define OPTIONS (sizeof(options) / sizeof(options[0]))
_Static_assert(OPTIONS <= STICKY_OPTIONS_MAX, "each has its bit");

void
sticky_say(char text[STICKY_TEXT_MAX], const char *what)
{
	size_t used = strlen(text);

	snprintf(text + used, STICKY_TEXT_MAX - used, "%s%s",
	    used > 0 ? ", " : "", what);
}

static bool
get(int fd, const struct option *option, int *ret)
{
	socklen_t length = sizeof(*ret);

	*ret = 0;
	return getsockopt(fd, option->level, option->name, ret, &length) == 0;
}

static void
set(int fd, const struct option *option, int value)
{
	setsockopt(fd, option->level, option->name, &value, sizeof(value));
}

void
sticky_note(int fd, struct sticky *ret)
{
	socklen_t length;

	memset(ret, 0, sizeof(*ret));
	for (size_t i = 0; i < OPTIONS; i++)
		if (get(fd, &options[i], &ret->was[i]))
			ret->known |= 1ull << i;
	length = sizeof(ret->linger);
	getsockopt(fd, SOL_SOCKET, SO_LINGER, &ret->linger, &length);
	length = sizeof(ret->receive);
	getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &ret->receive, &length);
	length = sizeof(ret->send);
	getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &ret->send, &length);
	length = sizeof(ret->congestion) - 1;
	getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, ret->congestion, &length);
}

/* Returns false when it cannot be restored. */
static bool
reset_number(int fd, const struct option *option, int was, char *text)
{
	int now;

	if (!get(fd, option, &now) || now == was)
		return true;
	sticky_say(text, option->text);
	set(fd, option,
	    option->how == UNSET      ? 0
		: option->how == HALF ? was / 2
				      : was);
	if (get(fd, option, &now) && now != was)
		set(fd, option, was);
	return get(fd, option, &now) && now == was;
}

/* A size that was set cannot become automatic again. */
static bool
can_unlock(const struct sticky *sticky)
{
	for (size_t i = 0; i < OPTIONS; i++)
		if (options[i].name == SO_BUF_LOCK &&
		    options[i].level == SOL_SOCKET)
			return (sticky->known & 1ull << i) != 0;
	return false;
}

static bool
reset_numbers(int fd, const struct sticky *sticky, char *text)
{
	bool good = true, sizes = false;
	int now;

	for (size_t i = 0; i < OPTIONS; i++) {
		if ((sticky->known & 1ull << i) == 0)
			continue;
		if (options[i].how == HALF && get(fd, &options[i], &now) &&
		    now != sticky->was[i])
			sizes = true;
		good =
		    reset_number(fd, &options[i], sticky->was[i], text) && good;
	}
	return good && (!sizes || can_unlock(sticky));
}

/* A struct or a string. */
static bool
reset_bytes(int fd, int level, int name, const void *was, size_t size,
    const char *what, char *text)
{
	char now[32] = "";
	socklen_t length = (socklen_t)size;

	if (getsockopt(fd, level, name, now, &length) == -1 ||
	    memcmp(now, was, size) == 0)
		return true;
	sticky_say(text, what);
	return setsockopt(fd, level, name, was, (socklen_t)size) == 0;
}

/* When it is off its time does not matter, though the kernel keeps it. */
static bool
reset_linger(int fd, const struct linger *was, char *text)
{
	struct linger now = { 0, 0 };
	socklen_t length = sizeof(now);

	if (getsockopt(fd, SOL_SOCKET, SO_LINGER, &now, &length) == -1 ||
	    ((now.l_onoff != 0) == (was->l_onoff != 0) &&
		(was->l_onoff == 0 || now.l_linger == was->l_linger)))
		return true;
	sticky_say(text, "SO_LINGER");
	return setsockopt(fd, SOL_SOCKET, SO_LINGER, was, sizeof(*was)) == 0;
}

/*
 * Flags of the open file, which all processes share: accept(2) must not block,
 * and no signal may be sent to us.
 */
static bool
reset_flags(int fd, char *text)
{
	int flags = fcntl(fd, F_GETFL);
	int wanted = (flags & O_ACCMODE) | O_NONBLOCK;

	if (fcntl(fd, F_GETOWN) != 0)
		fcntl(fd, F_SETOWN, 0);
	if ((flags & (O_ACCMODE | O_NONBLOCK | O_ASYNC)) == wanted)
		return true;
	sticky_say(text, "O_NONBLOCK");
	return fcntl(fd, F_SETFL, wanted) == 0;
}

/* The lock alone does no harm. */
static bool
has_filter(int fd)
{
	socklen_t instructions = 0;

	return getsockopt(fd, SOL_SOCKET, SO_GET_FILTER, NULL, &instructions) ==
	    -1 ||
	    instructions > 0;
}

/* Returns false when there is a locked filter. */
static bool
drop_filters(int fd, char *text)
{
	int none = 0;

	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_REUSEPORT_BPF, &none,
		sizeof(none)) == 0)
		sticky_say(text, "a program that chooses the socket");
	if (setsockopt(fd, SOL_SOCKET, SO_DETACH_FILTER, &none, sizeof(none)) ==
	    0) {
		sticky_say(text, "a filter");
	} else if (errno == EPERM && has_filter(fd)) {
		sticky_say(text, "a locked filter");
		return false;
	}
	return true;
}

/* An MD5 key for all peers.  Keys for single peers cannot be listed. */
static void
drop_key(int fd, sa_family_t family, char *text)
{
	struct tcp_md5sig key = { .tcpm_flags = TCP_MD5SIG_FLAG_PREFIX };

	key.tcpm_addr.ss_family = family;
	if (setsockopt(fd, IPPROTO_TCP, TCP_MD5SIG_EXT, &key, sizeof(key)) == 0)
		sticky_say(text, "TCP_MD5SIG");
}

int
sticky_reset(int fd, const struct sticky *sticky, bool *ret_deaf,
    char text[STICKY_TEXT_MAX])
{
	bool good;

	good = reset_flags(fd, text);
	if (!drop_filters(fd, text)) {
		*ret_deaf = true;
		good = false;
	}
	drop_key(fd, AF_INET, text);
	drop_key(fd, AF_INET6, text);
	good = reset_linger(fd, &sticky->linger, text) && good;
	good = reset_bytes(fd, SOL_SOCKET, SO_RCVTIMEO, &sticky->receive,
		   sizeof(sticky->receive), "SO_RCVTIMEO", text) &&
	    good;
	good = reset_bytes(fd, SOL_SOCKET, SO_SNDTIMEO, &sticky->send,
		   sizeof(sticky->send), "SO_SNDTIMEO", text) &&
	    good;
	if (sticky->congestion[0] != '\0')
		good = reset_bytes(fd, IPPROTO_TCP, TCP_CONGESTION,
			   sticky->congestion, sizeof(sticky->congestion) - 1,
			   "TCP_CONGESTION", text) &&
		    good;
	return reset_numbers(fd, sticky, text) && good ? 0 : -1;
}
