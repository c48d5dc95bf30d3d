/* control_diff.h: what a reload would change: the builds that find it out. */

#ifndef SLUICE_MASTER_CONTROL_DIFF_H
#define SLUICE_MASTER_CONTROL_DIFF_H

struct children;
struct control_diffs;
struct reload;

/* All borrowed.  NULL: no memory. */
struct control_diffs *control_diffs_new(struct children *children,
    const struct reload *reload, const char *config);

/* When no client is left.  NULL is fine. */
void control_diffs_free(struct control_diffs *diffs);

#endif
