/* container_of.h: from a member to the struct that it is in. */

#ifndef SLUICE_CONTAINER_OF_H
#define SLUICE_CONTAINER_OF_H

#include <stddef.h>

/* pointer is to `member` of a `type`; anything else does not compile. */
#define container_of(pointer, type, member)                           \
	((type *)((char *)(1 ? (pointer) : &((type *)NULL)->member) - \
	    offsetof(type, member)))

#endif
