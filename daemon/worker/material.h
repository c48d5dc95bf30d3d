/*
 * material.h: the parts of a generation, which arrive message by message, and
 * how they are loaded: settings, plugins, options.  The probe and the workers
 * use it.
 */

#ifndef SLUICE_MATERIAL_H
#define SLUICE_MATERIAL_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

struct error;
struct msg;
struct plugin;
struct secret;
struct sl_options;

/* A socket of a listener, or what is served without one: a connector, or a
 * listener that is drained. */
struct material_sock {
	uint32_t endpoint; /* as settings_endpoint() */
	uint32_t index, id, slot;
	int fd;	   /* owned; -1 once taken, and without a socket */
	bool bare; /* without a socket */
};

/* Reports a problem to the master; level is enum log_level. */
typedef void material_report(uint32_t generation, int level,
    const struct origin *origin, const char *text);

struct material {
	material_report *report;
	uint32_t generation;
	bool incomplete; /* some part could not be added */
	int bundle_fd;	 /* owned; -1: none yet */
	struct settings *settings;
	int *images; /* owned descriptors, by index; -1: none */
	uint32_t image_count;
	struct plugin **plugins; /* references, by index; NULL: not loaded */
	int *secrets;		 /* like images; the probe gets none */
	uint32_t secret_count;
	struct material_sock *sockets;
	uint32_t socket_count;
};

void material_init(struct material *material, material_report *report);
/* Release all parts; it can be filled again. */
void material_clear(struct material *material);

/*
 * Add the part in a MSG_BUNDLE, MSG_IMAGE, MSG_SECRET, MSG_SOCKET or
 * MSG_ENDPOINT, and take its descriptor over.  The first part of another
 * generation releases the old parts.  Returns 0, or -1 with err, and then
 * material_read() will fail too.
 */
int material_add(struct material *material, const struct msg *msg,
    struct error *err);

/* Decode the bundle.  Returns 0, or -1 with err. */
int material_read(struct material *material, struct error *err);

/* Report a problem, at error level.  Returns -1. */
int material_problem(const struct material *material,
    const struct origin *origin, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/*
 * Report that the plugin of this listener refuses, at the option that it blames
 * or else at `origin`.  Returns -1.
 */
int material_refusal(const struct material *material,
    const struct listener_settings *listener, const struct origin *origin,
    const struct error *err);

/*
 * Load the plugin of image `index`, once.  Returns it, borrowed, or NULL with
 * err.  Runs the image's constructors.
 */
struct plugin *material_plugin(struct material *material, uint32_t index,
    struct error *err);

/*
 * The bytes of a secret.  The caller uses and frees them before plugin code
 * runs again.  Returns NULL with err on failure.  Secrets can be read until
 * material_close_secrets().
 */
struct secret *material_secret(const struct material *material, uint32_t index,
    struct error *err);
/* They have been used: close them, before plugin code runs. */
void material_close_secrets(struct material *material);

/* The listener's options, owned.  NULL: the problems have been reported. */
struct sl_options *material_options(struct material *material,
    const struct listener_settings *listener, const struct plugin *plugin);

/* Does this process serve the listener or connector with this index? */
bool material_serves(const struct material *material, uint32_t endpoint);

#endif
