/* jitter.h: waits that differ by chance, so that many do not end together. */

#ifndef SLUICE_JITTER_H
#define SLUICE_JITTER_H

#include <stdint.h>

/*
 * A wait of about wait_ms: longer or shorter by chance, by up to so many
 * thousandths of it, of which there are 1000 at most.  At least 1.  In whole
 * numbers, as it may be called while a plugin has set the ways of floating
 * point.
 */
uint64_t jittered(uint64_t wait_ms, unsigned int thousandths);

#endif
