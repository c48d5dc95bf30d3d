/* crash_text.c: strings, numbers and addresses, without the C library. */

#include "worker/crash_text.h"

#include <netinet/in.h>
#include <stdbool.h>

#define GROUPS 8 /* of an IPv6 address, 16 bits each */

static void
put_char(struct crash_text *to, char c)
{
	if (to->used < to->room)
		to->text[to->used++] = c;
}

void
crash_put_some(struct crash_text *to, const char *string, size_t most)
{
	while (most-- > 0 && *string != '\0')
		put_char(to, *string++);
}

void
crash_put(struct crash_text *to, const char *string)
{
	crash_put_some(to, string != NULL ? string : "?", SIZE_MAX);
}

static void
put_digits(struct crash_text *to, uint64_t number, unsigned int base)
{
	char digits[20];
	unsigned int count = 0;

	do {
		digits[count++] = "0123456789abcdef"[number % base];
		number /= base;
	} while (number > 0);
	while (count > 0)
		put_char(to, digits[--count]);
}

void
crash_put_number(struct crash_text *to, uint64_t number)
{
	put_digits(to, number, 10);
}

void
crash_put_hex(struct crash_text *to, uint64_t number)
{
	crash_put(to, "0x");
	put_digits(to, number, 16);
}

void
crash_put_bytes(struct crash_text *to, const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		put_digits(to, bytes[i] >> 4, 16);
		put_digits(to, bytes[i] & 0xf, 16);
	}
}

static void
put_in4(struct crash_text *to, const uint8_t *bytes)
{
	for (unsigned int i = 0; i < 4; i++) {
		if (i > 0)
			put_char(to, '.');
		crash_put_number(to, bytes[i]);
	}
}

static unsigned int
group(const uint8_t *bytes, unsigned int i)
{
	return (unsigned int)bytes[2 * i] << 8 | bytes[2 * i + 1];
}

/* The run of zeros to shorten: the first of the longest, of at least two. */
static unsigned int
longest_run(const uint8_t *bytes, unsigned int *ret_length)
{
	unsigned int i, length, start = GROUPS, best = 1;

	for (i = 0; i < GROUPS; i += length + 1) {
		for (length = 0;
		     i + length < GROUPS && group(bytes, i + length) == 0;)
			length++;
		if (length > best) {
			best = length;
			start = i;
		}
	}
	*ret_length = best;
	return start;
}

static void
put_in6(struct crash_text *to, const uint8_t *bytes)
{
	unsigned int i, length, start = longest_run(bytes, &length);

	for (i = 0; i < GROUPS; i++) {
		if (i == start) {
			crash_put(to, "::");
			i += length - 1;
			continue;
		}
		if (i > 0 && i != start + length)
			put_char(to, ':');
		put_digits(to, group(bytes, i), 16);
	}
}

void
crash_put_peer(struct crash_text *to, const struct sockaddr *peer)
{
	const struct sockaddr_in *in = (const void *)peer;
	const struct sockaddr_in6 *in6 = (const void *)peer;
	in_port_t port;

	if (peer->sa_family == AF_INET) {
		put_in4(to, (const uint8_t *)&in->sin_addr);
		port = in->sin_port;
	} else if (peer->sa_family == AF_INET6) {
		port = in6->sin6_port;
		if (IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
			put_in4(to, in6->sin6_addr.s6_addr + 12);
		} else {
			put_char(to, '[');
			put_in6(to, in6->sin6_addr.s6_addr);
			put_char(to, ']');
		}
	} else {
		crash_put(to, "unix");
		return;
	}
	put_char(to, ':');
	crash_put_number(to, ntohs(port));
}
