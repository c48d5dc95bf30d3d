/*
 * binding.h: does an image use the symbols that it, or a library of its own,
 * defines?  The loader looks for a name in sluiced and its libraries first.  So
 * a plugin that defines `event_new` and exports it would run libevent's.
 */

#ifndef SLUICE_BINDING_H
#define SLUICE_BINDING_H

#include <stdbool.h>
#include <stdint.h>

struct error;
struct image_map;
struct library;

/*
 * Does the file behind fd need a symbol of one of these libraries, which are
 * loaded, while the loader would take that of a library of the daemon?  Then
 * it has to be opened with its own libraries first.  false also when that
 * would be wrong, since malloc() is not that of the C library, and when the file
 * cannot be read: binding_check() then refuses what is bound to another.
 */
bool binding_passes_over(int fd, struct library *const *libraries,
    uint32_t count);

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
