/*
 * page.h: the process that serves the status page and the metrics, as the
 * configuration says.  It has no privileges, asks the master as sluicectl does,
 * and nothing depends on it.
 */

#ifndef SLUICE_MASTER_PAGE_H
#define SLUICE_MASTER_PAGE_H

struct children;
struct control_subject;
struct event_base;
struct gen;
struct page;

/*
 * All borrowed; the subject may be filled in later.  Starts nothing.  NULL:
 * errno.
 */
struct page *page_new(struct event_base *base, struct children *children,
    const struct control_subject *subject);
/* Kills the process.  NULL is fine. */
void page_free(struct page *page);

/*
 * This generation is committed: start the process, end it, or start another one
 * in its place, if its sockets are not the same as before.  The process is
 * started again whenever it ends.
 */
void page_serve(struct page *page, struct gen *gen);

#endif
