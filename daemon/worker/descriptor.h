/*
 * descriptor.h: what a plugin says of itself, held against what it is.  A name
 * is bound by the dynamic loader, which may have found something else of that
 * name; so each pointer has to lead into the plugin's own image.
 */

#ifndef SLUICE_DESCRIPTOR_H
#define SLUICE_DESCRIPTOR_H

#include <stddef.h>

struct error;
struct plugin;

/* A function that a plugin may have. */
struct callback_member {
	const char *name; /* NULL: the end of the table */
	size_t offset;	  /* in its struct */
};
extern const struct callback_member plugin_callbacks[]; /* struct sl_plugin */
/* Struct sl_handlers. */
extern const struct callback_member handler_callbacks[];

/* Does it have this one?  of: the struct. */
int callback_present(const void *of, const struct callback_member *member);

/*
 * Look at plugin->exported and all that hangs on it, and fill in the copies.
 * The image is loaded and its map known.  path is the operator's file, for
 * messages.  0, or -1 with one sentence.
 */
int descriptor_take(struct plugin *plugin, const char *path, struct error *err);

#endif
