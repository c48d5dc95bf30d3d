/*
 * names.h: the addresses of host names, asked for on the worker's event loop by
 * c-ares: from /etc/hosts and from the resolvers in /etc/resolv.conf, with its
 * search domains.  An answer is kept for as long as its resolver allows.
 */

#ifndef SLUICE_NAMES_H
#define SLUICE_NAMES_H

#include <netinet/in.h>
#include <stdint.h>

/* More are of no use: connecting to each takes time. */
#define NAME_ADDRESSES_MAX 16

union name_address {
	struct sockaddr sa;
	struct sockaddr_in in;
	struct sockaddr_in6 in6;
};

struct name_answer {
	unsigned int count; /* of addresses; their ports are 0 */
	union name_address addresses[NAME_ADDRESSES_MAX]; /* the best first */
	const char *error; /* for people, if count is 0 */
};

struct name_query;

/*
 * Ask for the addresses of a host.  When names_answer() has the answer, news(arg)
 * is called from the event loop; but not if it has the answer when this returns.
 * NULL: ENOMEM.
 */
struct name_query *names_ask(const char *host, void (*news)(void *arg),
    void *arg);
/* NULL: it has not come yet.  Valid until names_forget(). */
const struct name_answer *names_answer(const struct name_query *query);
/* The query is over, with or without an answer.  NULL is fine. */
void names_forget(struct name_query *query);

/* Forget all queries and answers, and close all sockets. */
void names_done(void);

/* "/etc/resolv.conf", and the port of resolvers; tests have their own. */
extern const char *names_resolv_conf;
extern uint16_t names_port;

#endif
