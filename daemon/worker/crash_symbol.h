/*
 * crash_symbol.h: names for addresses, from the full symbol table of an ELF
 * file.  This table has static functions too; the loader knows only exported
 * ones.  Safe in signal handlers: reads the file with pread(2) alone.
 */

#ifndef SLUICE_CRASH_SYMBOL_H
#define SLUICE_CRASH_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>

#define SYMBOL_NAME_MAX 96 /* longer ones are cut off */

/*
 * Find the function in the file behind fd that contains `address`, which is
 * relative to where the file is loaded.  Returns false if there is none.
 */
bool crash_symbol(int fd, uint64_t address, char ret_name[SYMBOL_NAME_MAX],
    uint64_t *ret_start);

#endif
