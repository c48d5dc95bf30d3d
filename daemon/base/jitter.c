/* jitter.c: waits that differ by chance. */

#include "base/jitter.h"

#include <sys/random.h>

uint64_t
jittered(uint64_t wait_ms, unsigned int thousandths)
{
	uint64_t by =
	    wait_ms / 1000 * thousandths + wait_ms % 1000 * thousandths / 1000;
	uint64_t random;

	/* Without random bytes it is as long as it says. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = by;
	wait_ms += random % (2 * by + 1) - by;
	return wait_ms > 0 ? wait_ms : 1;
}
