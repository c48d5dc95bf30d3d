/*
 * log_limit.h: rate limits for lines that a peer can cause.  What was left out is
 * summed up: in the next such line, or within a second if there is none.
 */

#ifndef SLUICE_LOG_LIMIT_H
#define SLUICE_LOG_LIMIT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct event_base;

/* Zeros but for sum_up, before its first use. */
struct log_limit {
	/* Logs how many lines were left out. */
	void (*sum_up)(struct log_limit *limit, uint32_t skipped);
	uint64_t second;
	uint32_t count, skipped;
	bool waits; /* to be summed up */
	LIST_ENTRY(log_limit) link;
};

/*
 * At most `burst` lines per second for each struct.  Returns true when the line
 * may be logged; *ret_skipped is then how many were left out since the last
 * logged one, for the line itself to say.  With NULL sum_up() says it before.
 */
bool log_limit(struct log_limit *limit, uint32_t burst, uint32_t *ret_skipped);

/* Sum up now.  Required before the memory is freed. */
void log_limit_done(struct log_limit *limit);

/*
 * From here on a timer of this event loop sums up.  0, or -1 with errno; without
 * it the next line does.
 */
int log_limit_begin(struct event_base *base);
/* Sum up all, before the event loop is freed. */
void log_limit_end(void);

#endif
