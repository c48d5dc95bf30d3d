/*
 * address.h: where a listener listens and a connector connects to, and how
 * addresses read as text.
 */

#ifndef SLUICE_ADDRESS_H
#define SLUICE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct error;
struct packer;
struct unpacker;

enum address_kind {
	ADDRESS_TCP,	  /* one resolved IPv4 or IPv6 address and port */
	ADDRESS_UNIX,	  /* a path */
	ADDRESS_ABSTRACT, /* a name in the abstract namespace */
	ADDRESS_SYSTEMD,  /* a socket handed over by systemd under a name */
};

#define ADDRESS_NAME_MAX 108 /* sun_path; also the longest systemd name */
#define ADDRESS_TEXT_MAX 128 /* any address as text, with its NUL */

struct address {
	enum address_kind kind;
	bool dual; /* TCP: *:port, IPv6 and IPv4 on one socket */
	union {
		struct sockaddr sa;
		struct sockaddr_in in;
		struct sockaddr_in6 in6;
		/* UNIX: sun_path with NUL; ABSTRACT: leading NUL. */
		struct sockaddr_un un;
		char name[ADDRESS_NAME_MAX]; /* SYSTEMD */
	} u;
	socklen_t len; /* of u.sa; 0 for SYSTEMD */
};

/*
 * Parse one entry of `listen` and resolve it: "host:port" (each address the
 * name has), "*:port", "[v6]:port", "unix:/path", "unix:@abstract",
 * "systemd:name".  Writes at most max addresses.  Returns how many, or -1 with
 * a sentence in err.  Blocks on the resolver: only the reader calls it.
 */
int address_resolve(const char *spec, struct address *ret, int max,
    struct error *err);

/* The same syntax, without resolving: is it well formed?  Returns 0 or -1. */
int address_check(const char *spec, struct error *err);

#define HOST_NAME_MAX_LEN 253		      /* of a host, in DNS */
#define HOST_TEXT_MAX (HOST_NAME_MAX_LEN + 1) /* a name or any address */

/*
 * Could it be the name of a host?  A resolver that is asked for other things may
 * answer, or somebody else on the way.
 */
bool host_name_valid(const char *host);

/* Is it an IPv4 or IPv6 address, without brackets and zone? */
bool host_is_address(const char *host);

/* Where to connect to: a host and its port, or else a unix socket. */
struct target {
	/* A name, or an address ; "": a unix socket. */
	char host[HOST_NAME_MAX_LEN + 1];
	uint16_t port;
	char unix_path[ADDRESS_NAME_MAX + 1]; /* "/path" or "@name" */
};

/*
 * Parse "host:port", "[v6]:port", "unix:/path" or "unix:@name"; nothing is
 * resolved.  0, or -1 with a sentence in err.
 */
int target_parse(const char *text, struct target *ret, struct error *err);

/*
 * "192.0.2.7:4411", "[::1]:80", "*:80", "unix:/path", "unix:@name",
 * "systemd:name".  Returns text.
 */
const char *address_text(const struct address *address,
    char text[ADDRESS_TEXT_MAX]);

/*
 * The same for a socket address; a v4-mapped one reads as IPv4, an unnamed unix
 * one as "unix".
 */
const char *sockaddr_text(const struct sockaddr *sa, socklen_t len,
    char text[ADDRESS_TEXT_MAX]);

/*
 * Only the address, as certificates have it: "192.0.2.7", "::1"; a v4-mapped
 * one reads as IPv4.  Returns text, or NULL: it has none.
 */
const char *sockaddr_host(const struct sockaddr *sa, char text[HOST_TEXT_MAX]);

bool address_equal(const struct address *a, const struct address *b);

/* Equal, or one takes connections meant for the other: *:80 and 0.0.0.0:80. */
bool address_conflict(const struct address *a, const struct address *b);

/*
 * Is it one that address_resolve() could have made?  For addresses from another
 * process.
 */
bool address_valid(const struct address *address);

/* To bytes and back.  It fails when what comes back is not valid. */
void address_pack(const struct address *address, struct packer *packer);
void address_unpack(struct address *ret, struct unpacker *unpacker);

unsigned int address_port(const struct address *address); /* TCP; else 0 */

#endif
