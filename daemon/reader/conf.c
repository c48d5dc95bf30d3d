/* conf.c: the main file. */

#include "reader/conf.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "config/keys.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/config_file.h"
#include "reader/problems.h"
#include "reader/tree.h"

/*
 * Called in the order of the file, so what is in an included file comes
 * where `include` stands.
 */
static void
on_stored(struct conf *conf, const char *file, const struct key *key,
    const struct node *node, void *at)
{
	if (key->keys == listener_keys)
		conf_listener(conf, file, node, at);
	else if (key->keys == connector_keys)
		conf_connector(conf, file, node, at);
	else if (key->keys == worker_group_keys)
		conf_worker_group(conf, at);
	else if (at ==
	    conf->settings) /* `include` is its one list of strings */
		conf_include(conf);
}

/* Count the CPUs that we may use, not all that exist. */
static int64_t
cpu_count(void)
{
	cpu_set_t cpus;
	int count = 1;

	if (sched_getaffinity(0, sizeof(cpus), &cpus) == 0)
		count = CPU_COUNT(&cpus);
	if (count < 1)
		count = 1;
	return count > WORKERS_MAX ? WORKERS_MAX : count;
}

/* A relative path begins at the directory of the main file. */
static void
resolve_path(struct conf *conf, char **path)
{
	char *resolved;

	if (*path == NULL)
		return;
	resolved = config_file_path(conf->path, *path);
	if (resolved == NULL) {
		problem_error(conf->problems, NULL, "out of memory");
		return;
	}
	free(*path);
	*path = resolved;
}

static void
check_copies(struct conf *conf)
{
	const struct settings *settings = conf->settings;
	int error = 0;
	struct stat st;

	if (settings->plugin_copies == NULL)
		return;
	if (stat(settings->plugin_copies, &st) == -1)
		error = errno;
	else if (!S_ISDIR(st.st_mode))
		error = ENOTDIR;
	if (error == ENOENT)
		problem_error(conf->problems, &settings->plugin_copies_origin,
		    "plugin_copies: there is no directory \"%s\": make it",
		    settings->plugin_copies);
	else if (error != 0)
		problem_error(conf->problems, &settings->plugin_copies_origin,
		    "plugin_copies: \"%s\": %s", settings->plugin_copies,
		    error_text(error));
}

static void
check_count(struct conf *conf, const struct origin *file)
{
	uint32_t count = settings_endpoints(conf->settings);

	/* Files that could not be read have been reported. */
	if (count == 0 && conf->problems->errors == 0)
		problem_error(conf->problems, file,
		    "there are no listeners and no connectors, "
		    "so there is nothing to serve");
	if (count > LISTENERS_MAX)
		problem_error(conf->problems, file,
		    "there are %u listeners and connectors, and there may be "
		    "at most %d",
		    count, LISTENERS_MAX);
}

static void
finish(struct conf *conf, const struct origin *file)
{
	struct settings *settings = conf->settings;

	if (settings->workers == 0) {
		settings->workers = cpu_count();
		settings->workers_of_cpus = true;
	}
	resolve_path(conf, &settings->plugin_dir);
	resolve_path(conf, &settings->plugin_copies);
	resolve_path(conf, &settings->control);
	resolve_path(conf, &settings->log.file);
	resolve_path(conf, &settings->log.syslog_socket);
	check_copies(conf);
	conf_log(conf);
	conf_accounts(conf);
	conf_control(conf);
	conf_status(conf);
	conf_status_library(conf);
	check_count(conf, file);
	conf_workers(conf, file);
}

static const struct node *
child_named(const struct node *group, const char *name)
{
	for (uint32_t i = 0; i < group->count; i++)
		if (strcmp(group->children[i].name, name) == 0)
			return &group->children[i];
	return NULL;
}

/*
 * Before all keys are walked, so that it holds for the first problem, too.
 * What is wrong with the key itself is found by the walk.
 */
static void
tell_log_format(const struct node *root, struct problems *problems)
{
	const struct node *log = child_named(root, "log"), *format = NULL;
	const char *name = "text"; /* the default */

	if (problems->on_log_format == NULL)
		return;
	if (log != NULL && log->type == NODE_GROUP)
		format = child_named(log, "format");
	if (format != NULL)
		name = format->type == NODE_STRING ? format->string : "";
	if (strcmp(name, "json") == 0)
		problems->on_log_format(problems->arg, LOG_FORMAT_JSON);
	else if (strcmp(name, "text") == 0)
		problems->on_log_format(problems->arg, LOG_FORMAT_TEXT);
}

struct settings *
conf_read(const char *path, struct problems *problems)
{
	struct conf conf = { .path = path,
		.problems = problems,
		.on_stored = on_stored };
	struct origin file = { .file = path };
	struct node *root;

	conf.settings = settings_new();
	if (conf.settings == NULL)
		goto no_memory;
	file.file = settings_add_file(conf.settings, path);
	if (file.file == NULL)
		goto no_memory;
	root = tree_read(file.file, problems);
	if (root == NULL) {
		settings_free(conf.settings);
		return NULL;
	}
	tell_log_format(root, problems);
	conf_group(&conf, file.file, root, settings_keys, conf.settings, "");
	tree_free(root);
	finish(&conf, &file);
	return conf.settings;

no_memory:
	problem_error(problems, NULL, "out of memory");
	settings_free(conf.settings);
	return NULL;
}
