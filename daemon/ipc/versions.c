/* versions.c: a table in the row, whose free places are used again. */

#include "ipc/versions.h"

#include <stddef.h>

#include "ipc/shm_internal.h"

struct version *
version_add(struct shm *shm, uint64_t code)
{
	struct shm_row *row = shm->own_row;
	struct version *version;
	uint32_t i = shm->version_hint;

	while (i < VERSIONS_MAX && atomic_load(&row->versions[i].code) != 0)
		i++;
	shm->version_hint = i;
	if (i == VERSIONS_MAX) {
		atomic_store(&row->versions_lost, 1);
		return NULL;
	}
	version = &row->versions[i];
	atomic_store(&version->connections, 0);
	atomic_store(&version->use, VERSION_CURRENT);
	atomic_store(&version->code, code);
	if (i >= atomic_load(&row->versions_end))
		atomic_store(&row->versions_end, i + 1);
	return version;
}

void
version_remove(struct shm *shm, struct version *version)
{
	uint32_t i = (uint32_t)(version - shm->own_row->versions);

	atomic_store(&version->code, 0);
	if (i < shm->version_hint)
		shm->version_hint = i;
}

bool
version_next(const struct shm *shm, unsigned int worker, uint32_t *at,
    struct version_seen *ret_seen)
{
	const struct shm_row *row = shm->view[worker].row;
	const struct version *version;
	uint64_t code;
	uint32_t end, use;

	if (row == NULL)
		return false;
	end = atomic_load(&row->versions_end);
	while (*at < end && *at < VERSIONS_MAX) {
		version = &row->versions[(*at)++];
		code = atomic_load(&version->code);
		if (code == 0 || (uint32_t)code >= LISTENERS_MAX)
			continue;
		ret_seen->generation = (uint32_t)(code >> 32);
		ret_seen->slot = (uint32_t)code;
		ret_seen->connections = atomic_load(&version->connections);
		use = atomic_load(&version->use);
		ret_seen->current = use == VERSION_CURRENT;
		ret_seen->stays = use == VERSION_STAYS;
		return true;
	}
	return false;
}

bool
versions_whole(const struct shm *shm, unsigned int worker)
{
	const struct shm_row *row = shm->view[worker].row;

	return row != NULL && atomic_load(&row->versions_lost) == 0;
}
