/* tls_kept.c: what a plugin was shown about a TLS session. */

#include "worker/tls_kept.h"

#include <errno.h>
#include <sluice.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Two chains, three strings, two structs, and as much again three times. */
#define KEPT_MAX 64

struct tls_kept {
	struct tls_kept *next;
	size_t len; /* without what follows a certificate */
	bool is_certificate;
	max_align_t data[];
};

/* Zeros, in front of the others, and one more at the end. */
static struct tls_kept *
add(struct tls_kept **kept, size_t len, size_t room)
{
	struct tls_kept *one;
	unsigned int count = 0;

	for (one = *kept; one != NULL; one = one->next)
		count++;
	if (count >= KEPT_MAX) {
		errno = ENOBUFS;
		return NULL;
	}
	one = calloc(1, sizeof(*one) + len + room + 1);
	if (one == NULL)
		return NULL;
	one->len = len;
	one->next = *kept;
	*kept = one;
	return one;
}

const void *
tls_keep(struct tls_kept **kept, const void *data, size_t len)
{
	struct tls_kept *one;

	for (one = *kept; one != NULL; one = one->next)
		if (!one->is_certificate && one->len == len &&
		    memcmp(one->data, data, len) == 0)
			return one->data;
	one = add(kept, len, 0);
	if (one == NULL)
		return NULL;
	memcpy(one->data, data, len);
	return one->data;
}

const struct sl_certificate *
tls_keep_certificate(struct tls_kept **kept,
    const struct sl_certificate *certificate, size_t room,
    void (*fill)(struct sl_certificate *ret, void *room, const void *arg),
    const void *arg)
{
	struct sl_certificate *copy;
	struct tls_kept *one;

	for (one = *kept; one != NULL; one = one->next) {
		copy = (void *)one->data;
		if (one->is_certificate && copy->next == certificate->next &&
		    memcmp(copy->sha256, certificate->sha256,
			sizeof(copy->sha256)) == 0)
			return copy;
	}
	one = add(kept, sizeof(*copy), room);
	if (one == NULL)
		return NULL;
	one->is_certificate = true;
	copy = (void *)one->data;
	*copy = *certificate;
	fill(copy, copy + 1, arg);
	return copy;
}

void
tls_kept_free(struct tls_kept **kept)
{
	struct tls_kept *one;

	while ((one = *kept) != NULL) {
		*kept = one->next;
		free(one);
	}
}
