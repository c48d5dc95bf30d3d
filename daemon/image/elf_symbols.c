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
#include <string.h>

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

/*
 * Memory goes from one owner to another, so these must be those of the whole
 * process: binding_check() refuses a plugin that defines and uses them.
 */
static bool
is_allocator(const char *name)
{
	static const char *const all[] = { "malloc", "calloc", "realloc",
		"reallocarray", "free", "memalign", "aligned_alloc",
		"posix_memalign", "valloc", "pvalloc", "malloc_usable_size" };

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(name, all[i]) == 0)
			return true;
	return false;
}

bool
elf_symbols_is_own(const ElfW(Sym) *symbol)
{
	unsigned int type = ELF64_ST_TYPE(symbol->st_info);

	return symbol->st_shndx != SHN_UNDEF && symbol->st_shndx != SHN_ABS &&
	    ELF64_ST_BIND(symbol->st_info) == STB_GLOBAL &&
	    (type == STT_FUNC || type == STT_OBJECT || type == STT_NOTYPE);
}

/* Returns whether the symbol was changed. */
static bool
make_own(ElfW(Sym) *symbol, const char *name)
{
	if (ELF64_ST_BIND(symbol->st_info) == STB_GNU_UNIQUE &&
	    symbol->st_shndx != SHN_UNDEF) {
		symbol->st_info =
		    ELF64_ST_INFO(STB_WEAK, ELF64_ST_TYPE(symbol->st_info));
		return true;
	}
	if (!elf_symbols_is_own(symbol) ||
	    ELF64_ST_VISIBILITY(symbol->st_other) != STV_DEFAULT ||
	    is_allocator(name))
		return false;
	symbol->st_other |= STV_PROTECTED;
	return true;
}

/* All names, with a NUL behind them; owned by the caller.  NULL: none. */
static char *
read_names(const struct elf_file *elf, uint64_t *ret_size)
{
	uint64_t address = 0, size = 0;
	char *names;

	if (!elf_file_dynamic(elf, DT_STRTAB, &address) ||
	    !elf_file_dynamic(elf, DT_STRSZ, &size) || size > elf->size)
		return NULL;
	names = calloc(1, size + 1);
	if (names != NULL && !elf_file_load(elf, address, names, size)) {
		free(names);
		return NULL;
	}
	*ret_size = size;
	return names;
}

/* Write the table back if something in it has changed.  0, or -1 with errno. */
static int
change(const struct elf_file *elf, ElfW(Sym) *symbols, size_t count,
    const char *names, uint64_t names_size)
{
	uint64_t address = 0, offset;
	size_t len = count * sizeof(*symbols), i;
	bool changed = false;

	for (i = 0; i < count; i++)
		if (make_own(&symbols[i],
			symbols[i].st_name < names_size
			    ? names + symbols[i].st_name
			    : ""))
			changed = true;
	if (!changed)
		return 0;
	if (!elf_file_dynamic(elf, DT_SYMTAB, &address) ||
	    !elf_file_find(elf, address, len, &offset))
		return fail(EIO);
	return memfd_write(elf->fd, symbols, len, (off_t)offset);
}

int
elf_symbols_make_own(const struct elf_file *elf, struct error *err)
{
	uint64_t names_size = 0;
	ElfW(Sym) *symbols;
	char *names;
	size_t count;
	int rc;

	symbols = elf_symbols_read(elf, &count);
	if (symbols == NULL)
		return error_set(err, "%s: its table of symbols is damaged",
		    elf->path);
	names = read_names(elf, &names_size);
	rc = change(elf, symbols, count, names, names_size);
	free(symbols);
	free(names);
	return rc == 0
	    ? 0
	    : error_sys(err, "%s: cannot change its copy", elf->path);
}
