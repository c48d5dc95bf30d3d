/*
 * elf_check.c: finds what would crash dlopen().  It trusts the headers and maps
 * what they say, and in a file that is cut short it gets a SIGBUS.
 */

#include "image/elf_check.h"

#include <link.h>
#include <stdbool.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/memfd.h"
#include "image/elf_file.h"
#include "image/elf_symbols.h"

#if __ELF_NATIVE_CLASS == 64
#define RELOCATION_TYPE(info) ELF64_R_TYPE(info)
#else
#define RELOCATION_TYPE(info) ELF32_R_TYPE(info)
#endif

/* A relocation that needs static thread-local storage. */
static bool
is_static_tls(unsigned int type)
{
#if defined(__x86_64__)
	return type == R_X86_64_TPOFF64 || type == R_X86_64_TPOFF32;
#elif defined(__aarch64__)
	return type == R_AARCH64_TLS_TPREL;
#elif defined(__riscv)
	return type == R_RISCV_TLS_TPREL64 || type == R_RISCV_TLS_TPREL32;
#else
	(void)type; /* there is only the flag */
	return false;
#endif
}

/* Without this program header the loader makes the stack executable. */
static int
check_stack(const struct elf_file *elf, struct error *err)
{
	bool stack = false;

	for (size_t i = 0; i < elf->head.e_phnum; i++)
		if (elf->segments[i].p_type == PT_GNU_STACK)
			stack = !(elf->segments[i].p_flags & PF_X);
	if (stack)
		return 0;
	return error_set(err,
	    "%s: wants an executable stack; link it with -z noexecstack",
	    elf->path);
}

/*
 * The loader does not read these, but they stand at the end of the file: they
 * show whether the file is complete, even if its space was reserved beforehand.
 */
static int
check_sections(const struct elf_file *elf, struct error *err)
{
	const ElfW(Ehdr) *head = &elf->head;
	ElfW(Shdr) names;

	if (head->e_shoff == 0 || head->e_shnum == 0)
		return 0; /* they were stripped */
	if (head->e_shentsize != sizeof(names) ||
	    !elf_file_within(elf, head->e_shoff,
		(uint64_t)head->e_shnum * sizeof(names)))
		return elf_file_cut_short(elf, "section headers", err);
	if (head->e_shstrndx == SHN_UNDEF || head->e_shstrndx >= head->e_shnum)
		return 0;
	if (memfd_read(elf->fd, &names, sizeof(names),
		(off_t)(head->e_shoff + head->e_shstrndx * sizeof(names))) ==
	    -1)
		return error_sys(err, "%s", elf->path);
	if (names.sh_type != SHT_STRTAB ||
	    !elf_file_within(elf, names.sh_offset, names.sh_size))
		return error_set(err,
		    "%s: is not whole: its section headers are damaged",
		    elf->path);
	return 0;
}

static int
static_tls(const struct elf_file *elf, struct error *err)
{
	return error_set(err,
	    "%s: uses static thread-local storage, which runs out when code "
	    "is reloaded; build it without -ftls-model=initial-exec",
	    elf->path);
}

/* Not every linker sets the flag: does a relocation ask for static TLS? */
static int
check_relocations(const struct elf_file *elf, uint64_t address, uint64_t len,
    struct error *err)
{
	ElfW(Rela) some[256];
	uint64_t offset, left, n;

	/* The loader reports an address that is in no segment. */
	if (!elf_file_find(elf, address, len, &offset))
		return 0;
	for (left = len / sizeof(some[0]); left > 0; left -= n) {
		n = sizeof(some) / sizeof(some[0]);
		if (n > left)
			n = left;
		if (memfd_read(elf->fd, some, n * sizeof(some[0]),
			(off_t)offset) == -1)
			return error_sys(err, "%s", elf->path);
		offset += n * sizeof(some[0]);
		for (size_t i = 0; i < n; i++)
			if (is_static_tls(RELOCATION_TYPE(some[i].r_info)))
				return static_tls(elf, err);
	}
	return 0;
}

static int
check_thread_storage(const struct elf_file *elf, struct error *err)
{
	uint64_t flags = 0, rela = 0, size = 0;

	if (elf_file_dynamic(elf, DT_FLAGS, &flags) && (flags & DF_STATIC_TLS))
		return static_tls(elf, err);
	if (!elf_file_dynamic(elf, DT_RELA, &rela) ||
	    !elf_file_dynamic(elf, DT_RELASZ, &size))
		return 0;
	return check_relocations(elf, rela, size, err);
}

int
elf_check(const char *path, int fd, uint64_t size, struct error *err)
{
	struct elf_file elf;
	int result;

	if (elf_file_read(&elf, path, fd, size, err) == -1)
		return -1;
	result = check_stack(&elf, err) == -1 ||
		check_sections(&elf, err) == -1 ||
		check_thread_storage(&elf, err) == -1 ||
		elf_symbols_make_own(&elf, err) == -1
	    ? -1
	    : 0;
	elf_file_done(&elf);
	return result;
}
