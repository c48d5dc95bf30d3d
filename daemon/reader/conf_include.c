/* conf_include.c: the files that the main one includes. */

#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/same_file.h"
#include "config/keys.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/config_file.h"
#include "reader/problems.h"
#include "reader/tree.h"

#define FILES_MAX 1024 /* a glob that matches more is a mistake */

static bool
is_known(const struct settings *settings, const char *path)
{
	for (uint32_t i = 0; i < settings->file_count; i++)
		if (strcmp(settings->files[i], path) == 0)
			return true;
	return false;
}

/* Keys of an included file are added to those of the main file. */
static void
top_level(struct conf *conf, const char *file, const struct node *root)
{
	const struct key *key;
	struct origin at;

	for (uint32_t i = 0; i < root->count; i++) {
		key = key_find(settings_keys, root->children[i].name);
		at = conf_origin(file, &root->children[i]);
		if (key != NULL && key->flags & KEY_INCLUDED)
			conf_key(conf, file, key, &root->children[i],
			    conf->settings, "");
		else
			problem_error(conf->problems, &at,
			    "%s: an included file may contain only "
			    "\"listeners\" and \"connectors\"; move this "
			    "key to the main file",
			    root->children[i].name);
	}
}

static void
include_file(struct conf *conf, const struct origin *at, const char *path)
{
	struct node *root;
	const char *file;

	if (same_file(path, conf->path)) {
		problem_error(conf->problems, at,
		    "include: \"%s\" is the main file itself", path);
		return;
	}
	if (is_known(conf->settings, path))
		return; /* two globs match it */
	if (conf->settings->file_count > FILES_MAX) {
		problem_error(conf->problems, at,
		    "include: \"%s\" is one file too many; at most %d can be "
		    "included",
		    path, FILES_MAX);
		return;
	}
	file = settings_add_file(conf->settings, path);
	if (file == NULL) {
		problem_error(conf->problems, at, "out of memory");
		return;
	}
	root = tree_read(file, conf->problems);
	if (root != NULL)
		top_level(conf, file, root);
	tree_free(root);
}

/* An empty conf.d is normal; a missing file that was named is an error. */
static void
nothing_matches(struct conf *conf, const struct origin *at, const char *pattern)
{
	if (strpbrk(pattern, "*?[") == NULL)
		problem_error(conf->problems, at,
		    "include: \"%s\": there is no such file", pattern);
}

/* The error of glob(3).  Its callback has no argument, so it is kept here. */
static int glob_errno;

static int
on_glob_error(const char *path, int error)
{
	(void)path;
	/*
	 * A directory that does not exist is empty; one that we cannot read may
	 * have files.
	 */
	if (error == ENOENT)
		return 0;
	glob_errno = error;
	return 1;
}

/*
 * The directory of the main file is not a pattern, even if it looks like one.
 */
static char *
glob_pattern(const char *config, const char *text)
{
	const char *slash = strrchr(config, '/'), *p;
	char *pattern, *at;

	if (text[0] == '/' || slash == NULL)
		return strdup(text);
	pattern = at = malloc(2 * strlen(config) + strlen(text) + 2);
	if (pattern == NULL)
		return NULL;
	for (p = config; p <= slash; p++) {
		if (strchr("*?[\\", *p) != NULL)
			*at++ = '\\';
		*at++ = *p;
	}
	strcpy(at, text);
	return pattern;
}

/*
 * The directory of a pattern: what stands before its first wildcard, up to a
 * slash.  Owned by the caller.  NULL: it is that of the main file, or there is
 * no wildcard, or no memory.
 */
static char *
pattern_directory(const struct conf *conf, const char *text)
{
	size_t len = strcspn(text, "*?[\\");
	char *written, *path = NULL;

	if (text[len] == '\0')
		return NULL;
	while (len > 0 && text[len - 1] != '/')
		len--;
	if (len == 0)
		return NULL;
	if (len > 1)
		len--;
	written = strndup(text, len);
	if (written != NULL)
		path = config_file_path(conf->path, written);
	free(written);
	return path;
}

/*
 * May the files in it be read?  They are checked on their own, but also an
 * empty directory must not be one that others can put a file into.
 */
static bool
check_directory(struct conf *conf, const struct origin *at, const char *text)
{
	char *path = pattern_directory(conf, text);
	struct error doubt;
	bool good = true;
	int fd;

	if (path == NULL)
		return true;
	fd = config_file_open(path, &doubt);
	if (fd != -1) {
		close(fd);
	} else if (doubt.text[0] != '\0') {
		problem_error(conf->problems, at, "include: \"%s\": %s", text,
		    doubt.text);
		good = false;
	} else if (errno == ENOENT) {
		/* Its listeners may be missed only when it is too late. */
		problem_warn(conf->problems, at,
		    "include: \"%s\": there is no directory %s, so nothing "
		    "is included; create it, or remove the pattern",
		    text, path);
	}
	/* glob(3) has an error of its own for what else may be wrong. */
	free(path);
	return good;
}

static void
include_glob(struct conf *conf, const struct origin *at, const char *text)
{
	char *pattern = glob_pattern(conf->path, text);
	glob_t files;
	int error;

	if (pattern == NULL) {
		problem_error(conf->problems, at, "out of memory");
		return;
	}
	settings_add_source(conf->settings, pattern, true);
	if (!check_directory(conf, at, text)) {
		free(pattern);
		return;
	}
	memset(&files, 0, sizeof(files));
	glob_errno = 0;
	error = glob(pattern, 0, on_glob_error, &files);
	if (error == GLOB_NOMATCH)
		nothing_matches(conf, at, text);
	else if (error != 0)
		problem_error(conf->problems, at,
		    "include: \"%s\": cannot look for files: %s", pattern,
		    strerror(error == GLOB_ABORTED ? glob_errno : ENOMEM));
	else
		for (size_t i = 0; i < files.gl_pathc; i++)
			include_file(conf, at, files.gl_pathv[i]);
	globfree(&files);
	free(pattern);
}

void
conf_include(struct conf *conf)
{
	const struct settings *settings = conf->settings;

	for (uint32_t i = 0; i < settings->include_count; i++)
		include_glob(conf, &settings->includes[i].origin,
		    settings->includes[i].text);
}
