/*
 * stamped.c: sends messages of 32 bytes back, with the version of this code in
 * the first byte and the number of the connection's messages in bytes 16 to 23;
 * see stream.c.  A message that begins with '!' makes it crash.
 */

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include <sluice.h>

#ifndef STAMP
#define STAMP 'a'
#endif

#define SIZE 32
#define COUNT_AT 16
#define BATCH 64

static int
stamped_open(struct sl_conn *c)
{
	sl_set_data(c, calloc(1, sizeof(uint64_t)));
	return sl_data(c) != NULL ? 0 : -1;
}

static ssize_t
stamped_data(struct sl_conn *c, const void *buf, size_t len)
{
	size_t whole = len / SIZE < BATCH ? len / SIZE : BATCH;
	unsigned char answer[BATCH * SIZE];
	uint64_t *count = sl_data(c);

	if (*(const unsigned char *)buf == '!')
		raise(SIGSEGV);
	memcpy(answer, buf, whole * SIZE);
	for (size_t i = 0; i < whole; i++) {
		uint64_t n = *count + i + 1;

		answer[i * SIZE] = STAMP;
		memcpy(answer + i * SIZE + COUNT_AT, &n, sizeof(n));
	}
	if (whole > 0 && sl_send(c, answer, whole * SIZE) == -1)
		return 0;
	*count += whole;
	return (ssize_t)(whole * SIZE);
}

static void
stamped_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	free(sl_data(c));
}

SL_PLUGIN(.name = "stamped", .version = "1.0",
    .summary = "says which code answered",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE,
    .server = SL_HANDLERS(.open = stamped_open, .data = stamped_data,
	.close = stamped_close));
