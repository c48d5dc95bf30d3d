/*
 * pack.h: numbers and strings to bytes and back.  Both directions remember a
 * failure, so that a caller may check once at the end.  After a failure the
 * unpacker returns zeros.
 */

#ifndef SLUICE_PACK_H
#define SLUICE_PACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct packer {
	char *data; /* owned by the user of the packer: free() it */
	size_t len, room;
	bool fixed;  /* data does not grow */
	bool failed; /* out of memory, or of room in fixed data */
};

void pack_u32(struct packer *packer, uint32_t value);
void pack_u64(struct packer *packer, uint64_t value);
void pack_bytes(struct packer *packer, const void *data, size_t len);
void pack_string(struct packer *packer, const char *string); /* or NULL */
/* The first len bytes of text, which have no NUL, and then a NUL. */
void pack_text(struct packer *packer, const char *text, size_t len);

struct unpacker {
	const char *data; /* borrowed */
	size_t len, at;
	bool failed;
};

uint32_t unpack_u32(struct unpacker *unpacker);
uint64_t unpack_u64(struct unpacker *unpacker);
bool unpack_bool(struct unpacker *unpacker);
void unpack_bytes(struct unpacker *unpacker, void *data, size_t len);

/* NULL when NULL was packed, and on failure; owned by the caller. */
char *unpack_string(struct unpacker *unpacker);

/* What pack_text() packed, borrowed from data.  "" on failure. */
const char *unpack_text(struct unpacker *unpacker);

/*
 * The number of items that follow.  It fails and returns 0 if the bytes left
 * cannot hold that many items of item_size each, so that no count makes the
 * caller allocate much.
 */
uint32_t unpack_count(struct unpacker *unpacker, size_t item_size);

#endif
