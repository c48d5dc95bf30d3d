/* draining.c: adds up what the workers show of versions that drain. */

#include "master/draining.h"

#include <inttypes.h>

#include "config/settings.h"
#include "ipc/versions.h"
#include "master/gen.h"
#include "master/slots.h"

void
draining_tell(const struct shm *shm, uint32_t workers,
    const struct slots *slots, const struct gen_teller *teller)
{
	uint64_t left[LISTENERS_MAX] = { 0 };
	struct version_seen seen;

	for (uint32_t worker = 0; worker < workers; worker++) {
		uint32_t at = 0;

		while (version_next(shm, worker, &at, &seen))
			if (seen.stays && seen.slot < LISTENERS_MAX)
				left[seen.slot] += seen.connections;
	}
	for (uint32_t slot = 0; slot < LISTENERS_MAX; slot++)
		if (left[slot] > 0 && slots_name(slots, slot) != NULL)
			gen_tell(teller,
			    "%s: connections that stay on older code until "
			    "they end: %" PRIu64,
			    slots_name(slots, slot), left[slot]);
}
