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

struct conf {
	const char *path; /* the main file, as the operator named it */
	struct settings *settings;
	struct problems *problems;
	uint32_t address_count; /* of all listeners */
};

/* Where a key that is no plain value goes. */
typedef void conf_special(struct conf *conf, const char *file,
    const struct key *key, const struct node *node, void *base);

/*
 * Store a group's values in the struct at base, by the table; what the table
 * cannot store goes to `special`.  Unknown and missing keys are problems.
 * prefix is "" or "timeouts.".
 */
void conf_group(struct conf *conf, const char *file, const struct node *group,
    const struct key *keys, void *base, const char *prefix,
    conf_special *special);

/* The place of a node. */
struct origin conf_origin(const char *file, const struct node *node);

/* `listeners`, in any file; `include`, in the main one. */
void conf_listeners(struct conf *conf, const char *file, const struct key *key,
    const struct node *node);
void conf_include(struct conf *conf, const char *file, const struct key *key,
    const struct node *node);

/*
 * The strings of a node: itself, when it is one, or the elements of a list of
 * strings.  Anything else is a problem, and an empty list is.  NULL: there are
 * none; else borrowed, and *ret_count says how many.
 */
const struct node *conf_strings(struct conf *conf, const char *file,
    const struct key *key, const struct node *node, uint32_t *ret_count);

/* One element of `listeners`. */
void conf_listener(struct conf *conf, const char *file, const struct node *group);

/* The `options` of a listener, flattened. */
void conf_options(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *listener);

/* Whom workers run as, after the files have been read. */
void conf_accounts(struct conf *conf);

/* The control socket, after the files have been read. */
void conf_control(struct conf *conf);

/* A group's name, or a number.  False: there is none. */
bool conf_find_group(const char *name, gid_t *ret);

/* An octal mode, "660" or "0660".  False: it is not one. */
bool conf_mode(const char *text, uint32_t *ret);

/* "user", "user:group", ":group" to the listener's unix_uid and unix_gid. */
void conf_owner(struct conf *conf, const struct origin *at, const char *owner,
    struct listener_settings *listener);

#endif
