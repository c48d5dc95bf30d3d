/* elf_needs.c: reads the dynamic section. */

#include "image/elf_needs.h"

#include <link.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "image/elf_file.h"

static int
damaged(const struct elf_file *elf, struct error *err)
{
	return error_set(err,
	    "%s: the names of the libraries it needs are damaged", elf->path);
}

/* The string of a tag that may be absent. */
static int
read_string(const struct elf_file *elf, ElfW(Sxword) tag, char **ret,
    struct error *err)
{
	uint64_t at = 0;

	if (!elf_file_dynamic(elf, tag, &at))
		return 0;
	*ret = elf_file_string(elf, at);
	return *ret != NULL ? 0 : damaged(elf, err);
}

static int
read_names(struct elf_needs *needs, const struct elf_file *elf,
    struct error *err)
{
	char *name;

	needs->names = calloc(elf->dynamic_count + 1, sizeof(*needs->names));
	if (needs->names == NULL)
		return error_sys(err, "%s", elf->path);
	for (size_t i = 0; i < elf->dynamic_count; i++) {
		if (elf->dynamic[i].d_tag != DT_NEEDED)
			continue;
		name = elf_file_string(elf, elf->dynamic[i].d_un.d_val);
		if (name == NULL || *name == '\0') {
			free(name);
			return damaged(elf, err);
		}
		needs->names[needs->count++] = name;
	}
	return 0;
}

/* The loader would load these libraries, too. */
static int
check_filters(const struct elf_file *elf, struct error *err)
{
	uint64_t at = 0;

	if (!elf_file_dynamic(elf, DT_FILTER, &at) &&
	    !elf_file_dynamic(elf, DT_AUXILIARY, &at))
		return 0;
	return error_set(err,
	    "%s: stands in for another library (DT_FILTER, DT_AUXILIARY); "
	    "link it without -F and -f",
	    elf->path);
}

int
elf_needs_read(struct elf_needs *needs, const char *path, int fd, uint64_t size,
    struct error *err)
{
	struct elf_file elf;
	int result = -1;

	memset(needs, 0, sizeof(*needs));
	if (elf_file_read(&elf, path, fd, size, err) == -1)
		return -1;
	if (check_filters(&elf, err) == 0 &&
	    read_names(needs, &elf, err) == 0 &&
	    read_string(&elf, DT_SONAME, &needs->soname, err) == 0 &&
	    read_string(&elf, DT_RUNPATH, &needs->runpath, err) == 0)
		result = needs->runpath != NULL
		    ? 0
		    : read_string(&elf, DT_RPATH, &needs->rpath, err);
	elf_file_done(&elf);
	return result;
}

void
elf_needs_done(struct elf_needs *needs)
{
	for (size_t i = 0; i < needs->count; i++)
		free(needs->names[i]);
	free(needs->names);
	free(needs->soname);
	free(needs->runpath);
	free(needs->rpath);
	memset(needs, 0, sizeof(*needs));
}
