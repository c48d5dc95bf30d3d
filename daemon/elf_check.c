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
check_segments(const struct elf *elf, struct error *err)
{
	bool load = false, dynamic = false, stack = false;
	ElfW(Phdr) segment;
	unsigned int i;

	if (!within(elf, elf->head.e_phoff,
		(uint64_t)elf->head.e_phnum * sizeof(segment)))
		return cut_short(elf, "program headers", err);
	for (i = 0; i < elf->head.e_phnum; i++) {
		if (memfd_read(elf->fd, &segment, sizeof(segment),
			(off_t)(elf->head.e_phoff + i * sizeof(segment))) == -1)
			return error_sys(err, "%s", elf->path);
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

int
elf_check(const char *path, int fd, uint64_t size, struct error *err)
{
	struct elf elf = { .path = path, .fd = fd, .size = size };
	size_t len = size < sizeof(elf.head) ? (size_t)size : sizeof(elf.head);

	if (memfd_read(fd, &elf.head, len, 0) == -1)
		return error_sys(err, "%s", path);
	if (check_head(&elf, err) == -1 || check_segments(&elf, err) == -1 ||
	    check_sections(&elf, err) == -1)
		return -1;
	return 0;
}
