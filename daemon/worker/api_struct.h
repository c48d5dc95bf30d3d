/*
 * api_struct.h: the structs of sluice.h that a plugin fills in.  Each begins
 * with its size, as the plugin knows it, and grows at its end.
 */

#ifndef SLUICE_API_STRUCT_H
#define SLUICE_API_STRUCT_H

#include <stddef.h>

/* The size of a struct that ends with this member. */
#define API_SIZE_TO(type, member) \
	(offsetof(type, member) + sizeof(((type *)0)->member))

/* The first version of each struct ended here. */
#define CONNECT_OPTIONS_MIN API_SIZE_TO(struct sl_connect_options, data)
#define TLS_OPTIONS_MIN API_SIZE_TO(struct sl_tls_options, size)

/*
 * Read one into ret, as this daemon knows it, which is of `size` bytes.  Returns
 * 0, or -1: EINVAL, it is smaller than `min`; ENOTSUP, it uses members that this
 * daemon does not know.
 */
int api_read_struct(void *ret, size_t size, const void *given, size_t min);

#endif
