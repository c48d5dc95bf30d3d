/*
 * fuzz_bundle.c: reads any bytes as a bundle, for libFuzzer: make fuzz, then
 * tests/fuzz/fuzz_bundle CORPUS-DIRECTORY.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"
#include "config/bundle.h"
#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings *settings = NULL;
	struct error err;
	int fd = memfd_new("fuzz", false);

	if (fd == -1 || memfd_append(fd, data, size) == -1 ||
	    memfd_seal(fd) == -1)
		abort();
	settings = bundle_read(fd, &err);
	close(fd);
	/* A bundle that was accepted is whole. */
	for (uint32_t i = 0; settings != NULL && i < settings->listener_count;
	     i++)
		if (settings->listeners[i].image >= settings->image_count ||
		    settings->listeners[i].name == NULL)
			abort();
	settings_free(settings);
	return 0;
}
