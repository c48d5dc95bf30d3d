/*
 * binding.h: does an image use the symbols that it, or a library of its own,
 * defines?  The loader looks for a name in sluiced and its libraries first.  So
 * a plugin that defines `event_new` and exports it would run libevent's.
 */

#ifndef SLUICE_BINDING_H
#define SLUICE_BINDING_H

#include <stdbool.h>

struct error;
struct image_map;

/*
 * Check the image behind fd, which is mapped as map says.  If a symbol is bound
 * to an address other than that of the image's own definition, is_fine says
 * whether that is allowed.  path is the operator's file, for messages.  Returns
 * 0, or -1 with a sentence in err about the first symbol that was taken from
 * elsewhere.
 */
int binding_check(int fd, const struct image_map *map,
    bool (*is_fine)(const void *arg, const void *at), const void *arg,
    const char *path, struct error *err);

#endif
