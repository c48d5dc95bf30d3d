/* elf_file.c: the parts of a shared object that the dynamic loader looks at. */

#include "image/elf_file.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/memfd.h"

#define DYNAMIC_MAX 65536 /* entries; thirty are usual */

/*
 * Our own header, from the linker.  It tells the machine and class of this
 * process.
 */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

bool
elf_file_within(const struct elf_file *elf, uint64_t offset, uint64_t len)
{
	return offset <= elf->size && len <= elf->size - offset;
}

int
elf_file_cut_short(const struct elf_file *elf, const char *what,
    struct error *err)
{
	return error_set(err,
	    "%s: is cut short: it has %llu bytes, and its %s would lie beyond "
	    "them",
	    elf->path, (unsigned long long)elf->size, what);
}

static int
check_kind(const struct elf_file *elf, struct error *err)
{
	const ElfW(Ehdr) *head = &elf->head, *ours = &__ehdr_start;

	if (head->e_ident[EI_CLASS] != ours->e_ident[EI_CLASS] ||
	    head->e_ident[EI_DATA] != ours->e_ident[EI_DATA] ||
	    head->e_machine != ours->e_machine)
		return error_set(err,
		    "%s: is built for another machine (ELF machine %u, class "
		    "%u; this one is %u, class %u)",
		    elf->path, head->e_machine, head->e_ident[EI_CLASS],
		    ours->e_machine, ours->e_ident[EI_CLASS]);
	if (head->e_type == ET_REL)
		return error_set(err,
		    "%s: is an object file (.o); link it with -shared",
		    elf->path);
	if (head->e_type != ET_DYN)
		return error_set(err,
		    "%s: is not a shared object; link it with -shared",
		    elf->path);
	if (head->e_phentsize != sizeof(ElfW(Phdr)) || head->e_phnum == 0)
		return error_set(err,
		    "%s: has no program headers; the file is damaged",
		    elf->path);
	return 0;
}

static int
read_head(struct elf_file *elf, struct error *err)
{
	size_t len = sizeof(elf->head);

	if (elf->size < len)
		len = (size_t)elf->size;
	if (memfd_read(elf->fd, &elf->head, len, 0) == -1)
		return error_sys(err, "%s", elf->path);
	if (memcmp(elf->head.e_ident, ELFMAG, SELFMAG) != 0)
		return error_set(err,
		    "%s: is not a shared object: it does not begin as an ELF "
		    "file",
		    elf->path);
	if (elf->size < sizeof(elf->head))
		return elf_file_cut_short(elf, "header", err);
	return check_kind(elf, err);
}

/* Read a new array from an offset that lies in the file. */
static void *
read_array(const struct elf_file *elf, uint64_t offset, size_t len,
    struct error *err)
{
	void *array = malloc(len > 0 ? len : 1);

	if (array == NULL ||
	    memfd_read(elf->fd, array, len, (off_t)offset) == -1) {
		error_sys(err, "%s", elf->path);
		free(array);
		return NULL;
	}
	return array;
}

static int
read_segments(struct elf_file *elf, struct error *err)
{
	const ElfW(Phdr) *segment;
	size_t i, len = elf->head.e_phnum * sizeof(*segment);

	if (!elf_file_within(elf, elf->head.e_phoff, len))
		return elf_file_cut_short(elf, "program headers", err);
	elf->segments = read_array(elf, elf->head.e_phoff, len, err);
	if (elf->segments == NULL)
		return -1;
	for (i = 0; i < elf->head.e_phnum; i++) {
		segment = &elf->segments[i];
		if ((segment->p_type == PT_LOAD ||
			segment->p_type == PT_DYNAMIC) &&
		    !elf_file_within(elf, segment->p_offset, segment->p_filesz))
			return elf_file_cut_short(elf, "segments", err);
	}
	return 0;
}

static const ElfW(Phdr) *
find_segment(const struct elf_file *elf, ElfW(Word) type)
{
	for (size_t i = 0; i < elf->head.e_phnum; i++)
		if (elf->segments[i].p_type == type)
			return &elf->segments[i];
	return NULL;
}

static int
read_dynamic(struct elf_file *elf, struct error *err)
{
	const ElfW(Phdr) *segment = find_segment(elf, PT_DYNAMIC);
	size_t i, count;

	if (segment == NULL || find_segment(elf, PT_LOAD) == NULL)
		return error_set(err,
		    "%s: has nothing to load; the file is damaged", elf->path);
	count = segment->p_filesz / sizeof(*elf->dynamic);
	if (count > DYNAMIC_MAX)
		return error_set(err,
		    "%s: has a dynamic section of %zu entries; "
		    "the file is damaged",
		    elf->path, count);
	elf->dynamic = read_array(elf, segment->p_offset,
	    count * sizeof(*elf->dynamic), err);
	if (elf->dynamic == NULL)
		return -1;
	for (i = 0; i < count && elf->dynamic[i].d_tag != DT_NULL;)
		i++;
	elf->dynamic_count = i;
	return 0;
}

int
elf_file_read(struct elf_file *elf, const char *path, int fd, uint64_t size,
    struct error *err)
{
	memset(elf, 0, sizeof(*elf));
	elf->path = path;
	elf->fd = fd;
	elf->size = size;
	if (read_head(elf, err) == -1 || read_segments(elf, err) == -1 ||
	    read_dynamic(elf, err) == -1) {
		elf_file_done(elf);
		return -1;
	}
	return 0;
}

void
elf_file_done(struct elf_file *elf)
{
	free(elf->segments);
	free(elf->dynamic);
	elf->segments = NULL;
	elf->dynamic = NULL;
	elf->dynamic_count = 0;
}

bool
elf_file_dynamic(const struct elf_file *elf, ElfW(Sxword) tag,
    uint64_t *ret_value)
{
	bool found = false;

	for (size_t i = 0; i < elf->dynamic_count; i++)
		if (elf->dynamic[i].d_tag == tag) {
			*ret_value = elf->dynamic[i].d_un.d_val;
			found = true;
		}
	return found;
}

bool
elf_file_find(const struct elf_file *elf, uint64_t address, uint64_t len,
    uint64_t *ret_offset)
{
	const ElfW(Phdr) *segment;

	for (size_t i = 0; i < elf->head.e_phnum; i++) {
		segment = &elf->segments[i];
		if (segment->p_type != PT_LOAD || address < segment->p_vaddr ||
		    address - segment->p_vaddr > segment->p_filesz ||
		    len > segment->p_filesz - (address - segment->p_vaddr))
			continue;
		*ret_offset = segment->p_offset + (address - segment->p_vaddr);
		return true;
	}
	return false;
}

bool
elf_file_load(const struct elf_file *elf, uint64_t address, void *to,
    size_t len)
{
	uint64_t offset;

	return elf_file_find(elf, address, len, &offset) &&
	    memfd_read(elf->fd, to, len, (off_t)offset) == 0;
}

char *
elf_file_string(const struct elf_file *elf, uint64_t at)
{
	uint64_t strings = 0, size = 0;
	char text[ELF_STRING_MAX];

	if (!elf_file_dynamic(elf, DT_STRTAB, &strings) ||
	    !elf_file_dynamic(elf, DT_STRSZ, &size) || at >= size)
		return NULL;
	size -= at;
	if (size > sizeof(text))
		size = sizeof(text);
	if (!elf_file_load(elf, strings + at, text, (size_t)size) ||
	    memchr(text, '\0', (size_t)size) == NULL)
		return NULL;
	return strdup(text);
}
