/* crash_symbol.c: names for addresses, read straight from the file. */

#include "worker/crash_symbol.h"

#include <elf.h>
#include <link.h>
#include <string.h>
#include <unistd.h>

#define SECTIONS_MAX 4096 /* no honest file has more */
#define SYMBOLS_AT_ONCE 128

static bool
read_at(int fd, uint64_t offset, void *to, size_t size)
{
	return pread(fd, to, size, (off_t)offset) == (ssize_t)size;
}

static bool
read_section(int fd, const ElfW(Ehdr) *header, unsigned int index,
    ElfW(Shdr) *ret)
{
	return read_at(fd, header->e_shoff + (uint64_t)index * sizeof(*ret),
	    ret, sizeof(*ret));
}

/* Find .symtab, which debuggers read, or .dynsym if .symtab was stripped. */
static bool
find_table(int fd, const ElfW(Ehdr) *header, ElfW(Shdr) *ret)
{
	ElfW(Shdr) section;
	bool found = false;

	for (unsigned int i = 0; i < header->e_shnum && i < SECTIONS_MAX; i++) {
		if (!read_section(fd, header, i, &section))
			break;
		if (section.sh_type != SHT_SYMTAB &&
		    (found || section.sh_type != SHT_DYNSYM))
			continue;
		*ret = section;
		found = true;
		if (section.sh_type == SHT_SYMTAB)
			break;
	}
	return found;
}

static bool
contains(const ElfW(Sym) *symbol, uint64_t address)
{
	return (symbol->st_info & 0xf) == STT_FUNC &&
	    symbol->st_shndx != SHN_UNDEF && address >= symbol->st_value &&
	    address - symbol->st_value < symbol->st_size;
}

static bool
find_symbol(int fd, const ElfW(Shdr) *table, uint64_t address, ElfW(Sym) *ret)
{
	ElfW(Sym) symbols[SYMBOLS_AT_ONCE];
	uint64_t offset = 0, size;

	for (; offset < table->sh_size; offset += size) {
		size = table->sh_size - offset;
		if (size > sizeof(symbols))
			size = sizeof(symbols);
		if (!read_at(fd, table->sh_offset + offset, symbols, size))
			return false;
		for (unsigned int i = 0; i < size / sizeof(symbols[0]); i++)
			if (contains(&symbols[i], address)) {
				*ret = symbols[i];
				return true;
			}
	}
	return false;
}

bool
crash_symbol(int fd, uint64_t address, char ret_name[SYMBOL_NAME_MAX],
    uint64_t *ret_start)
{
	ElfW(Ehdr) header;
	ElfW(Shdr) table, strings;
	ElfW(Sym) symbol;
	ssize_t n;

	if (!read_at(fd, 0, &header, sizeof(header)) ||
	    memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 ||
	    header.e_shentsize != sizeof(table) ||
	    !find_table(fd, &header, &table) ||
	    !read_section(fd, &header, table.sh_link, &strings) ||
	    !find_symbol(fd, &table, address, &symbol))
		return false;
	n = pread(fd, ret_name, SYMBOL_NAME_MAX - 1,
	    (off_t)(strings.sh_offset + symbol.st_name));
	if (n <= 0 || ret_name[0] == '\0')
		return false;
	ret_name[n] = '\0';
	*ret_start = symbol.st_value;
	return true;
}
