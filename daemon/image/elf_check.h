/* elf_check.h: can the dynamic loader safely load this file? */

#ifndef SLUICE_ELF_CHECK_H
#define SLUICE_ELF_CHECK_H

#include <stdint.h>

struct error;

/*
 * Is fd, of size bytes, a whole shared object for this machine that leaves the
 * stack as it is and needs no static TLS?  Its symbols are changed so that it
 * uses what it defines: see elf_symbols_make_own().  fd is a copy that may be
 * written to.  path is for the sentence in err, which begins with it.
 * Returns 0 or -1.
 */
int elf_check(const char *path, int fd, uint64_t size, struct error *err);

#endif
