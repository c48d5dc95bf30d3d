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

/* Of what dlopen() returned.  0, or -1: it is not there. */
int image_map_find(void *handle, struct image_map *ret);

/*
 * How many bytes there are from `at` to the end of its segment, which has to
 * have all of flags (PF_R, PF_X).  0: it lies in none.
 */
size_t image_map_room(const struct image_map *map, const void *at,
    ElfW(Word) flags);

/* Its first byte. */
const void *image_map_begin(const struct image_map *map);

/* One of the sl_* functions that the daemon itself exports? */
bool image_map_is_call(const void *at);

/* For people: "libm.so.6", "sluiced itself", "memory of no file". */
const char *image_map_place(const void *at, char text[PLACE_TEXT_MAX]);

#endif
