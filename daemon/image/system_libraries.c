/*
 * system_libraries.c: what ldconfig(8) has found.  The cache is a sorted list
 * for every kind of machine that this one can run.  So it is read from the
 * beginning, and each file is checked.
 */

#include "image/system_libraries.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/open_file.h"
#include "image/elf_file.h"

#define CACHE_FILE "/etc/ld.so.cache"
#define CACHE_MAGIC "glibc-ld.so.cache1.1"
#define CACHE_MAX (64 << 20) /* 100 KiB are usual */

/* The format of the file, which has no manual page. */
struct cache_head {
	char magic[20];
	uint32_t count, strings_size;
	uint32_t unused[5];
};
struct cache_entry {
	int32_t flags;
	uint32_t name, path; /* from the beginning of the file */
	uint32_t os_version;
	uint64_t hardware;
};

static char *
read_file(const char *path, size_t *ret_size)
{
	int fd = open_file(AT_FDCWD, path, 0);
	struct stat st;
	char *data = NULL;
	size_t size = 0;
	ssize_t n = 1;

	if (fd == -1)
		return NULL;
	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size <= CACHE_MAX)
		data = malloc((size_t)st.st_size);
	while (data != NULL && size < (size_t)st.st_size && n > 0) {
		n = read(fd, data + size, (size_t)st.st_size - size);
		if (n > 0)
			size += (size_t)n;
	}
	close(fd);
	*ret_size = size;
	return data;
}

/* The directories that are built into the loader. */
static char **
default_dirs(void)
{
	void *handle = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);
	Dl_serinfo size, *info = NULL;
	char **dirs = NULL;
	unsigned int count = 0;

	if (handle == NULL)
		return NULL;
	if (dlinfo(handle, RTLD_DI_SERINFOSIZE, &size) == 0 &&
	    (info = malloc(size.dls_size)) != NULL) {
		*info = size;
		if (dlinfo(handle, RTLD_DI_SERINFO, info) == 0)
			dirs = calloc(info->dls_cnt + 1, sizeof(*dirs));
	}
	for (unsigned int i = 0; dirs != NULL && i < info->dls_cnt; i++)
		if ((info->dls_serpath[i].dls_flags & LA_SER_DEFAULT) &&
		    (dirs[count] = strdup(info->dls_serpath[i].dls_name)) !=
			NULL)
			count++;
	free(info);
	dlclose(handle);
	return dirs;
}

void
system_libraries_open(struct system_libraries *libraries)
{
	char *begin;

	libraries->cache_size = 0;
	libraries->cache = read_file(CACHE_FILE, &libraries->cache_size);
	libraries->dirs = default_dirs();
	/* Before glibc 2.32 an older header came first. */
	begin = libraries->cache == NULL
	    ? NULL
	    : memmem(libraries->cache, libraries->cache_size, CACHE_MAGIC,
		  sizeof(CACHE_MAGIC) - 1);
	if (begin == NULL) {
		libraries->cache_size = 0;
		return;
	}
	libraries->cache_size -= (size_t)(begin - libraries->cache);
	memmove(libraries->cache, begin, libraries->cache_size);
}

void
system_libraries_close(struct system_libraries *libraries)
{
	for (size_t i = 0;
	     libraries->dirs != NULL && libraries->dirs[i] != NULL; i++)
		free(libraries->dirs[i]);
	free(libraries->dirs);
	free(libraries->cache);
	memset(libraries, 0, sizeof(*libraries));
}

bool
system_libraries_fits(const char *path)
{
	int fd = open_file(AT_FDCWD, path, 0);
	struct elf_file elf;
	struct error ignored;
	struct stat st;
	bool fits;

	if (fd == -1)
		return false;
	fits = fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
	    elf_file_read(&elf, path, fd, (uint64_t)st.st_size, &ignored) == 0;
	if (fits)
		elf_file_done(&elf);
	close(fd);
	return fits;
}

/* A string of the cache, or NULL. */
static const char *
cache_string(const struct system_libraries *libraries, uint32_t at)
{
	if (at >= libraries->cache_size ||
	    memchr(libraries->cache + at, '\0', libraries->cache_size - at) ==
		NULL)
		return NULL;
	return libraries->cache + at;
}

static char *
find_in_cache(const struct system_libraries *libraries, const char *wanted)
{
	const char *name, *path;
	struct cache_head head;
	struct cache_entry entry;

	if (libraries->cache_size < sizeof(head))
		return NULL;
	memcpy(&head, libraries->cache, sizeof(head));
	if (head.count > (libraries->cache_size - sizeof(head)) / sizeof(entry))
		return NULL;
	for (size_t i = 0; i < head.count; i++) {
		memcpy(&entry,
		    libraries->cache + sizeof(head) + i * sizeof(entry),
		    sizeof(entry));
		name = cache_string(libraries, entry.name);
		path = cache_string(libraries, entry.path);
		if (name != NULL && path != NULL && strcmp(name, wanted) == 0 &&
		    system_libraries_fits(path))
			return strdup(path);
	}
	return NULL;
}

/* Before it searches, the loader uses what is loaded already.  Runs no code. */
static char *
find_loaded(const char *name)
{
	void *handle = dlopen(name, RTLD_LAZY | RTLD_NOLOAD);
	struct link_map *map = NULL;
	char *path = NULL;

	if (handle == NULL)
		return NULL;
	if (dlinfo(handle, RTLD_DI_LINKMAP, &map) == 0)
		path = strdup(map->l_name);
	dlclose(handle);
	return path;
}

char *
system_libraries_find(const struct system_libraries *libraries,
    const char *name)
{
	char *path = find_loaded(name);

	if (path == NULL)
		path = find_in_cache(libraries, name);
	for (size_t i = 0; path == NULL && libraries->dirs != NULL &&
	     libraries->dirs[i] != NULL;
	     i++) {
		if (asprintf(&path, "%s/%s", libraries->dirs[i], name) == -1)
			return NULL;
		if (!system_libraries_fits(path)) {
			free(path);
			path = NULL;
		}
	}
	return path;
}
