/*
 * elf_symbols.c: only the hash tables tell how many symbols there are.  The old
 * table has a chain entry for each symbol.  The GNU table has chains of
 * neighbours, and marks the last of each.
 */

#include "image/elf_symbols.h"

#include <errno.h>
#include <link.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/memfd.h"
#include "image/elf_file.h"

#define WORDS_AT_ONCE 1024

/* The highest of `count` words at an address.  false: not all are there. */
static bool
highest_word(const struct elf_file *elf, uint64_t address, uint32_t count,
    uint32_t *ret_highest)
{
	uint32_t words[WORDS_AT_ONCE], n, i;

	for (*ret_highest = 0; count > 0; count -= n) {
		n = count < WORDS_AT_ONCE ? count : WORDS_AT_ONCE;
		if (!elf_file_load(elf, address, words, n * sizeof(*words)))
			return false;
		for (i = 0; i < n; i++)
			if (words[i] > *ret_highest)
				*ret_highest = words[i];
		address += n * sizeof(*words);
	}
	return true;
}

/* Follow the last chain to its end. */
static bool
count_gnu(const struct elf_file *elf, uint64_t table, uint64_t *ret_count)
{
	uint32_t head[4], last, hash;
	uint64_t buckets, chains;

	if (!elf_file_load(elf, table, head, sizeof(head)))
		return false;
	buckets = table + sizeof(head) + (uint64_t)head[2] * sizeof(ElfW(Addr));
	chains = buckets + (uint64_t)head[0] * sizeof(uint32_t);
	if (!highest_word(elf, buckets, head[0], &last))
		return false;
	*ret_count = last;
	if (last == 0)
		return true; /* all buckets are empty */
	if (last < head[1])
		return false;
	do {
		if (!elf_file_load(elf,
			chains + (*ret_count - head[1]) * sizeof(hash), &hash,
			sizeof(hash)))
			return false;
		++*ret_count;
	} while (!(hash & 1));
	return true;
}

static bool
count_old(const struct elf_file *elf, uint64_t table, uint64_t *ret_count)
{
	uint32_t head[2], last;

	if (!elf_file_load(elf, table, head, sizeof(head)) ||
	    (uint64_t)head[0] + head[1] > UINT32_MAX ||
	    !highest_word(elf, table + sizeof(head), head[0] + head[1], &last))
		return false;
	*ret_count = head[1];
	return last == 0 || last < head[1];
}

/*
 * If there are both tables the loader takes the GNU one; without any it finds
 * no symbol.
 */
static bool
find_table(const struct elf_file *elf, uint64_t *ret_symbols,
    uint64_t *ret_count)
{
	uint64_t table = 0;

	*ret_count = *ret_symbols = 0;
	if (elf_file_dynamic(elf, DT_GNU_HASH, &table)) {
		if (!count_gnu(elf, table, ret_count))
			return false;
	} else if (elf_file_dynamic(elf, DT_HASH, &table)) {
		if (!count_old(elf, table, ret_count))
			return false;
	} else {
		return true;
	}
	return elf_file_dynamic(elf, DT_SYMTAB, ret_symbols);
}

ElfW(Sym) *
elf_symbols_read(const struct elf_file *elf, size_t *ret_count)
{
	uint64_t address, count;
	ElfW(Sym) *symbols;

	if (!find_table(elf, &address, &count) ||
	    count > elf->size / sizeof(*symbols))
		return NULL;
	symbols = calloc(count + 1, sizeof(*symbols));
	if (symbols == NULL)
		return NULL;
	if (count > 0 &&
	    !elf_file_load(elf, address, symbols, count * sizeof(*symbols))) {
		free(symbols);
		return NULL;
	}
	*ret_count = count;
	return symbols;
}

/* Change the binding of a symbol that is unique.  Returns 0, or -1 with errno. */
static int
unshare(const struct elf_file *elf, uint64_t table, size_t index,
    const ElfW(Sym) *symbol)
{
	unsigned char info =
	    ELF64_ST_INFO(STB_WEAK, ELF64_ST_TYPE(symbol->st_info));
	uint64_t at = table + index * sizeof(*symbol) +
	    offsetof(ElfW(Sym), st_info),
		 offset;

	if (ELF64_ST_BIND(symbol->st_info) != STB_GNU_UNIQUE ||
	    symbol->st_shndx == SHN_UNDEF)
		return 0;
	if (!elf_file_find(elf, at, sizeof(info), &offset))
		return fail(EIO);
	return memfd_write(elf->fd, &info, sizeof(info), (off_t)offset);
}

int
elf_symbols_unshare(const struct elf_file *elf, struct error *err)
{
	uint64_t table = 0;
	ElfW(Sym) *symbols;
	size_t count, i;
	int rc = 0;

	symbols = elf_symbols_read(elf, &count);
	if (symbols == NULL)
		return error_set(err, "%s: its table of symbols is damaged",
		    elf->path);
	if (count > 0)
		elf_file_dynamic(elf, DT_SYMTAB, &table);
	for (i = 0; rc == 0 && i < count; i++)
		rc = unshare(elf, table, i, &symbols[i]);
	free(symbols);
	return rc == 0
	    ? 0
	    : error_sys(err, "%s: cannot change its copy", elf->path);
}
