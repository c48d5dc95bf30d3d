/* top.h: a screen that shows what sluiced does now. */

#ifndef SLUICE_CTL_TOP_H
#define SLUICE_CTL_TOP_H

struct call;

/* Show it until the user ends it.  Returns the exit status. */
int top_run(const struct call *call);

#endif
