/* gen_groups.c: which worker is in which group of a generation. */

#include <string.h>

#include "config/settings.h"
#include "config/worker_groups.h"
#include "master/gen.h"

const char *
gen_group_name(const struct gen *gen, uint32_t worker)
{
	uint16_t group = gen->worker_groups[worker];

	return group != NO_GROUP ? worker_group(gen->settings, group).name
				 : NULL;
}

uint32_t
gen_workers(const struct gen *gen, uint16_t group)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < WORKERS_MAX; i++)
		if (group == NO_GROUP ? gen->worker_groups[i] != NO_GROUP
				      : gen->worker_groups[i] == group)
			count++;
	return count;
}

bool
gen_same_groups(const struct gen *a, const struct gen *b)
{
	const char *in_a, *in_b;

	for (uint32_t i = 0; i < WORKERS_MAX; i++) {
		in_a = gen_group_name(a, i);
		in_b = gen_group_name(b, i);
		if (in_a == NULL || in_b == NULL ? in_a != in_b
						 : strcmp(in_a, in_b) != 0)
			return false;
	}
	return true;
}
