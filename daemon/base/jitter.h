/* jitter.h: waits that differ by chance, so that many do not end together. */

#ifndef SLUICE_JITTER_H
#define SLUICE_JITTER_H

#include <stdint.h>

/*
 * A wait of about wait_ms: longer or shorter by chance, by up to that part of
 * it.  At least 1.
 */
uint64_t jittered(uint64_t wait_ms, double part);

#endif
