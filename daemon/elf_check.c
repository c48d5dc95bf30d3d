/*
 * elf_check.c: what dlopen() would die of.  It maps what the headers say and
 * trusts them: a file cut short is a SIGBUS in the middle of the loader.
 */

#include "elf_check.h"

#include <link.h>
#include <stdbool.h>
#include <string.h>

#include "error.h"
#include "memfd.h"

#if __ELF_NATIVE_CLASS == 64
#define RELOCATION_TYPE(info) ELF64_R_TYPE(info)
#else
#define RELOCATION_TYPE(info) ELF32_R_TYPE(info)
#endif

/* A relocation that wants a place in the static block of each thread. */
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
	(void)type; /* the flag has to do */
	return false;
#endif
}

/* Our own header, from the linker: what this machine and class are. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct elf {
	const char *path;
	int fd;
	uint64_t size;
	ElfW(Ehdr) head;
};

static bool
within(const struct elf *elf, uint64_t offset, uint64_t len)
{
	return offset <= elf->size && len <= elf->size - offset;
}

static int
cut_short(const struct elf *elf, const char *what, struct error *err)
{
	return error_set(err,
	    "%s: is cut short: it has %llu bytes, and its %s "
	    "would lie behind them",
	    elf->path, (unsigned long long)elf->size, what);
}

static int
check_head(const struct elf *elf, struct error *err)
{
	const ElfW(Ehdr) *head = &elf->head, *ours = &__ehdr_start;

	if (memcmp(head->e_ident, ELFMAG, SELFMAG) != 0)
		return error_set(err,
		    "%s: is not a shared object: "
		    "it does not begin as an ELF file",
		    elf->path);
	if (elf->size < sizeof(*head))
		return cut_short(elf, "header", err);
	if (head->e_ident[EI_CLASS] != ours->e_ident[EI_CLASS] ||
	    head->e_ident[EI_DATA] != ours->e_ident[EI_DATA] ||
	    head->e_machine != ours->e_machine)
		return error_set(err,
		    "%s: is built for another machine "
		    "(ELF machine %u, class %u; this one is %u, class %u)",
		    elf->path, head->e_machine, head->e_ident[EI_CLASS],
		    ours->e_machine, ours->e_ident[EI_CLASS]);
	if (head->e_type == ET_REL)
		return error_set(err,
		    "%s: is an object file (.o); "
		    "link it with -shared",
		    elf->path);
	if (head->e_type != ET_DYN)
		return error_set(err,
		    "%s: is not a shared object; "
		    "link it with -shared",
		    elf->path);
	if (head->e_phentsize != sizeof(ElfW(Phdr)) || head->e_phnum == 0)
		return error_set(err,
		    "%s: has no program headers; "
		    "the file is damaged",
		    elf->path);
	return 0;
}

static int
read_segment(const struct elf *elf, unsigned int index, ElfW(Phdr) * ret,
    struct error *err)
{
	if (memfd_read(elf->fd, ret, sizeof(*ret),
		(off_t)(elf->head.e_phoff + index * sizeof(*ret))) == -1)
		return error_sys(err, "%s", elf->path);
	return 0;
}

static int
check_segments(const struct elf *elf, struct error *err)
{
	bool load = false, dynamic = false, stack = false;
	ElfW(Phdr) segment;
	unsigned int i;

	if (!within(elf, elf->head.e_phoff,
		(uint64_t)elf->head.e_phnum * sizeof(segment)))
		return cut_short(elf, "program headers", err);
	for (i = 0; i < elf->head.e_phnum; i++) {
		if (read_segment(elf, i, &segment, err) == -1)
			return -1;
		if (segment.p_type == PT_GNU_STACK)
			stack = !(segment.p_flags & PF_X);
		if (segment.p_type != PT_LOAD && segment.p_type != PT_DYNAMIC)
			continue;
		if (!within(elf, segment.p_offset, segment.p_filesz))
			return cut_short(elf, "segments", err);
		load |= segment.p_type == PT_LOAD;
		dynamic |= segment.p_type == PT_DYNAMIC;
	}
	if (!load || !dynamic)
		return error_set(err,
		    "%s: has nothing to load; "
		    "the file is damaged",
		    elf->path);
	/* Without the header the loader takes "executable" for granted. */
	if (!stack)
		return error_set(err,
		    "%s: wants an executable stack; "
		    "link it with -z noexecstack",
		    elf->path);
	return 0;
}

/*
 * The loader does not read these, but they stand at the end of the file: they
 * tell whether all of it has arrived, also when space was reserved beforehand.
 */
static int
check_sections(const struct elf *elf, struct error *err)
{
	const ElfW(Ehdr) *head = &elf->head;
	ElfW(Shdr) names;

	if (head->e_shoff == 0 || head->e_shnum == 0)
		return 0; /* stripped of them */
	if (head->e_shentsize != sizeof(names) ||
	    !within(elf, head->e_shoff, (uint64_t)head->e_shnum * sizeof(names)))
		return cut_short(elf, "section headers", err);
	if (head->e_shstrndx == SHN_UNDEF || head->e_shstrndx >= head->e_shnum)
		return 0;
	if (memfd_read(elf->fd, &names, sizeof(names),
		(off_t)(head->e_shoff + head->e_shstrndx * sizeof(names))) == -1)
		return error_sys(err, "%s", elf->path);
	if (names.sh_type != SHT_STRTAB ||
	    !within(elf, names.sh_offset, names.sh_size))
		return error_set(err,
		    "%s: is not whole: its section headers "
		    "are damaged",
		    elf->path);
	return 0;
}

static int
static_tls(const struct elf *elf, struct error *err)
{
	return error_set(err,
	    "%s: uses static thread-local storage, which runs out when code "
	    "is reloaded; build it without -ftls-model=initial-exec",
	    elf->path);
}

/* Where in the file is what will be at this address?  false: nowhere. */
static bool
find_address(const struct elf *elf, uint64_t address, uint64_t len,
    uint64_t *ret_offset)
{
	struct error ignored;
	ElfW(Phdr) segment;
	unsigned int i;

	for (i = 0; i < elf->head.e_phnum; i++) {
		if (read_segment(elf, i, &segment, &ignored) == -1)
			return false;
		if (segment.p_type != PT_LOAD || address < segment.p_vaddr ||
		    address - segment.p_vaddr > segment.p_filesz ||
		    len > segment.p_filesz - (address - segment.p_vaddr))
			continue;
		*ret_offset = segment.p_offset + (address - segment.p_vaddr);
		return true;
	}
	return false;
}

/* Not every linker sets the flag: does a relocation ask for static TLS? */
static int
check_relocations(const struct elf *elf, uint64_t address, uint64_t len,
    struct error *err)
{
	ElfW(Rela) some[256];
	uint64_t offset, left, n;
	size_t i;

	/* What lies nowhere is for the loader to complain about. */
	if (!find_address(elf, address, len, &offset))
		return 0;
	for (left = len / sizeof(some[0]); left > 0; left -= n) {
		n = sizeof(some) / sizeof(some[0]);
		if (n > left)
			n = left;
		if (memfd_read(elf->fd, some, n * sizeof(some[0]),
			(off_t)offset) == -1)
			return error_sys(err, "%s", elf->path);
		offset += n * sizeof(some[0]);
		for (i = 0; i < n; i++)
			if (is_static_tls(RELOCATION_TYPE(some[i].r_info)))
				return static_tls(elf, err);
	}
	return 0;
}

static int
check_dynamic(const struct elf *elf, struct error *err)
{
	uint64_t rela = 0, rela_size = 0, at;
	ElfW(Phdr) segment;
	ElfW(Dyn) entry;
	unsigned int i;

	for (i = 0; i < elf->head.e_phnum; i++) {
		if (read_segment(elf, i, &segment, err) == -1)
			return -1;
		if (segment.p_type == PT_DYNAMIC)
			break;
	}
	for (at = 0; at + sizeof(entry) <= segment.p_filesz;
	     at += sizeof(entry)) {
		if (memfd_read(elf->fd, &entry, sizeof(entry),
			(off_t)(segment.p_offset + at)) == -1)
			return error_sys(err, "%s", elf->path);
		if (entry.d_tag == DT_NULL)
			break;
		if (entry.d_tag == DT_FLAGS &&
		    (entry.d_un.d_val & DF_STATIC_TLS))
			return static_tls(elf, err);
		if (entry.d_tag == DT_RELA)
			rela = entry.d_un.d_ptr;
		else if (entry.d_tag == DT_RELASZ)
			rela_size = entry.d_un.d_val;
	}
	return check_relocations(elf, rela, rela_size, err);
}

int
elf_check(const char *path, int fd, uint64_t size, struct error *err)
{
	struct elf elf = { .path = path, .fd = fd, .size = size };
	size_t len = size < sizeof(elf.head) ? (size_t)size : sizeof(elf.head);

	if (memfd_read(fd, &elf.head, len, 0) == -1)
		return error_sys(err, "%s", path);
	if (check_head(&elf, err) == -1 || check_segments(&elf, err) == -1 ||
	    check_sections(&elf, err) == -1 || check_dynamic(&elf, err) == -1)
		return -1;
	return 0;
}
