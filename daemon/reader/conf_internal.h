/* conf_internal.h: what the conf*.c files share. */

#ifndef SLUICE_CONF_INTERNAL_H
#define SLUICE_CONF_INTERNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct key;
struct listener_settings;
struct node;
struct origin;
struct problems;
struct settings;
struct unix_owner;
struct worker_group_settings;

struct conf {
	const char *path; /* the main file, as the operator named it */
	struct settings *settings;
	struct problems *problems;
	uint32_t address_count; /* of all listeners */
	/*
	 * Called with each group of a list as soon as it is stored at `at`,
	 * and with each list of strings in the struct at `at`; or NULL.
	 */
	void (*on_stored)(struct conf *conf, const char *file,
	    const struct key *key, const struct node *node, void *at);
};

/*
 * Store a group's values in the struct at base, by the table.  Unknown and
 * missing keys are problems.  prefix is "" or "timeouts."; the keys of a group
 * in a list begin with "" again.
 */
void conf_group(struct conf *conf, const char *file, const struct node *group,
    const struct key *keys, void *base, const char *prefix);

/* The same for one key. */
void conf_key(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *base, const char *prefix);

/*
 * A key that the table does not have is a problem, which says what was probably
 * meant: one of the table, or one of another group.
 */
void conf_unknown(struct conf *conf, const struct origin *at, const char *name,
    const struct key *keys, const char *prefix);

/*
 * Warn if this string of a list was written as several ones: probably a comma
 * is missing.
 */
void conf_joined(struct conf *conf, const char *file, const char *name,
    const struct node *node);

/* The place of a node. */
struct origin conf_origin(const char *file, const struct node *node);

/* Check where the log goes. */
void conf_log(struct conf *conf);

/* Read the files that settings->includes name. */
void conf_include(struct conf *conf);

/* The place of that key in the group, or that of the group itself. */
struct origin conf_child_origin(const char *file, const struct node *group,
    const char *name);

/* Check what listeners and connectors have in common. */
void conf_endpoint(struct conf *conf, const char *file,
    const struct node *group, struct listener_settings *endpoint);

/* One element of `connectors`: check its keys. */
void conf_connector(struct conf *conf, const char *file,
    const struct node *group, struct listener_settings *settings);

/*
 * One element of `listeners`: check its keys against each other and against the
 * other listeners.
 */
void conf_listener(struct conf *conf, const char *file,
    const struct node *group, struct listener_settings *listener);

/*
 * The group `status`, after the files have been read: its addresses must be its
 * own.
 */
void conf_status(struct conf *conf);
/* Warn if what its process needs is not there. */
void conf_status_library(struct conf *conf);

/*
 * Is it fit to be the name of a listener, connector or group?  If not, that is
 * a problem.
 */
bool conf_name(struct conf *conf, const struct origin *at, const char *name);

/* One element of `worker_groups`. */
void conf_worker_group(struct conf *conf,
    const struct worker_group_settings *group);
/* Who names which group of workers, after the files have been read. */
void conf_workers(struct conf *conf, const struct origin *file);

/* Options are flattened into the array of that key. */
void conf_options(struct conf *conf, const char *file, const struct key *key,
    const struct node *group, void *base);

/*
 * The group `tls` of a listener, which may be absent.  Its handshake timeout
 * replaces that of the listener.
 */
void conf_tls(struct conf *conf, struct listener_settings *listener);
/* The same of `connect_tls`, or of the `tls` of a connector. */
void conf_connect_tls(struct conf *conf, struct listener_settings *endpoint);

/* The user and group that workers run as, after the files have been read. */
void conf_accounts(struct conf *conf);

/* The control socket, after the files have been read. */
void conf_control(struct conf *conf);

/* A group's name, or a number.  False: there is none. */
bool conf_find_group(const char *name, gid_t *ret);

/* An octal mode, "660" or "0660".  False: it is not one. */
bool conf_mode(const char *text, uint32_t *ret);

/* "user", "user:group", ":group"; what is not named stays in *ret. */
void conf_owner(struct conf *conf, const struct origin *at, const char *owner,
    struct unix_owner *ret);

#endif
