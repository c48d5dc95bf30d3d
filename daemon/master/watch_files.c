/* watch_files.c: the files that a reload would read. */

#include "master/watch_files.h"

#include <fnmatch.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"

#define NOTHING_NEW 1 /* of a pattern, unlike a missing file */

/* A stamp that differs when the file has changed, made without reading it. */
static uint64_t
look_at(const char *path, uint64_t hash)
{
	struct stat st;

	if (stat(path, &st) == -1)
		return 0;
	hash = hash_add(hash, &st.st_dev, sizeof(st.st_dev));
	hash = hash_add(hash, &st.st_ino, sizeof(st.st_ino));
	hash = hash_add(hash, &st.st_size, sizeof(st.st_size));
	hash = hash_add(hash, &st.st_mtim, sizeof(st.st_mtim));
	return hash_add(hash, &st.st_ctim, sizeof(st.st_ctim)) | 2;
}

static struct watch_file *
find(struct watch_files *files, const char *path, unsigned int *ret_count)
{
	struct watch_file *file;

	*ret_count = 0;
	LIST_FOREACH(file, files, link) {
		if (strcmp(file->path, path) == 0)
			return file;
		++*ret_count;
	}
	return NULL;
}

/*
 * What matches a pattern and was not there when the last reload began.  The
 * others have stamps of their own, so that one that is removed is waited for.
 */
static uint64_t
look_for_new(struct watch_files *files, const char *pattern)
{
	const struct watch_file *known;
	uint64_t hash = HASH_BEGIN;
	unsigned int ignored;
	bool any = false;
	glob_t found;

	memset(&found, 0, sizeof(found));
	if (glob(pattern, 0, NULL, &found) != 0)
		found.gl_pathc = 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		known = find(files, found.gl_pathv[i], &ignored);
		if (known != NULL && known->loaded != 0)
			continue;
		any = true;
		hash = hash_add(hash, found.gl_pathv[i],
		    strlen(found.gl_pathv[i]) + 1);
		hash = look_at(found.gl_pathv[i], hash);
	}
	globfree(&found);
	return any ? hash | 2 : NOTHING_NEW;
}

static uint64_t
look(struct watch_files *files, const struct watch_file *file)
{
	return file->is_pattern ? look_for_new(files, file->path)
				: look_at(file->path, HASH_BEGIN);
}

static void
drop(struct watch_file *file)
{
	LIST_REMOVE(file, link);
	free(file->path);
	free(file);
}

static bool
has_wildcard(const char *pattern)
{
	for (; *pattern != '\0'; pattern++) {
		if (strchr("*?[", *pattern) != NULL)
			return true;
		if (*pattern == '\\' && pattern[1] != '\0')
			pattern++;
	}
	return false;
}

void
watch_files_unescape(char *pattern)
{
	char *to = pattern;

	for (; *pattern != '\0'; pattern++) {
		if (*pattern == '\\' && pattern[1] != '\0')
			pattern++;
		*to++ = *pattern;
	}
	*to = '\0';
}

/* The row of that path, perhaps a new one without a stamp.  NULL: no room. */
static struct watch_file *
row(struct watch_files *files, const char *path, bool pattern)
{
	unsigned int count;
	struct watch_file *file = find(files, path, &count);

	if (file != NULL || count >= WATCH_FILES_MAX)
		return file;
	file = calloc(1, sizeof(*file));
	if (file == NULL || (file->path = strdup(path)) == NULL) {
		free(file);
		return NULL;
	}
	file->is_pattern = pattern;
	file->is_new = true;
	LIST_INSERT_HEAD(files, file, link);
	return file;
}

/* The file or pattern is read as it is now. */
static void
load(struct watch_files *files, struct watch_file *file)
{
	file->is_new = false;
	file->loaded = file->seen = look(files, file);
}

/* What matches now gets rows.  -1: there is no room for all of it. */
static int
expand(struct watch_files *files, const char *pattern)
{
	struct watch_file *file;
	int result = 0;
	glob_t found;

	memset(&found, 0, sizeof(found));
	if (glob(pattern, 0, NULL, &found) != 0)
		found.gl_pathc = 0;
	for (size_t i = 0; i < found.gl_pathc; i++) {
		file = row(files, found.gl_pathv[i], false);
		if (file == NULL)
			result = -1;
		else if (file->is_new)
			load(files, file);
	}
	globfree(&found);
	return result;
}

static int
add_pattern(struct watch_files *files, const char *pattern)
{
	struct watch_file *file = row(files, pattern, true), *match;
	int result = 0;

	if (file == NULL)
		return -1;
	if (file->is_new) {
		result = expand(files, pattern);
		load(files, file);
	}
	file->fresh = true;
	/* Also one that has gone since the reload began. */
	LIST_FOREACH(match, files, link)
		if (!match->is_pattern && match->loaded != 0 &&
		    fnmatch(pattern, match->path, FNM_PATHNAME | FNM_PERIOD) ==
			0)
			match->fresh = true;
	return result;
}

static int
add_file(struct watch_files *files, const char *path)
{
	struct watch_file *file = row(files, path, false);

	if (file == NULL)
		return -1;
	if (file->is_new)
		load(files, file);
	file->fresh = true;
	return 0;
}

int
watch_files_add(struct watch_files *files, const char *path, bool pattern)
{
	char *name;
	int result;

	if (!pattern)
		return add_file(files, path);
	if (has_wildcard(path))
		return add_pattern(files, path);
	name = strdup(path);
	if (name == NULL)
		return -1;
	watch_files_unescape(name);
	result = add_file(files, name);
	free(name);
	return result;
}

void
watch_files_begin(struct watch_files *files)
{
	struct watch_file *file;

	LIST_FOREACH(file, files, link) {
		file->fresh = false;
		if (!file->is_pattern)
			load(files, file);
	}
	/* New rows are put before the first, so this does not meet them. */
	LIST_FOREACH(file, files, link)
		if (file->is_pattern)
			(void)expand(files, file->path);
	LIST_FOREACH(file, files, link)
		if (file->is_pattern)
			load(files, file);
}

void
watch_files_end(struct watch_files *files, bool good)
{
	struct watch_file *file, *next;
	bool any = false;

	LIST_FOREACH(file, files, link)
		any = any || file->fresh;
	for (file = LIST_FIRST(files); file != NULL; file = next) {
		next = LIST_NEXT(file, link);
		/* If the reader named no files, keep those we know. */
		if (any && good)
			file->committed = file->fresh;
		if (any)
			file->attempted = file->fresh;
		file->fresh = false;
		if (!file->committed && !file->attempted)
			drop(file);
	}
}

void
watch_files_forget(struct watch_files *files)
{
	struct watch_file *file;

	LIST_FOREACH(file, files, link)
		file->loaded = 0;
}

void
watch_files_clear(struct watch_files *files)
{
	while (!LIST_EMPTY(files))
		drop(LIST_FIRST(files));
}

bool
watch_files_look(struct watch_files *files)
{
	struct watch_file *file;
	bool moved = false;
	uint64_t now;

	LIST_FOREACH(file, files, link) {
		now = look(files, file);
		moved = moved || now != file->seen;
		file->seen = now;
		if (now != 0)
			file->told_gone = false;
	}
	return moved;
}

struct watch_file *
watch_files_changed(struct watch_files *files)
{
	struct watch_file *file;

	LIST_FOREACH(file, files, link)
		if (file->seen != file->loaded && file->seen != 0)
			return file;
	return NULL;
}

static const char *
last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash != NULL ? slash + 1 : path;
}

struct watch_file *
watch_files_named(struct watch_files *files, const char *name)
{
	struct watch_file *file;

	LIST_FOREACH(file, files, link)
		if (file->is_pattern
			? fnmatch(last_part(file->path), name, 0) == 0
			: strcmp(last_part(file->path), name) == 0)
			return file;
	return NULL;
}
