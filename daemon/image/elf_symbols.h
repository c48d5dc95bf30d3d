/* elf_symbols.h: the symbols that a shared object defines for others. */

#ifndef SLUICE_ELF_SYMBOLS_H
#define SLUICE_ELF_SYMBOLS_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct error;

/*
 * Change the table of symbols in the file itself so that the file uses what it
 * defines:
 * - A symbol of binding STB_GNU_UNIQUE is made a weak one, as by g++ with
 *   -fno-gnu-unique.  The loader binds a unique symbol once for the whole
 *   process: all later images would use the first definition, even the next
 *   version of the same image.
 * - A global one is protected, as if it was compiled with
 *   -fvisibility=protected.  The loader looks for a name in sluiced and its
 *   libraries first, so a plugin with a libjansson.a would call ours.
 * Returns 0, or -1 with a sentence that begins with the path.
 */
int elf_symbols_make_own(const struct elf_file *elf, struct error *err);

/*
 * Does the file define this symbol and need its own definition?  A weak symbol
 * may be replaced; C++ defines the same weak symbol in every file that uses it.
 */
bool elf_symbols_is_own(const ElfW(Sym) *symbol);

/*
 * The symbols up to the last that is found by name, from the hash tables as the
 * loader does, since section headers may be stripped; owned by the caller.
 * *ret_count may be 0.  NULL: the tables are damaged, or no memory.
 */
ElfW(Sym) *elf_symbols_read(const struct elf_file *elf, size_t *ret_count);

#endif
