/*
 * bundle_format.h: the bytes of a bundle.  bundle_pack.c and bundle_unpack.c
 * mirror each other function by function: what one writes the other expects.
 * Values that the table of keys describes are packed by the table.  The rest,
 * which the reader derives from more than one key, is packed by hand.
 */

#ifndef SLUICE_BUNDLE_FORMAT_H
#define SLUICE_BUNDLE_FORMAT_H

#include <stdint.h>

struct key;
struct packer;
struct settings;
struct unpacker;

#define BUNDLE_MAGIC 0x33626c73u /* "slb3" */
#define NO_FILE 0xffffffffu	 /* an origin without a file */

/* Failures stay in the packer and the unpacker. */
void bundle_pack(struct packer *out, const struct settings *settings);
void bundle_unpack(struct unpacker *in, struct settings *settings);

/*
 * A struct by its table.  settings has the files that its origins point into.
 * A struct to be unpacked into has its defaults already.
 */
void bundle_pack_keys(struct packer *out, const struct settings *settings,
    const struct key *keys, const void *base);
void bundle_unpack_keys(struct unpacker *in, const struct settings *settings,
    const struct key *keys, void *base);

#endif
