/* image_map.h: where the dynamic loader has put an image. */

#ifndef SLUICE_IMAGE_MAP_H
#define SLUICE_IMAGE_MAP_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>

#define PLACE_TEXT_MAX 256

/* Valid while the image is mapped: it points into it. */
struct image_map {
	void *handle; /* that dlopen() returned */
	ElfW(Addr) base;
	const ElfW(Phdr) *segments;
	unsigned int count;
};

/* The map of what dlopen() returned.  Returns 0, or -1: it is not loaded. */
int image_map_find(void *handle, struct image_map *ret);

/*
 * How many bytes there are from `at` to the end of its segment.  0: no segment
 * of the image that has all of flags (PF_R, PF_X) contains `at`.
 */
size_t image_map_room(const struct image_map *map, const void *at,
    ElfW(Word) flags);

/* The first byte of the image. */
const void *image_map_begin(const struct image_map *map);

/* Is it one of the sl_* functions that the daemon itself exports? */
bool image_map_is_call(const void *at);

/* For people: "libm.so.6", "sluiced itself", "memory of no file". */
const char *image_map_place(const void *at, char text[PLACE_TEXT_MAX]);

#endif
