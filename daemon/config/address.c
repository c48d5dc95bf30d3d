/*
 * address.c: what operators write after `listen`, resolved and compared, and
 * after `connect`.
 */

#include "config/address.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"

/* What a mistake is answered with: where one may connect to, and listen. */
#define TARGET_FORMS "host:port, [v6]:port, unix:/path or unix:@name"
#define LISTEN_FORMS \
	"host:port, *:port, [v6]:port, unix:/path, unix:@name or systemd:name"

/* An entry taken apart.  Points into the entry, and host has no NUL. */
struct spec {
	enum address_kind kind;
	const char *host,
	    *name; /* name: unix path, or what follows @ or systemd: */
	size_t host_len;
	bool target; /* to connect to */
	bool any;    /* host is * */
	bool bracketed;
	unsigned int port;
};

static bool
is_printable(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			return false;
	return true;
}

static int
parse_unix(const char *entry, const char *rest, struct spec *ret,
    struct error *err)
{
	if (*rest == '@') {
		ret->kind = ADDRESS_ABSTRACT;
		ret->name = rest + 1;
		if (*ret->name == '\0')
			return error_set(err,
			    "\"%s\": the name after unix:@ is empty", entry);
	} else {
		ret->kind = ADDRESS_UNIX;
		ret->name = rest;
		if (*rest != '/')
			return error_set(err,
			    "\"%s\": write unix:/path, with an absolute path, "
			    "or unix:@name",
			    entry);
		if (rest[strlen(rest) - 1] == '/')
			return error_set(err,
			    "\"%s\" ends in a slash; write the path of a "
			    "socket, not of a directory",
			    entry);
	}
	/*
	 * With a NUL after it (path) or before it (abstract) it must fit in
	 * sun_path.
	 */
	if (strlen(ret->name) >= ADDRESS_NAME_MAX)
		return error_set(err,
		    "\"%.40s...\" is too long: the kernel "
		    "takes at most %d bytes",
		    entry, ADDRESS_NAME_MAX - 1);
	return 0;
}

static int
parse_systemd(const char *entry, const char *rest, struct spec *ret,
    struct error *err)
{
	ret->kind = ADDRESS_SYSTEMD;
	ret->name = rest;
	if (*rest == '\0')
		return error_set(err,
		    "\"%s\": the name after systemd: is empty; it is the "
		    "FileDescriptorName= of the socket unit",
		    entry);
	if (strlen(rest) >= ADDRESS_NAME_MAX || strchr(rest, ':') != NULL)
		return error_set(err,
		    "\"%s\": a systemd name has at most %d "
		    "bytes and no colon",
		    entry, ADDRESS_NAME_MAX - 1);
	return 0;
}

static int
parse_port(const char *entry, const char *text, unsigned int *ret,
    struct error *err)
{
	unsigned int port = 0;
	const char *p;

	for (p = text; *p >= '0' && *p <= '9' && p - text < 5; p++)
		port = port * 10 + (unsigned int)(*p - '0');
	if (p == text || *p != '\0' || port > 65535)
		return error_set(err,
		    "\"%s\": the port \"%s\" is not a number "
		    "from 0 to 65535",
		    entry, text);
	*ret = port;
	return 0;
}

static const char *
forms(const struct spec *spec)
{
	return spec->target ? TARGET_FORMS : LISTEN_FORMS;
}

/* "fe80::1" without a scope */
static bool
needs_interface(const struct spec *spec)
{
	char bare[INET6_ADDRSTRLEN];
	struct in6_addr address;

	if (spec->host_len >= sizeof(bare))
		return false;
	memcpy(bare, spec->host, spec->host_len);
	bare[spec->host_len] = '\0';
	return inet_pton(AF_INET6, bare, &address) == 1 &&
	    IN6_IS_ADDR_LINKLOCAL(&address);
}

static int
parse_tcp(const char *entry, struct spec *ret, struct error *err)
{
	const char *colon = strrchr(entry, ':');

	ret->kind = ADDRESS_TCP;
	if (strchr(entry, ',') != NULL && !ret->target)
		return error_set(err,
		    "\"%s\": several addresses are a list of strings: write "
		    "[ \"...\", \"...\" ]",
		    entry);
	if (entry[0] == '[') {
		const char *close = strchr(entry, ']');

		if (close == NULL || close[1] != ':')
			return error_set(err,
			    "\"%s\": write an IPv6 address and its port as "
			    "[address]:port",
			    entry);
		ret->host = entry + 1;
		ret->host_len = (size_t)(close - ret->host);
		ret->bracketed = true;
		colon = close + 1;
	} else if (colon == NULL && entry[0] == '/') {
		return error_set(err, "\"%s\" is a path: write unix:%s", entry,
		    entry);
	} else if (colon == NULL) {
		return error_set(err, "\"%s\" has no port: write %s", entry,
		    forms(ret));
	} else {
		ret->host = entry;
		ret->host_len = (size_t)(colon - entry);
		if (strspn(entry, "0123456789abcdefABCDEF:.%") <
			ret->host_len &&
		    memchr(entry, ':', ret->host_len) != NULL)
			return error_set(err,
			    "\"%s\" is not an address: write %s", entry,
			    forms(ret));
		if (memchr(entry, ':', ret->host_len) != NULL)
			return error_set(err,
			    "\"%s\": write an IPv6 address "
			    "in brackets, as in [::1]:7007",
			    entry);
	}
	if (ret->host_len == 0 && ret->target)
		return error_set(err, "\"%s\" has no host: write %s", entry,
		    forms(ret));
	if (ret->host_len == 0)
		return error_set(err,
		    "\"%s\" has no host; write *%s for all addresses", entry,
		    colon);
	if (ret->host_len >= NI_MAXHOST ||
	    memchr(ret->host, ' ', ret->host_len))
		return error_set(err,
		    "\"%.60s\" does not begin with a valid host name", entry);
	if (ret->bracketed && needs_interface(ret))
		return error_set(err,
		    "\"%s\" is a link-local address, which may be on any "
		    "interface; name one, as in [%.*s%%eth0]%s",
		    entry, (int)ret->host_len, ret->host, colon);
	ret->any = !ret->bracketed && ret->host_len == 1 && *ret->host == '*';
	/* glibc would take "*" as no host, which means the loopback. */
	if (!ret->any && memchr(ret->host, '*', ret->host_len) != NULL)
		return error_set(err,
		    "\"%s\": write *:port for all "
		    "addresses; there are no other patterns",
		    entry);
	return parse_port(entry, colon + 1, &ret->port, err);
}

static int
parse(const char *entry, bool target, struct spec *ret, struct error *err)
{
	memset(ret, 0, sizeof(*ret));
	ret->target = target;
	if (*entry == '\0')
		return error_set(err, "the address is empty");
	if (!is_printable(entry))
		return error_set(err, "\"%s\" contains a control character",
		    entry);
	if (strncmp(entry, "unix:", 5) == 0)
		return parse_unix(entry, entry + 5, ret, err);
	if (strncmp(entry, "systemd:", 8) == 0)
		return parse_systemd(entry, entry + 8, ret, err);
	return parse_tcp(entry, ret, err);
}

int
address_check(const char *spec, struct error *err)
{
	struct spec parts;

	return parse(spec, false, &parts, err);
}

bool
host_name_valid(const char *host)
{
	size_t len = strlen(host);

	return len > 0 && len <= HOST_NAME_MAX_LEN && host[0] != '.' &&
	    host[0] != '-' &&
	    strspn(host,
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"0123456789-_.") == len &&
	    strstr(host, "..") == NULL;
}

bool
host_is_address(const char *host)
{
	struct in6_addr room;

	return inet_pton(AF_INET, host, &room) == 1 ||
	    inet_pton(AF_INET6, host, &room) == 1;
}

/* "2001:db8::1" or "fe80::1%eth0" */
static bool
is_v6(const char *host)
{
	char bare[INET6_ADDRSTRLEN];
	size_t len = strcspn(host, "%");
	struct in6_addr room;

	if (len >= sizeof(bare))
		return false;
	memcpy(bare, host, len);
	bare[len] = '\0';
	return inet_pton(AF_INET6, bare, &room) == 1;
}

static int
target_host(const char *text, const struct spec *parts, struct target *ret,
    struct error *err)
{
	if (parts->any || parts->port == 0)
		return error_set(err,
		    "\"%s\" does not say where to connect to: write a host "
		    "and a port from 1 to 65535",
		    text);
	if (parts->host_len >= sizeof(ret->host))
		return error_set(err, "\"%.60s...\": the host is too long",
		    text);
	memcpy(ret->host, parts->host, parts->host_len);
	ret->port = (uint16_t)parts->port;
	if (parts->bracketed ? !is_v6(ret->host) : !host_name_valid(ret->host))
		return error_set(err, "\"%s\": \"%s\" is not %s", text,
		    ret->host,
		    parts->bracketed ? "an IPv6 address"
				     : "the name or address of a host");
	return 0;
}

int
target_parse(const char *text, struct target *ret, struct error *err)
{
	struct spec parts;

	memset(ret, 0, sizeof(*ret));
	if (parse(text, true, &parts, err) == -1)
		return -1;
	switch (parts.kind) {
	case ADDRESS_TCP:
		return target_host(text, &parts, ret, err);
	case ADDRESS_UNIX:
	case ADDRESS_ABSTRACT:
		snprintf(ret->unix_path, sizeof(ret->unix_path), "%s%s",
		    parts.kind == ADDRESS_ABSTRACT ? "@" : "", parts.name);
		return 0;
	case ADDRESS_SYSTEMD:
		break;
	}
	return error_set(err,
	    "\"%s\" is a socket to listen on; write " TARGET_FORMS, text);
}

static void
from_unix(const struct spec *parts, struct address *ret)
{
	struct sockaddr_un *un = &ret->u.un;
	size_t len = strlen(parts->name);

	un->sun_family = AF_UNIX;
	memcpy(un->sun_path + (parts->kind == ADDRESS_ABSTRACT), parts->name,
	    len);
	ret->len =
	    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
}

/* One IPv6 socket serves IPv4 too, where the kernel has IPv6 at all. */
static void
from_any(unsigned int port, struct address *ret)
{
	int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd == -1) {
		ret->u.in.sin_family = AF_INET;
		ret->u.in.sin_port = htons((uint16_t)port);
		ret->len = sizeof(ret->u.in);
		return;
	}
	close(fd);
	ret->dual = true;
	ret->u.in6.sin6_family = AF_INET6;
	ret->u.in6.sin6_port = htons((uint16_t)port);
	ret->len = sizeof(ret->u.in6);
}

static bool
seen(const struct address *addresses, int count, const struct address *address)
{
	for (int i = 0; i < count; i++)
		if (address_equal(&addresses[i], address))
			return true;
	return false;
}

static int
resolve_host(const char *entry, const struct spec *parts, struct address *ret,
    int max, struct error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *ai;
	struct address address;
	char host[NI_MAXHOST], port[8];
	const char *interface;
	int error, count = 0;

	snprintf(host, sizeof(host), "%.*s", (int)parts->host_len, parts->host);
	snprintf(port, sizeof(port), "%u", parts->port);
	hints.ai_family = parts->bracketed ? AF_INET6 : AF_UNSPEC;
	hints.ai_flags =
	    AI_NUMERICSERV | (parts->bracketed ? AI_NUMERICHOST : 0);
	error = getaddrinfo(host, port, &hints, &list);
	if (error == EAI_SYSTEM)
		return error_sys(err, "\"%s\": cannot resolve \"%s\"", entry,
		    host);
	interface = strchr(host, '%');
	if (error != 0 && parts->bracketed && interface != NULL &&
	    if_nametoindex(interface + 1) == 0)
		return error_set(err,
		    "\"%s\": there is no interface \"%s\"; see ip link", entry,
		    interface + 1);
	if (error != 0)
		return error_set(err, "\"%s\": %s \"%s\": %s", entry,
		    parts->bracketed ? "not an IPv6 address:"
				     : "cannot resolve",
		    host, gai_strerror(error));
	for (ai = list; ai != NULL && count < max; ai = ai->ai_next) {
		memset(&address, 0, sizeof(address));
		if ((ai->ai_family != AF_INET && ai->ai_family != AF_INET6) ||
		    ai->ai_addrlen > sizeof(address.u))
			continue;
		address.kind = ADDRESS_TCP;
		memcpy(&address.u, ai->ai_addr, ai->ai_addrlen);
		address.len = ai->ai_addrlen;
		if (!seen(ret, count, &address))
			ret[count++] = address;
	}
	freeaddrinfo(list);
	if (count == 0)
		return error_set(err, "\"%s\": \"%s\" has no address", entry,
		    host);
	return count;
}

int
address_resolve(const char *spec, struct address *ret, int max,
    struct error *err)
{
	struct address address = { 0 };
	struct spec parts;

	if (parse(spec, false, &parts, err) == -1)
		return -1;
	if (max < 1)
		return error_set(err, "\"%s\": too many addresses", spec);
	address.kind = parts.kind;
	switch (parts.kind) {
	case ADDRESS_UNIX:
	case ADDRESS_ABSTRACT:
		from_unix(&parts, &address);
		break;
	case ADDRESS_SYSTEMD:
		snprintf(address.u.name, sizeof(address.u.name), "%s",
		    parts.name);
		break;
	case ADDRESS_TCP:
		if (!parts.any)
			return resolve_host(spec, &parts, ret, max, err);
		from_any(parts.port, &address);
		break;
	}
	ret[0] = address;
	return 1;
}

bool
address_equal(const struct address *a, const struct address *b)
{
	if (a->kind != b->kind || a->dual != b->dual || a->len != b->len)
		return false;
	if (a->kind == ADDRESS_SYSTEMD)
		return strcmp(a->u.name, b->u.name) == 0;
	if (a->u.sa.sa_family != b->u.sa.sa_family)
		return false;
	switch (a->u.sa.sa_family) {
	case AF_INET:
		return a->u.in.sin_port == b->u.in.sin_port &&
		    a->u.in.sin_addr.s_addr == b->u.in.sin_addr.s_addr;
	case AF_INET6:
		return a->u.in6.sin6_port == b->u.in6.sin6_port &&
		    a->u.in6.sin6_scope_id == b->u.in6.sin6_scope_id &&
		    memcmp(&a->u.in6.sin6_addr, &b->u.in6.sin6_addr,
			sizeof(struct in6_addr)) == 0;
	default:
		return memcmp(&a->u, &b->u, a->len) == 0;
	}
}

static bool
is_wildcard(const struct address *a)
{
	if (a->u.sa.sa_family == AF_INET)
		return a->u.in.sin_addr.s_addr == htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(&a->u.in6.sin6_addr);
}

bool
address_conflict(const struct address *a, const struct address *b)
{
	if (address_equal(a, b))
		return true;
	/* *:80 takes the place of 0.0.0.0:80 and of [::]:80. */
	return a->kind == ADDRESS_TCP && b->kind == ADDRESS_TCP &&
	    (a->dual || b->dual) && address_port(a) == address_port(b) &&
	    address_port(a) != 0 && is_wildcard(a) && is_wildcard(b);
}

unsigned int
address_port(const struct address *address)
{
	if (address->kind != ADDRESS_TCP)
		return 0;
	/* sin_port and sin6_port are at the same place. */
	return ntohs(address->u.in.sin_port);
}

bool
address_valid(const struct address *address)
{
	size_t head = offsetof(struct sockaddr_un, sun_path);
	const struct sockaddr_un *un = &address->u.un;

	switch (address->kind) {
	case ADDRESS_TCP:
		if (address->u.sa.sa_family == AF_INET)
			return !address->dual &&
			    address->len == sizeof(address->u.in);
		return address->u.sa.sa_family == AF_INET6 &&
		    address->len == sizeof(address->u.in6);
	case ADDRESS_UNIX:
		return un->sun_family == AF_UNIX && address->len > head + 1 &&
		    address->len <= sizeof(*un) && un->sun_path[0] != '\0' &&
		    strnlen(un->sun_path, address->len - head) ==
		    address->len - head - 1;
	case ADDRESS_ABSTRACT:
		return un->sun_family == AF_UNIX && address->len > head + 1 &&
		    address->len <= sizeof(*un) && un->sun_path[0] == '\0';
	case ADDRESS_SYSTEMD:
		return address->len == 0 && address->u.name[0] != '\0' &&
		    memchr(address->u.name, '\0', ADDRESS_NAME_MAX) != NULL;
	}
	return false;
}
