/*
 * hash.h: FNV-1a of 64 bits, for tables, and to recognize things without
 * storing them: two different things have the same hash once in 2^64.  It is
 * not safe against somebody who searches for such a pair.
 */

#ifndef SLUICE_HASH_H
#define SLUICE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_BEGIN 0xcbf29ce484222325u

static inline uint64_t
hash_add(uint64_t hash, const void *bytes, size_t length)
{
	const unsigned char *p = bytes;

	while (length-- > 0)
		hash = (hash ^ *p++) * 0x100000001b3u;
	return hash;
}

#endif
