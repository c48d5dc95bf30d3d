/*
 * descriptor.h: checks the descriptor of a plugin against its image.  The
 * dynamic loader binds names, and may have found something else of that name.
 * So each pointer has to lead into the plugin's own image.
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
/* In struct sl_plugin. */
extern const struct callback_member plugin_callbacks[];
/* In struct sl_handlers. */
extern const struct callback_member handler_callbacks[];

/* Does the struct `of` have this function? */
int callback_present(const void *of, const struct callback_member *member);

/*
 * Check plugin->exported and everything that it points at, and fill in the
 * copies in plugin.  The image is loaded and its map is known.  path is the
 * operator's file, for messages.  Returns 0, or -1 with one sentence in err.
 */
int descriptor_take(struct plugin *plugin, const char *path, struct error *err);

#endif
