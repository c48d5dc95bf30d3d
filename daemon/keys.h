/*
 * keys.h: the table that describes every key of the configuration.  The reader
 * parses by it, the bundle travels by it, a reload is held to it, and the
 * manual and the sample are checked against it.
 */

#ifndef SLUICE_KEYS_H
#define SLUICE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

enum key_type {		   /* what stands at `offset` */
	KEY_BOOL,	   /* bool */
	KEY_INT,	   /* int64_t or uint64_t */
	KEY_DURATION,	   /* uint64_t, milliseconds */
	KEY_SIZE,	   /* uint64_t, bytes */
	KEY_WORD,	   /* int64_t, one of `words` */
	KEY_STRING,	   /* char *, owned; NULL: absent */
	KEY_BOOL_DURATION, /* bool; and at `offset2` uint64_t, milliseconds */
	KEY_GROUP,	   /* nothing: `keys` land in the same struct */
	/* What only the reader can turn into settings. */
	KEY_LISTENERS, /* a list of groups of `keys` */
	KEY_LISTEN,    /* an address or a list of them */
	KEY_OPTIONS,   /* the plugin's own keys */
	KEY_INCLUDE,   /* a glob or a list of them */
	KEY_REFUSED,   /* known, but not by this version: see `help` */
};

#define KEY_REQUIRED 0x1u /* has no default, must be there */
#define KEY_RESTART 0x2u  /* a reload cannot change it */
#define KEY_BUILD 0x4u	  /* the default is chosen when sluice is built */

struct key_word {
	const char *name; /* NULL ends the table */
	int64_t value;
};

struct key {
	const char *name; /* NULL ends the table */
	enum key_type type;
	unsigned int flags;
	const char *value;   /* default in config syntax; NULL: none */
	const char *example; /* in config syntax; NULL: the default is one */
	int64_t min, max; /* INT, DURATION, SIZE, the time of BOOL_DURATION */
	const struct key_word *words; /* WORD */
	const struct key *keys;	      /* GROUP, LISTENERS */
	size_t offset; /* in struct settings or listener_settings */
	/* BOOL_DURATION: the time; RESTART: the uint32_t to compare instead, or 0 */
	size_t offset2;
	size_t origin;	  /* struct origin; 0: not kept */
	const char *help; /* one line; REFUSED: why */
};

extern const struct key settings_keys[]; /* the top level: struct settings */
extern const struct key listener_keys[]; /* struct listener_settings */

/* The row of that name, or NULL. */
const struct key *key_find(const struct key *keys, const char *name);

/* The name that was probably meant, or NULL. */
const char *key_nearest(const struct key *keys, const char *name);

/* "an integer", "a duration", ... */
const char *key_expects(const struct key *key);

/*
 * Check one value and store it in the struct at base.  Returns 0, or -1 with a
 * sentence that does not name the key: "expected an integer, such as 4".
 */
int key_set_bool(const struct key *key, void *base, bool value,
    struct error *err);
int key_set_int(const struct key *key, void *base, int64_t value,
    struct error *err);
int key_set_float(const struct key *key, void *base, double value,
    struct error *err);
int key_set_string(const struct key *key, void *base, const char *value,
    struct error *err);

/* Is what the struct holds for this key within the table's limits? */
bool key_holds(const struct key *key, const void *base);

/* Set each key of the table, and of its groups, to its default.  -1: ENOMEM. */
int keys_set_defaults(const struct key *keys, void *base);

/* Free what the struct owns by this table. */
void keys_free(const struct key *keys, void *base);

#endif
