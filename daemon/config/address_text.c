/* address_text.c: addresses as people read them. */

#include "config/address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Printable, and not a blank.  Bytes of UTF-8 count as printable. */
static bool
is_plain(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f;
}

/* Names come from operators and peers, and go into logs. */
static const char *
name_text(const char *prefix, const char *name, size_t len,
    char text[ADDRESS_TEXT_MAX])
{
	size_t at = strlen(prefix), i;

	memcpy(text, prefix, at);
	for (i = 0; i < len && at < ADDRESS_TEXT_MAX - 1; i++)
		text[at++] = is_plain(name[i]) ? name[i] : '?';
	text[at] = '\0';
	return text;
}

static const char *
unix_text(const struct sockaddr_un *un, socklen_t len,
    char text[ADDRESS_TEXT_MAX])
{
	size_t head = offsetof(struct sockaddr_un, sun_path), name;

	name = len > head ? len - head : 0;
	if (name > sizeof(un->sun_path))
		name = sizeof(un->sun_path);
	if (name > 1 && un->sun_path[0] == '\0')
		return name_text("unix:@", un->sun_path + 1, name - 1, text);
	name = strnlen(un->sun_path, name);
	if (name == 0) { /* most clients have no name */
		snprintf(text, ADDRESS_TEXT_MAX, "unix");
		return text;
	}
	return name_text("unix:", un->sun_path, name, text);
}

static const char *
in_text(const struct in_addr *address, in_port_t port,
    char text[ADDRESS_TEXT_MAX])
{
	char host[INET_ADDRSTRLEN];

	inet_ntop(AF_INET, address, host, sizeof(host));
	snprintf(text, ADDRESS_TEXT_MAX, "%s:%u", host, ntohs(port));
	return text;
}

static const char *
in6_text(const struct sockaddr_in6 *in6, char text[ADDRESS_TEXT_MAX])
{
	char host[INET6_ADDRSTRLEN], scope[16] = "";
	struct in_addr mapped;

	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		memcpy(&mapped, in6->sin6_addr.s6_addr + 12, sizeof(mapped));
		return in_text(&mapped, in6->sin6_port, text);
	}
	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	if (in6->sin6_scope_id != 0)
		snprintf(scope, sizeof(scope), "%%%u",
		    (unsigned int)in6->sin6_scope_id);
	snprintf(text, ADDRESS_TEXT_MAX, "[%s%s]:%u", host, scope,
	    ntohs(in6->sin6_port));
	return text;
}

const char *
sockaddr_text(const struct sockaddr *sa, socklen_t len,
    char text[ADDRESS_TEXT_MAX])
{
	if (len >= sizeof(struct sockaddr_in) && sa->sa_family == AF_INET)
		return in_text(
		    &((const struct sockaddr_in *)(const void *)sa)->sin_addr,
		    ((const struct sockaddr_in *)(const void *)sa)->sin_port,
		    text);
	if (len >= sizeof(struct sockaddr_in6) && sa->sa_family == AF_INET6)
		return in6_text((const void *)sa, text);
	if (len >= sizeof(sa_family_t) && sa->sa_family == AF_UNIX)
		return unix_text((const void *)sa, len, text);
	snprintf(text, ADDRESS_TEXT_MAX, "unknown");
	return text;
}

const char *
sockaddr_host(const struct sockaddr *sa, char text[HOST_TEXT_MAX])
{
	const struct sockaddr_in6 *in6 = (const void *)sa;
	const struct sockaddr_in *in = (const void *)sa;

	if (sa->sa_family == AF_INET)
		return inet_ntop(AF_INET, &in->sin_addr, text, HOST_TEXT_MAX);
	if (sa->sa_family != AF_INET6)
		return NULL;
	if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr))
		return inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], text,
		    HOST_TEXT_MAX);
	return inet_ntop(AF_INET6, &in6->sin6_addr, text, HOST_TEXT_MAX);
}

const char *
address_text(const struct address *address, char text[ADDRESS_TEXT_MAX])
{
	if (address->kind == ADDRESS_SYSTEMD)
		return name_text("systemd:", address->u.name,
		    strnlen(address->u.name, sizeof(address->u.name)), text);
	if (address->kind == ADDRESS_TCP && address->dual) {
		snprintf(text, ADDRESS_TEXT_MAX, "*:%u", address_port(address));
		return text;
	}
	return sockaddr_text(&address->u.sa, address->len, text);
}
