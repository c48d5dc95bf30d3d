/*
 * binding.c: compares the addresses that the loader has written with the
 * definitions in the image.
 */

#include "worker/binding.h"

#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/error.h"
#include "image/elf_file.h"
#include "image/elf_symbols.h"
#include "worker/image_map.h"
#include "worker/library.h"

#if __ELF_NATIVE_CLASS == 64
#define RELOCATION_TYPE(info) ELF64_R_TYPE(info)
#define RELOCATION_SYMBOL(info) ELF64_R_SYM(info)
#else
#define RELOCATION_TYPE(info) ELF32_R_TYPE(info)
#define RELOCATION_SYMBOL(info) ELF32_R_SYM(info)
#endif

#define RELOCATIONS_AT_ONCE 256

struct binding {
	struct elf_file elf;
	const struct image_map *map;
	ElfW(Sym) *symbols;
	size_t symbol_count;
	bool (*is_fine)(const void *arg, const void *at);
	const void *arg;
	struct error *err;
};

/* Does this relocation leave the address of a symbol in the loader's table? */
static bool
is_entry(unsigned int type)
{
#if defined(__x86_64__)
	return type == R_X86_64_GLOB_DAT || type == R_X86_64_JUMP_SLOT;
#elif defined(__aarch64__)
	return type == R_AARCH64_GLOB_DAT || type == R_AARCH64_JUMP_SLOT;
#elif defined(__riscv) && __riscv_xlen == 64
	return type == R_RISCV_JUMP_SLOT;
#else
	(void)type; /* unknown machine: nothing is checked */
	return false;
#endif
}

/* Does it leave the address of a symbol in a pointer of the program? */
static bool
is_pointer(unsigned int type)
{
#if defined(__x86_64__)
	return type == R_X86_64_64;
#elif defined(__aarch64__)
	return type == R_AARCH64_ABS64;
#elif defined(__riscv) && __riscv_xlen == 64
	return type == R_RISCV_64;
#else
	(void)type;
	return false;
#endif
}

/* Is it read-only after relocation, so that no constructor can change it? */
static bool
is_constant(const struct image_map *map, uint64_t address)
{
	const ElfW(Phdr) *segment;

	for (unsigned int i = 0; i < map->count; i++) {
		segment = &map->segments[i];
		if (segment->p_type == PT_GNU_RELRO &&
		    address - segment->p_vaddr < segment->p_memsz)
			return true;
	}
	return false;
}

/*
 * If the image needs a symbol that one of its plugin's own libraries defines,
 * but got one that the loader found earlier: returns that library, else NULL.
 * dlsym() with the image's handle looks only in the image and in what it needs,
 * not in what comes first in the loader's order.
 */
static const struct library *
find_passed_over(const struct binding *binding, const ElfW(Sym) *symbol,
    const char *name, const void *bound)
{
	if (symbol->st_shndx != SHN_UNDEF || library_at(bound) != NULL)
		return NULL;
	return library_at(dlsym(binding->map->handle, name));
}

static int
taken(const struct binding *binding, const struct library *passed_over,
    const char *name, const void *at)
{
	char place[PLACE_TEXT_MAX];

	image_map_place(at, place);
	if (passed_over != NULL)
		return error_set(binding->err,
		    "%s: uses \"%.200s\" of %s, which comes before that of its "
		    "library %s; rename it there, or link that library into it "
		    "statically with -Wl,--exclude-libs,ALL",
		    binding->elf.path, name, place, passed_over->name);
	return error_set(binding->err,
	    "%s: uses \"%.200s\" of %s, which comes before its own; hide its "
	    "own: compile with -fvisibility=hidden, or link with "
	    "-Wl,-Bsymbolic, or a static library with -Wl,--exclude-libs,ALL",
	    binding->elf.path, name, place);
}

/*
 * The address that the loader wrote.  If the plugin is built with a sanitizer,
 * the slot may be in the forbidden zone around a variable.
 */
static ElfW(Addr) __attribute__((noinline, no_sanitize("address", "undefined")))
read_slot(ElfW(Addr) slot)
{
	return *(const ElfW(Addr) *)slot;
}

/* Is the symbol bound to an address that is allowed?  Returns 0, or -1. */
static int
check_bound(const struct binding *binding, const ElfW(Sym) *symbol,
    bool constant, const void *bound)
{
	const struct library *passed_over;
	char *name;
	int result = 0;

	if (symbol->st_name == 0 || binding->is_fine(binding->arg, bound) ||
	    (name = elf_file_string(&binding->elf, symbol->st_name)) == NULL)
		return 0;
	passed_over = find_passed_over(binding, symbol, name, bound);
	/*
	 * A constructor may store what it likes in a pointer.  Blame the loader
	 * only if no constructor can have written it, or if the loader would
	 * have chosen the same address.
	 */
	if ((passed_over != NULL || elf_symbols_is_own(symbol)) &&
	    (constant || bound == dlsym(RTLD_DEFAULT, name)))
		result = taken(binding, passed_over, name, bound);
	free(name);
	return result;
}

static int
check_one(const struct binding *binding, const ElfW(Rela) *relocation)
{
	size_t index = RELOCATION_SYMBOL(relocation->r_info);
	ElfW(Addr) slot = binding->map->base + relocation->r_offset, bound;
	unsigned int type = RELOCATION_TYPE(relocation->r_info);
	const ElfW(Sym) *symbol;

	if (index >= binding->symbol_count ||
	    !(is_entry(type) || is_pointer(type)) ||
	    image_map_room(binding->map, (const void *)slot, PF_R) <
		sizeof(bound))
		return 0;
	symbol = &binding->symbols[index];
	bound = read_slot(slot) - (ElfW(Addr))relocation->r_addend;
	if (symbol->st_shndx != SHN_UNDEF &&
	    bound == binding->map->base + symbol->st_value)
		return 0;
	return check_bound(binding, symbol,
	    is_entry(type) || is_constant(binding->map, relocation->r_offset),
	    (const void *)bound);
}

static int
check_table(const struct binding *binding, uint64_t address, uint64_t len)
{
	ElfW(Rela) some[RELOCATIONS_AT_ONCE];
	uint64_t left, n;

	for (left = len / sizeof(*some); left > 0; left -= n) {
		n = left < RELOCATIONS_AT_ONCE ? left : RELOCATIONS_AT_ONCE;
		if (!elf_file_load(&binding->elf, address, some,
			n * sizeof(*some)))
			return error_set(binding->err,
			    "%s: its relocations are damaged",
			    binding->elf.path);
		for (uint64_t i = 0; i < n; i++)
			if (check_one(binding, &some[i]) == -1)
				return -1;
		address += n * sizeof(*some);
	}
	return 0;
}

static int
check_tables(const struct binding *binding)
{
	const struct elf_file *elf = &binding->elf;
	uint64_t address = 0, len = 0, kind = 0;

	if (elf_file_dynamic(elf, DT_RELA, &address) &&
	    elf_file_dynamic(elf, DT_RELASZ, &len) &&
	    check_table(binding, address, len) == -1)
		return -1;
	if (elf_file_dynamic(elf, DT_PLTREL, &kind) && kind == DT_RELA &&
	    elf_file_dynamic(elf, DT_JMPREL, &address) &&
	    elf_file_dynamic(elf, DT_PLTRELSZ, &len))
		return check_table(binding, address, len);
	return 0;
}

/* Where the file begins that has this symbol in the usual order; NULL: none. */
static const void *
usual_base(const char *name)
{
	const void *at = dlsym(RTLD_DEFAULT, name);
	Dl_info info;

	return at != NULL && dladdr(at, &info) != 0 ? info.dli_fbase : NULL;
}

/* Does one of these libraries itself define the symbol? */
static bool
define(struct library *const *libraries, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (libraries[i]->fd != -1 &&
		    image_map_room(&libraries[i]->map,
			dlsym(libraries[i]->handle, name), 0) > 0)
			return true;
	return false;
}

/*
 * The C library is the same for all, so its names are never passed over: who
 * defines them again is refused.
 */
static bool
passes_over(const struct elf_file *elf, const ElfW(Sym) *symbol,
    const void *libc, struct library *const *libraries, uint32_t count)
{
	const void *usual;
	char *name;
	bool passed;

	if (symbol->st_shndx != SHN_UNDEF || symbol->st_name == 0 ||
	    (name = elf_file_string(elf, symbol->st_name)) == NULL)
		return false;
	usual = usual_base(name);
	passed =
	    usual != NULL && usual != libc && define(libraries, count, name);
	free(name);
	return passed;
}

bool
binding_passes_over(int fd, struct library *const *libraries, uint32_t count)
{
	const void *libc = usual_base("gnu_get_libc_version");
	struct elf_file elf;
	ElfW(Sym) *symbols;
	struct error err;
	size_t symbol_count = 0;
	struct stat st;
	bool any = false;

	/*
	 * With RTLD_DEEPBIND a plugin has the malloc() of the C library.  When a
	 * sanitizer or LD_PRELOAD has replaced that one, memory of one would be
	 * freed by the other.
	 */
	if (count == 0 || usual_base("malloc") != libc ||
	    fstat(fd, &st) == -1 ||
	    elf_file_read(&elf, "", fd, (uint64_t)st.st_size, &err) == -1)
		return false;
	symbols = elf_symbols_read(&elf, &symbol_count);
	for (size_t i = 0; symbols != NULL && !any && i < symbol_count; i++)
		any = passes_over(&elf, &symbols[i], libc, libraries, count);
	free(symbols);
	elf_file_done(&elf);
	return any;
}

int
binding_check(int fd, const struct image_map *map,
    bool (*is_fine)(const void *arg, const void *at), const void *arg,
    const char *path, struct error *err)
{
	struct binding binding = {
		.map = map,
		.is_fine = is_fine,
		.arg = arg,
		.err = err,
	};
	struct stat st;
	int result = -1;

	if (fstat(fd, &st) == -1)
		return error_sys(err, "%s", path);
	if (elf_file_read(&binding.elf, path, fd, (uint64_t)st.st_size, err) ==
	    -1)
		return -1;
	binding.symbols = elf_symbols_read(&binding.elf, &binding.symbol_count);
	if (binding.symbols == NULL)
		error_set(err, "%s: its table of symbols is damaged", path);
	else
		result = check_tables(&binding);
	free(binding.symbols);
	elf_file_done(&binding.elf);
	return result;
}
