/*
 * premises.h: what we need of the system that we run on.  Without it every plugin,
 * or every address, would fail for the same reason.
 */

#ifndef SLUICE_MASTER_PREMISES_H
#define SLUICE_MASTER_PREMISES_H

struct error;

/*
 * Raise the limit of descriptors, and look whether there is what we need.  0, or
 * -1 with a sentence that says what to do.
 */
int premises_check(struct error *err);

#endif
