/* draining.h: which connections a reload has left on older code. */

#ifndef SLUICE_MASTER_DRAINING_H
#define SLUICE_MASTER_DRAINING_H

#include <stdint.h>

struct gen_teller;
struct shm;
struct slots;

/*
 * Tell for each listener how many connections stay on code that no new
 * connection gets, in all workers together.
 */
void draining_tell(const struct shm *shm, uint32_t workers,
    const struct slots *slots, const struct gen_teller *teller);

#endif
