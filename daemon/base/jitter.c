/* jitter.c: waits that differ by chance. */

#include "base/jitter.h"

#include <sys/random.h>

#include "base/plain_float.h"

uint64_t
jittered(uint64_t wait_ms, double part)
{
	uint32_t random = 0;
	double by; /* from -1 to 1 */

	plain_float();
	/* Without random bytes it is as long as it says. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) == -1)
		random = UINT32_MAX / 2;
	by = 2.0 * random / UINT32_MAX - 1;
	wait_ms = (uint64_t)((double)wait_ms * (1 + part * by));
	return wait_ms > 0 ? wait_ms : 1;
}
