/* api_struct.c: structs of plugins, which may be older or newer than we are. */

#include "worker/api_struct.h"

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/fail.h"

int
api_read_struct(void *ret, size_t size, const void *given, size_t min)
{
	const unsigned char *bytes = given;
	uint32_t given_size;

	if (given == NULL)
		return fail(EINVAL);
	memcpy(&given_size, given, sizeof(given_size));
	if (given_size < min)
		return fail(EINVAL);
	for (size_t i = size; i < given_size; i++)
		if (bytes[i] != 0)
			return fail(ENOTSUP);
	memset(ret, 0, size);
	memcpy(ret, given, given_size < size ? given_size : size);
	return 0;
}
