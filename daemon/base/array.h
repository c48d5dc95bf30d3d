/* array.h: arrays that grow at their end. */

#ifndef SLUICE_ARRAY_H
#define SLUICE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Room for one more behind the `count` that there are, zeroed; *array may move.
 * Whoever asks counts.  NULL: ENOMEM, and nothing has changed.
 */
void *array_grow(void **array, uint32_t count, size_t size);

#endif
