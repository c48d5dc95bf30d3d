/*
 * searcher.c: looks for a key in its process, when it is loaded: in memory, and
 * in files that are open.  The key is in this file, too, but with other bits.
 * It adds a line to a file: the process, and whether memory and files have it.
 */

/* The key, each byte with the mask; the largest mapping to look at. */
#ifndef MASKED
#define MASKED 0x5b
#define LARGEST 1ul
#define RESULT "/dev/null"
#endif

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sluice.h>

static const unsigned char mask = 0x5a, masked[] = { MASKED };
static char file[1 << 16];

static bool
is_in(const unsigned char *at, size_t len)
{
	const size_t n = sizeof(masked);
	const unsigned char *end = at + len;
	size_t i;

	for (; at + n <= end; at++) {
		for (i = 0; i < n && at[i] == (masked[i] ^ mask); i++)
			;
		if (i == n)
			return true;
		for (i = 0; i < n && at[i] == (masked[n - 1 - i] ^ mask); i++)
			;
		if (i == n)
			return true;
	}
	return false;
}

__attribute__((constructor)) static void
search(void)
{
	char line[4096], rights[8];
	const char *role = "other";
	unsigned long start, end;
	bool memory = false, files = false;
	FILE *maps = fopen("/proc/self/maps", "r"), *out;
	ssize_t n;

	while (maps != NULL && fgets(line, sizeof(line), maps) != NULL)
		if (sscanf(line, "%lx-%lx %7s", &start, &end, rights) == 3 &&
		    rights[0] == 'r' && strstr(line, "[v") == NULL &&
		    end - start < LARGEST)
			memory |= is_in((void *)start, end - start);
	if (maps != NULL)
		fclose(maps);
	for (int fd = 0; fd < 256; fd++)
		for (off_t at = 0; (n = pread(fd, file, sizeof(file), at)) > 0;
		     at += n > 64 ? n - 64 : n) {
			files |= is_in((void *)file, n);
			if (n < 64)
				break;
		}
	maps = fopen("/proc/self/cmdline", "r");
	if (maps != NULL) {
		n = fread(line, 1, sizeof(line) - 1, maps);
		line[n] = '\0';
		role = strstr(line, "probe") != NULL ? "probe"
		    : strstr(line, "worker") != NULL ? "worker"
						     : line;
		fclose(maps);
	}
	out = fopen(RESULT, "a");
	if (out != NULL) {
		fprintf(out, "%s %d %d\n", role, memory, files);
		fclose(out);
	}
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "searcher", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
