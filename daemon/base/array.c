/* array.c: an array doubles whenever its count is a power of two. */

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

void *
array_grow(void **array, uint32_t count, size_t size)
{
	size_t room;
	void *larger;

	if ((count & (count - 1)) == 0) {
		room = count == 0 ? 1 : (size_t)count * 2;
		larger = reallocarray(*array, room, size);
		if (larger == NULL)
			return NULL;
		*array = larger;
	}
	return memset((char *)*array + count * size, 0, size);
}
