/* elf_symbols.h: the symbols that a shared object defines for others. */

#ifndef SLUICE_ELF_SYMBOLS_H
#define SLUICE_ELF_SYMBOLS_H

#include <link.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;

enum elf_symbols {
	ELF_SYMBOLS_NONE,    /* no such symbol */
	ELF_SYMBOLS_UNIQUE,  /* there is one */
	ELF_SYMBOLS_DAMAGED, /* the table of symbols is damaged */
};

/*
 * Does it define a symbol of binding STB_GNU_UNIQUE?  Uses the hash tables, as
 * the loader does, since section headers may be stripped.  ret_name: where its
 * name stands, for elf_file_string().
 */
enum elf_symbols elf_symbols_unique(const struct elf_file *elf,
    uint64_t *ret_name);

/*
 * The symbols up to the last that is found by name; owned by the caller.
 * *ret_count may be 0.  NULL: no such table, or no memory.
 */
ElfW(Sym) *elf_symbols_read(const struct elf_file *elf, size_t *ret_count);

#endif
