/* array.h: arrays that grow at their end. */

#ifndef SLUICE_ARRAY_H
#define SLUICE_ARRAY_H

#include <stddef.h>
#include <stdint.h>

/*
 * Make room for one more element after the first `count`.  Returns the new
 * element, zeroed; the caller increments its count.  *array may move.  NULL:
 * ENOMEM, and nothing has changed.
 */
void *array_grow(void **array, uint32_t count, size_t size);

#endif
