/*
 * keys.h: the table that describes every key of the configuration.  The reader
 * parses by it and the bundle is packed by it.  Reloads, the manual and the
 * sample are checked against it.
 */

#ifndef SLUICE_KEYS_H
#define SLUICE_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/nearest.h"

struct error;

/* Where a setting stands; line 0: nowhere, it is a default. */
struct origin {
	const char *file; /* owned by the settings */
	uint32_t line;
};

/*
 * The lines on which the keys of a group stand, in the file of that group: the
 * first member of each struct that a table describes.
 */
struct key_lines {
	uint32_t *of; /* one for each row; NULL: all are defaults */
};

struct bool_duration {
	bool on;
	uint64_t ms; /* 0: no time was given */
};

/* One of a list of strings, as it was written. */
struct key_string {
	char *text;
	struct origin origin;
};

/* One value of an `options` group, not yet checked by the plugin's table. */
enum raw_type { RAW_STRING, RAW_INT, RAW_FLOAT, RAW_BOOL, RAW_STRINGS };
struct raw_option {
	char *path; /* "motd", "limits.burst" */
	enum raw_type type;
	int64_t integer; /* INT, BOOL */
	double real;	 /* FLOAT */
	char **strings;	 /* STRING: one; STRINGS: count */
	uint32_t count;
	struct origin origin;
};

enum key_type {		   /* what stands at `offset` */
	KEY_BOOL,	   /* bool */
	KEY_INT,	   /* int64_t or uint64_t */
	KEY_DURATION,	   /* uint64_t, milliseconds */
	KEY_SIZE,	   /* uint64_t, bytes */
	KEY_WORD,	   /* int64_t, one of `words` */
	KEY_STRING,	   /* char *, owned; NULL: absent */
	KEY_BOOL_DURATION, /* struct bool_duration */
	KEY_FRACTION,	   /* double, from 0 to 1 */
	KEY_GROUP,	   /* a struct of `size` bytes, whose keys are `keys` */
	/* Owned arrays; NULL: empty. */
	KEY_GROUPS,  /* of structs of `size` bytes, whose keys are `keys` */
	KEY_STRINGS, /* of struct key_string; one string is a list of one */
	/* Of struct raw_option: a group of the plugin's own keys. */
	KEY_OPTIONS,
	/* Nothing. */
	KEY_REFUSED, /* known, but not supported: see `help` */
};

#define KEY_REQUIRED 0x1u /* has no default, must be set */
#define KEY_RESTART 0x2u  /* a reload cannot change it; not within KEY_GROUPS */
#define KEY_BUILD 0x4u	  /* the default is chosen when sluice is built */
#define KEY_INCLUDED 0x8u /* may stand in included files, too, and adds up */

struct key_word {
	const char *name; /* NULL ends the table */
	int64_t value;
};

/* Offsets are within the struct that the table describes. */
struct key {
	const char *name; /* NULL ends the table */
	enum key_type type;
	unsigned int flags;
	const char *value;   /* default in config syntax; NULL: none */
	const char *example; /* in config syntax; NULL: the default is one */
	/* INT, DURATION, SIZE, the time of BOOL_DURATION; GROUPS: how many */
	int64_t min, max;
	const struct key_word *words; /* WORD */
	const struct key *keys;	      /* GROUP, GROUPS */
	size_t size;		      /* GROUP, GROUPS: of the struct */
	size_t offset;
	size_t count; /* the arrays: uint32_t, how many there are */
	/*
	 * What the reader resolves the value to.  It is compared in place of
	 * the value; 0: nothing.
	 */
	size_t resolved, resolved_size; /* all bits set: not known */
	size_t origin;	  /* struct origin; GROUPS: in each; 0: not kept */
	size_t present;	  /* GROUP: bool, it is in the file; 0: not kept */
	const char *help; /* one line; REFUSED: why */
};

extern const struct key settings_keys[];  /* the top level: struct settings */
extern const struct key listener_keys[];  /* struct listener_settings */
extern const struct key connector_keys[]; /* the same, but see settings.h */
extern const struct key worker_group_keys[]; /* struct worker_group_settings */
extern const struct key tls_keys[];	     /* struct tls_settings */
extern const struct key connect_tls_keys[];  /* the same, of a client */

/* The field of this row in the struct at base. */
static inline void *
key_field(const struct key *key, const void *base)
{
	return (char *)(uintptr_t)base + key->offset;
}

static inline uint32_t *
key_count(const struct key *key, const void *base)
{
	return (void *)((char *)(uintptr_t)base + key->count);
}

static inline bool *
key_present(const struct key *key, const void *base)
{
	return (void *)((char *)(uintptr_t)base + key->present);
}

/* The origin of this row's value; GROUPS: base is an element. */
static inline struct origin *
key_origin(const struct key *key, const void *base)
{
	return (void *)((char *)(uintptr_t)base + key->origin);
}

/* The row of that name, or NULL. */
const struct key *key_find(const struct key *keys, const char *name);

/* The name that was probably meant, if there is one. */
struct nearest key_nearest(const struct key *keys, const char *name);

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

/*
 * Write a value, or a list of strings, as a configuration would have it.  False:
 * it is not set and has no default, or it is a group, and nothing was written.
 */
bool key_write(FILE *out, const struct key *key, const void *base);
void raw_option_write(FILE *out, const struct raw_option *option);

/* The word of a KEY_WORD with this value, or NULL. */
const char *key_word_text(const struct key *key, int64_t value);

/* Store the row's default, its `value`.  0, or -1 with errno. */
int key_set_default(const struct key *key, void *base);

/* Is what the struct holds for this key within the table's limits? */
bool key_holds(const struct key *key, const void *base);

/* Set each key of the table, and of its groups, to its default.  -1: ENOMEM. */
int keys_set_defaults(const struct key *keys, void *base);

/* Free what the struct owns by this table. */
void keys_free(const struct key *keys, void *base);

/*
 * The line of a row of the table whose struct is at base; 0: the key was not
 * set.  key_set_line() returns 0, or -1: ENOMEM.
 */
uint32_t key_line(const struct key *keys, const struct key *key,
    const void *base);
int key_set_line(const struct key *keys, const struct key *key, void *base,
    uint32_t line);

/*
 * Append to one of the arrays: a group with its defaults, or zeros.  Borrowed
 * until the next one.  NULL: ENOMEM.
 */
void *keys_add(const struct key *array, void *base);
/* Element number `at`. */
void *keys_at(const struct key *array, const void *base, uint32_t at);

/*
 * The first row with KEY_RESTART, also of the groups, whose values differ in a
 * and b, or NULL.  *ret_origin: its place in b.
 */
const struct key *keys_restart(const struct key *keys, const void *a,
    const void *b, struct origin *ret_origin);

/*
 * Tell how b differs from a, in words and key by key, also in groups:
 * "limits.connections is 200, was 100".  The text is borrowed.  Leaves out
 * options, listeners and connectors.
 */
#define KEY_CHANGE_MAX 9000
typedef void key_change(void *arg, const char *text);
void keys_changes(const struct key *keys, const void *a, const void *b,
    key_change *on_change, void *arg);

/* Those of log.level; the last one has no name. */
extern const struct key_word log_level_words[];

#endif
