/* elf_symbols.h: the symbols that a shared object defines for others. */

#ifndef SLUICE_ELF_SYMBOLS_H
#define SLUICE_ELF_SYMBOLS_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct error;

/*
 * Make each symbol that the file defines with the binding STB_GNU_UNIQUE a weak
 * one, in the file itself, as g++ does with -fno-gnu-unique.  The loader binds a
 * unique symbol once for the whole process: all later images would use the
 * first definition, even the next version of the same image.  Returns 0, or -1
 * with a sentence that begins with the path.
 */
int elf_symbols_unshare(const struct elf_file *elf, struct error *err);

/*
 * The symbols up to the last that is found by name, from the hash tables as the
 * loader does, since section headers may be stripped; owned by the caller.
 * *ret_count may be 0.  NULL: the tables are damaged, or no memory.
 */
ElfW(Sym) *elf_symbols_read(const struct elf_file *elf, size_t *ret_count);

#endif
