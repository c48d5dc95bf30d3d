/* alpn.c: each name is one byte of length and the name. */

#include "tls/alpn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/fail.h"

int
alpn_add(struct alpn *alpn, const char *name)
{
	size_t len = strlen(name);
	unsigned char *wire;

	if (len == 0 || len > ALPN_NAME_MAX ||
	    alpn->len + 1 + len > ALPN_LIST_MAX)
		return fail(EINVAL);
	wire = realloc(alpn->wire, alpn->len + 1 + len);
	if (wire == NULL)
		return -1;
	wire[alpn->len] = (unsigned char)len;
	memcpy(wire + alpn->len + 1, name, len);
	alpn->wire = wire;
	alpn->len += 1 + len;
	return 0;
}

void
alpn_free(struct alpn *alpn)
{
	free(alpn->wire);
	*alpn = (struct alpn){ 0 };
}
