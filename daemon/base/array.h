/* array.h: arrays that grow at their end. */

#ifndef SLUICE_ARRAY_H
#define SLUICE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/*
 * A zeroed element behind the `count` that there are; *array may move.  The
 * caller adds to its count.  NULL: ENOMEM, and nothing has changed.
 */
void *array_grow(void **array, uint32_t count, size_t size);

#endif
