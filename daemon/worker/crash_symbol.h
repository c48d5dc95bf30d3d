/*
 * crash_symbol.h: names for addresses out of an ELF file's full table of
 * symbols, which also has the static functions; the loader knows only what is
 * exported.  For signal handlers: reads the file with pread(2) alone.
 */

#ifndef SLUICE_CRASH_SYMBOL_H
#define SLUICE_CRASH_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#define SYMBOL_NAME_MAX 96 /* longer ones are cut off */

/*
 * The function of the file behind fd that contains `address` (counted from
 * where the file is loaded).  Returns false when there is none.
 */
bool crash_symbol(int fd, uint64_t address, char ret_name[SYMBOL_NAME_MAX],
    uint64_t *ret_start);

#endif
