/*
 * image.h: a plugin file as bytes: copied once into a sealed memfd, identified
 * by the SHA-256 of its content, and checked as ELF before it is loaded.  Runs
 * no code of the file.
 */

#ifndef SLUICE_IMAGE_H
#define SLUICE_IMAGE_H

#include <stdint.h>

#include "config/settings.h"

struct error;

/* A plugin larger than this is a mistake. */
#define IMAGE_SIZE_MAX (64u << 20)

struct image {
	int fd; /* sealed memfd, CLOEXEC */
	uint64_t size;
	uint8_t hash[IMAGE_HASH_SIZE];
};

/*
 * Copy and check the file.  Refuses what is not a regular file, what changed
 * while it was read, and what is not a complete ELF shared object for this
 * machine.  Returns 0, or -1 with one sentence that begins with the path.
 */
int image_open(const char *path, struct image *ret, struct error *err);
/* The same of a descriptor of open_file(), at its beginning; borrowed. */
int image_copy(int file, const char *path, struct image *ret,
    struct error *err);
void image_close(struct image *image);

/* Extend the hash by further bytes under a name.  0 or -1. */
int image_hash_add(uint8_t hash[IMAGE_HASH_SIZE], const char *name,
    const uint8_t more[IMAGE_HASH_SIZE]);

/* The first 8 digits of the hash, for people. */
const char *image_short_hash(const uint8_t hash[IMAGE_HASH_SIZE], char text[9]);

#endif
