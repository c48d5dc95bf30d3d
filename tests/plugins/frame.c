/*
 * frame.c: frames of four bytes of length (big-endian) and that much payload.
 * It sends each whole frame back, or leaves it unconsumed when output is full.
 */

#include <string.h>

#include <sluice.h>

#define HEADER 4

static ssize_t
frame_data(struct sl_conn *c, const void *buf, size_t len)
{
	const unsigned char *p = buf;
	size_t at = 0;

	sl_log(sl_service(c), SL_LOG_INFO, "data %zu first %02x", len, p[0]);
	while (len - at >= HEADER) {
		size_t size = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 |
		    (size_t)p[at + 2] << 8 | p[at + 3];

		if (len - at - HEADER < size)
			break;
		if (sl_send(c, p + at, HEADER + size) == -1)
			break;
		at += HEADER + size;
	}
	return (ssize_t)at;
}

SL_PLUGIN(.name = "frame", .version = "1.0", .flags = SL_MANY_WORKERS,
    .summary = "sends frames back", .server = SL_HANDLERS(.data = frame_data));
