/*
 * bundle_format.h: the bytes of a bundle.  bundle_pack.c and bundle_unpack.c
 * mirror each other function by function: what one writes the other expects.
 * What the table of keys describes travels by the table; the rest, which the
 * reader worked out, by hand.
 */

#ifndef SLUICE_BUNDLE_FORMAT_H
#define SLUICE_BUNDLE_FORMAT_H

#include <stdint.h>

struct packer;
struct settings;
struct unpacker;

#define BUNDLE_MAGIC 0x31626c73u /* "slb1" */
#define NO_FILE 0xffffffffu	 /* an origin that is nowhere */

/* Failures stay in the packer and the unpacker. */
void bundle_pack(struct packer *out, const struct settings *settings);
void bundle_unpack(struct unpacker *in, struct settings *settings);

#endif
