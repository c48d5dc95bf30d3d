/*
 * news.h: what the master says of itself, asked when somebody wants to know, at
 * most once a second, and every few seconds for the history.
 */

#ifndef SLUICE_STATUS_NEWS_H
#define SLUICE_STATUS_NEWS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct event_base;

#define NEWS_FRESH_MS 1000  /* no question before the answer is so old */
#define NEWS_POLL_MS 5000   /* between two points of the history */
#define NEWS_ANSWER_MS 3000 /* the master is late after this */

struct news {
	/* The last answers; NULL: none yet.  Owned by news.c. */
	const json_t *status, *crashes;
	/* That to `status` as it came: one line. */
	const char *text;
	size_t length;
	uint64_t came_ms;    /* when: clock_ms(); 0: never */
	uint64_t number;     /* of the answer, from 1 */
	const char *trouble; /* why there is no newer one, or NULL */
};

struct news_ops {
	/* Somebody waits, and now knows more: perhaps only of a trouble. */
	void (*on_news)(void *arg);
	/* The same, NEWS_POLL_MS after the last call. */
	void (*on_point)(void *arg);
	/* The master has hung up: there will be no more. */
	void (*on_lost)(void *arg);
};

/* One for the process.  0, or -1 with errno. */
int news_init(struct event_base *base, const struct news_ops *ops, void *arg);
void news_done(void);

/* This socket leads to the master: ask there.  Takes fd over.  0, or -1. */
int news_connect(int fd);

const struct news *news_last(void);

/*
 * Have an answer that is not older than NEWS_FRESH_MS.  true: news_last() is
 * the best that there is now; false: on_news follows.
 */
bool news_want(void);

#endif
