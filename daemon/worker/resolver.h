/*
 * resolver.h: c-ares on the worker's event loop: questions to the resolvers of
 * /etc/resolv.conf, over UDP and, where an answer does not fit, TCP.
 */

#ifndef SLUICE_RESOLVER_H
#define SLUICE_RESOLVER_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

/* Of each family.  More are of no use: connecting to each takes time. */
#define NAME_ADDRESSES_MAX 16

/* In the order in which they are tried. */
enum name_family { NAME_V6, NAME_V4, NAME_FAMILIES };

union name_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct name_addresses {
	unsigned int count; /* their ports are 0 */
	union name_address list[NAME_ADDRESSES_MAX];
};

/* What became of a question. */
struct resolution {
	struct name_addresses addresses;
	uint32_t ttl_s; /* how long it holds, also if there is no address */
	/* If there is no address: for people, and... */
	const char *error;
	bool try_next; /* ...whether the next search domain may have one */
};

/* One resolv.conf, and what is asked of its resolvers. */
struct resolver;

/*
 * The resolvers that are configured now.  Borrowed: it ends by itself when it is
 * not the newest one, and nothing is asked of it.  *ret_changed: it is another
 * one than last time, since resolv.conf or /etc/hosts has changed.  NULL: ENOMEM.
 */
struct resolver *resolver_now(bool *ret_changed);

/*
 * The name in question number 0, 1, ... for a host, by the search domains.
 * Returns false: there are no more.
 */
#define RESOLVER_NAME_MAX 1025
bool resolver_name(const struct resolver *resolver, const char *host,
    unsigned int number, char ret[RESOLVER_NAME_MAX]);

/*
 * Look for the addresses of a name.  Calls answered() once, maybe before this
 * returns.  The resolution is borrowed.
 */
void resolver_ask(struct resolver *resolver, const char *name,
    enum name_family family,
    void (*answered)(void *arg, const struct resolution *resolution),
    void *arg);
/* Call it after questions, and not from inside of answered(). */
void resolver_go_on(struct resolver *resolver);

/* The addresses of a host in /etc/hosts, and of localhost.  False: none. */
bool resolver_hosts(struct resolver *resolver, const char *host,
    struct name_addresses ret[NAME_FAMILIES]);

/* All questions fail, and all sockets are closed. */
void resolver_done(void);

/* "/etc/resolv.conf", and the port of resolvers; tests have their own. */
extern const char *resolver_conf;
extern uint16_t resolver_port;

#endif
