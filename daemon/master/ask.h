/*
 * ask.h: asks all workers at once about their connections.  A worker is
 * untrusted and may hang, so whoever has not answered in time is left out.
 */

#ifndef SLUICE_MASTER_ASK_H
#define SLUICE_MASTER_ASK_H

#include <stdint.h>

struct ask;
struct conn_query;
struct worker_row;
struct workers;

/* How long workers have to answer.  They answer between two callbacks. */
#define ASK_MS 200

/*
 * Ask.  on_done is called once, later, unless ask_free() is called before; it
 * may free the question.  NULL: errno.
 */
struct ask *ask_workers(struct workers *workers, const struct conn_query *query,
    void (*on_done)(void *arg, struct ask *ask), void *arg);
void ask_free(struct ask *ask); /* NULL is fine */

/*
 * After on_done: the sheet that the process there has filled in, borrowed; or -1: it
 * has not, or is down and so has no connections.
 */
int ask_sheet(const struct ask *ask, uint32_t place);

/* worker_*.c: it has answered the question with this number; it is gone. */
void ask_answered(struct worker_row *worker, uint32_t serial);
void ask_gone(struct worker_row *worker);

#endif
