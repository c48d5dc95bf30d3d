/*
 * names.h: the addresses of host names: from /etc/hosts and from the resolvers in
 * /etc/resolv.conf, with its search domains.  All who ask for a name at the same
 * time share one question, and an answer is kept for as long as it says itself.
 */

#ifndef SLUICE_NAMES_H
#define SLUICE_NAMES_H

#include <stdbool.h>

#include "worker/resolver.h"

struct name_answer {
	/* Those that the resolver has put first come first. */
	struct name_addresses families[NAME_FAMILIES];
	bool complete;	   /* else more may come, which news() says */
	const char *error; /* for people, if it is complete without any */
};

struct name_query;

/*
 * Ask for the addresses of a host.  When there is an answer, news(arg) is called
 * from the event loop, and again when it is complete; but not for what is there
 * when this returns.  news() must not call anything here.  NULL: ENOMEM.
 */
struct name_query *names_ask(const char *host, void (*news)(void *arg),
    void *arg);
/*
 * NULL: it has not come yet.  An answer without IPv6 addresses is there when it
 * is complete or a little later than the IPv4 addresses: RFC 8305, 3.  Valid
 * until names_forget().
 */
const struct name_answer *names_answer(const struct name_query *query);
/* The query is over, with or without an answer.  NULL is fine. */
void names_forget(struct name_query *query);

/* Forget all answers, end all questions, and close all sockets. */
void names_done(void);

/* How long IPv4 addresses wait for those of IPv6. */
#define NAME_V6_DELAY_MS 50

#endif
