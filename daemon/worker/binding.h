/*
 * binding.h: does an image use what it, or a library of its own, defines?  The
 * loader looks for a name in sluiced and its libraries first; a plugin that
 * defines `event_new` and exports it would run libevent's.
 */

#ifndef SLUICE_BINDING_H
#define SLUICE_BINDING_H

#include <stdbool.h>

struct error;
struct image_map;

/*
 * The image behind fd is mapped as map says.  is_fine decides about an address
 * that is not where the image defines it.  path is the operator's file.  0, or
 * -1 with one sentence about the first symbol that was taken from elsewhere.
 */
int binding_check(int fd, const struct image_map *map,
    bool (*is_fine)(const void *arg, const void *at), const void *arg,
    const char *path, struct error *err);

#endif
