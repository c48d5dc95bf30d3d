/* hello.c: answers each line with a greeting.  Copy it, and begin here. */

#include <sluice.h>

#include <string.h>

static const char greeting[] = "hello, ";

/* Returns how much of the input was consumed: the rest is shown again. */
static ssize_t
hello_data(struct sl_conn *c, const void *buf, size_t len)
{
	const char *line = buf, *end;
	size_t used = 0;

	while ((end = memchr(line + used, '\n', len - used)) != NULL) {
		size_t size = (size_t)(end - (line + used)) + 1;
		const struct iovec parts[] = {
			{ (void *)(uintptr_t)greeting, sizeof(greeting) - 1 },
			{ (void *)(uintptr_t)(line + used), size },
		};

		/* No room: come back when the peer has read. */
		if (sl_sendv(c, parts, 2) == -1)
			break;
		used += size;
	}
	return (ssize_t)used;
}

SL_PLUGIN(.name = "hello", .version = "1.0",
    .summary = "greets with each line it gets",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.data = hello_data));
