/*
 * fuzz_hello.c: any bytes as the beginning of TLS, as the plugin proxy reads it,
 * for libFuzzer: make fuzz, then tests/fuzz/fuzz_hello CORPUS-DIRECTORY
 * tests/fuzz/seeds/hello.
 */

#include <ctype.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../plugins/proxy/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
must(bool good)
{
	if (!good)
		abort();
}

/* Read so many bytes, in memory of just that size. */
static enum hello_result
read_part(const uint8_t *data, size_t len, char name[HELLO_NAME_BYTES])
{
	uint8_t *part = malloc(len + (len == 0));
	enum hello_result result;
	const char *wrong = NULL;

	must(part != NULL);
	memcpy(part, data, len);
	memset(name, 'x', HELLO_NAME_BYTES);
	result = hello_read(part, len, name, &wrong);
	must((result == HELLO_BAD) == (wrong != NULL));
	free(part);
	return result;
}

/* It is in lower case, without a dot at an end or anything odd. */
static void
check_name(const char *name)
{
	size_t len = strnlen(name, HELLO_NAME_BYTES);

	must(len < HELLO_NAME_BYTES);
	must(len == 0 || (name[0] != '.' && name[len - 1] != '.'));
	must(strstr(name, "..") == NULL);
	for (; *name != '\0'; name++)
		must(islower((unsigned char)*name) ||
		    isdigit((unsigned char)*name) ||
		    memchr("-_.", *name, 3) != NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char name[HELLO_NAME_BYTES], again[HELLO_NAME_BYTES];
	enum hello_result before = HELLO_MORE, now;

	/*
	 * Whatever was found stays, if more comes: of a hello in pieces, the
	 * first answer counts.
	 */
	for (size_t len = 0; len <= size && len <= 600; len++) {
		now = read_part(data, len, again);
		must(before == HELLO_MORE || now == before);
		if (now == HELLO_DONE && before == HELLO_MORE)
			memcpy(name, again, sizeof(name));
		if (now == HELLO_DONE)
			must(strcmp(name, again) == 0);
		before = now;
	}
	now = read_part(data, size, again);
	must(before == HELLO_MORE || now == before);
	if (now == HELLO_DONE)
		check_name(again);
	return 0;
}
