/*
 * gen.h: one generation as the master holds it: the settings, the bundle that
 * carries them, the plugin images, what the probe learned about these, and the
 * sockets.
 */

#ifndef SLUICE_MASTER_GEN_H
#define SLUICE_MASTER_GEN_H

#include <stdbool.h>
#include <stdint.h>

#include "config/settings.h"

struct child;
struct error;
struct msg;
struct origin;
struct slots;
struct sock;
struct sockets;

#define FACT_TEXT_MAX 64

struct image_facts {
	bool known;
	uint32_t flags; /* SL_MANY_WORKERS and so on */
	uint32_t state_version;
	char name[FACT_TEXT_MAX], version[FACT_TEXT_MAX];
};

struct gen_image {
	int fd; /* -1: has not come yet */
	struct image_facts facts;
};

#define ALL_WORKERS UINT32_MAX /* of the endpoint's group */
#define NO_GROUP UINT16_MAX

/* What workers serve: a socket, a connector, or a drained listener. */
struct gen_socket {
	uint32_t endpoint; /* as settings_endpoint() */
	uint32_t address;  /* index into those of the listener */
	uint32_t worker;   /* the one it is for, or ALL_WORKERS */
	/* Neither of both: its plugin has stopped it. */
	struct sock *sock;
	bool bare; /* it is served without a socket */
};

enum gen_mode {
	GEN_OPEN,
	/* An operator has closed its sockets, and its connections go on. */
	GEN_DRAINED,
	/* Its plugin has done so, and only what is read again opens it. */
	GEN_STOPPED,
	/* The same, since its plugin crashed again and again. */
	GEN_ASIDE,
};

struct gen {
	unsigned int refs;
	uint32_t number; /* shown to people and workers */
	uint32_t as;	 /* the generation that it brings back; 0: none */
	struct settings *settings;
	int bundle_fd;
	struct gen_image *images; /* settings->image_count */
	int *secrets;	      /* settings->secret_count; -1: has not come yet */
	uint32_t *slots;      /* settings_endpoints(), once bound */
	enum gen_mode *modes; /* the same number; NULL: all are open */
	/*
	 * The group of each worker, an index as worker_group() takes it, and
	 * that of each listener and connector, once bound.
	 */
	uint16_t worker_groups[WORKERS_MAX];
	uint16_t *endpoint_groups;
	struct slots *slot_table;
	struct sockets *socket_table;
	struct gen_socket *sockets;
	uint32_t socket_count, socket_room;
	struct sock **page; /* those of the status page */
	uint32_t page_count;
};

struct gen *gen_new(uint32_t number); /* NULL: no memory */
struct gen *gen_ref(struct gen *gen);
void gen_unref(struct gen *gen); /* NULL is fine */

/* A copy under another number, not bound yet.  NULL: err says why. */
struct gen *gen_again(const struct gen *gen, uint32_t number,
    struct error *err);

/*
 * What the reader sends: MSG_BUNDLE, then a MSG_IMAGE and a MSG_SECRET for
 * each.  Takes msg->fd over.  0 or -1.
 */
int gen_take_bundle(struct gen *gen, struct msg *msg, struct error *err);
int gen_take_image(struct gen *gen, struct msg *msg, struct error *err);
int gen_take_secret(struct gen *gen, struct msg *msg, struct error *err);
/* What the probe sends: MSG_FACTS for each image that is a plugin, in order. */
int gen_take_facts(struct gen *gen, const struct msg *msg, struct error *err);

/* How many images the probe has checked; image_count: all. */
uint32_t gen_facts_known(const struct gen *gen);
/* Has the reader sent all of it? */
bool gen_complete(const struct gen *gen);

/*
 * Send what makes a generation: the bundle and the images.  0, or -1 with
 * errno.
 */
int gen_send_images(const struct gen *gen, struct child *child);
/* The secrets, which only workers get. */
int gen_send_secrets(const struct gen *gen, struct child *child);
/* Send the sockets and connectors that are for this worker, to its place. */
int gen_send_sockets(const struct gen *gen, struct child *child,
    uint32_t worker, uint32_t place);

/* Gets each problem or change; origin NULL: it is not about a place in the files. */
struct gen_teller {
	void (*tell)(void *arg, const struct origin *origin, const char *text);
	void *arg;
};
/* Tell a line that is not about a place in the files. */
void gen_tell(const struct gen_teller *teller, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The listeners that `from` drains stay drained in gen, which is about to be
 * bound.  from NULL: there was none before.  0, or -1: no memory.
 */
int gen_keep_drained(struct gen *gen, const struct gen *from);
/* The same; gen is a copy of from: what plugins have stopped stays so, too. */
int gen_keep_modes(struct gen *gen, const struct gen *from);
/* 0, or -1: there is no listener of that name. */
int gen_set_mode(struct gen *gen, const char *name, enum gen_mode mode);
enum gen_mode gen_mode(const struct gen *gen, uint32_t index);
/* Set it aside: its sockets are closed, and only what is read again opens it. */
void gen_set_aside(struct gen *gen, uint32_t index);
/* What `from` has set aside is set aside in gen, which is not bound yet. */
void gen_keep_aside(struct gen *gen, const struct gen *from);
/* How many listeners and connectors are set aside. */
uint32_t gen_aside(const struct gen *gen);
/* Is anything else served, by the workers of its group or by any? */
bool gen_has_neighbours(const struct gen *gen, uint32_t index, bool in_group);
/* How many listeners are drained. */
uint32_t gen_drained(const struct gen *gen);

/* The name of the group of a worker; NULL: it is in none.  Borrowed. */
const char *gen_group_name(const struct gen *gen, uint32_t worker);
/* How many workers are in a group; NO_GROUP: in any. */
uint32_t gen_workers(const struct gen *gen, uint16_t group);
/* Is each worker in the same group in both? */
bool gen_same_groups(const struct gen *a, const struct gen *b);

/*
 * Give each listener and connector its slot, and open all sockets that are not
 * open yet, for the workers of its group.  workers: those above were never in
 * any.  Tells each problem, and returns their number.
 */
unsigned int gen_bind(struct gen *gen, struct sockets *sockets,
    struct slots *slots, uint32_t workers, const struct gen_teller *teller);

/* Is that worker to serve it? */
bool gen_serves(const struct gen *gen, const struct gen_socket *row,
    uint32_t worker);

/*
 * gen_page.c: the part of these that is about the status page.  `page_` sockets
 * are for one process, whatever the number of workers.
 */
unsigned int gen_bind_page(struct gen *gen, const struct gen_teller *teller);
unsigned int gen_listen_page(struct gen *gen, const struct gen_teller *teller);
void gen_tell_page(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller);
void gen_drop_page(struct gen *gen);
/* As gen_apply(); and undo what the status process may have done to them. */
void gen_apply_page(const struct gen *gen);

/*
 * Begin to listen on the sockets that are only bound so far, if they are for
 * workers below `below` or for all.  Returns and tells as gen_bind().
 */
unsigned int gen_listen(struct gen *gen, uint32_t below,
    const struct gen_teller *teller);

/*
 * If only the workers below `below` went from one generation to the next, would
 * there be a socket from which no worker accepts?
 */
bool gen_takes_sockets(const struct gen *from, const struct gen *next,
    uint32_t below);

/*
 * A worker comes up: restore its sockets.  A socket that cannot be restored and
 * that no client can reach is made anew, unless all workers share it.
 */
void gen_restore_sockets(struct gen *gen, uint32_t worker);

/* It is committed: apply its options to sockets that were open before. */
void gen_apply(const struct gen *gen);

/*
 * Tell the addresses to listen on or connect to that are new since `before` (or
 * NULL), and those that are gone.
 */
void gen_tell_sockets(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller);

/*
 * Tell which settings differ from those of `before`, and which listeners and
 * connectors of both have other code or options.  Returns whether any has.
 */
bool gen_tell_changes(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller);

/*
 * Tell the listeners and connectors that `before` does not have, by their
 * settings, and those that it alone has.
 */
void gen_tell_endpoints(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller);

/*
 * Is there such a listener, and is that the name of its plugin?  gen may be
 * NULL.
 */
bool gen_is_served_by(const struct gen *gen, const char *listener,
    const char *plugin);

/*
 * No worker serves this generation any more: close its sockets, except those
 * that other generations have.
 */
void gen_end_sockets(struct gen *gen);

/* "listener" or "connector"; for a name that there is not, "listener". */
const char *gen_kind_of(const struct gen *gen, const char *name);

/*
 * Drop the sockets of one listener, or the connections of one connector; with
 * NULL those of all.  Returns how many.
 */
unsigned int gen_drop_sockets(struct gen *gen, const char *name);

#endif
