/*
 * fuzz_elf.c: checks any bytes as a shared object, for libFuzzer: make fuzz,
 * then tests/fuzz/fuzz_elf CORPUS-DIRECTORY, where small plugins should be.
 */

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"
#include "image/elf_check.h"
#include "image/elf_needs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct elf_needs needs;
	struct error err;
	int fd = memfd_new("fuzz", false);

	if (fd == -1 || memfd_append(fd, data, size) == -1)
		abort();
	if (elf_check("fuzz", fd, size, &err) == 0) {
		elf_needs_read(&needs, "fuzz", fd, size, &err);
		elf_needs_done(&needs);
	}
	close(fd);
	return 0;
}
