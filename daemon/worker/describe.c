/* describe.c: `sluiced --describe`: what a plugin says of itself. */

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/json_text.h"
#include "base/libc_data.h"
#include "base/log.h"
#include "base/roles.h"
#include "image/libraries.h"
#include "ipc/answers.h"
#include "ipc/hello.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "ipc/privileges.h"
#include "worker/descriptor.h"
#include "worker/options.h"
#include "worker/plugin.h"

#define NAMES_MAX 16 /* more than any table of callbacks has */

struct named {
	const char *name;
	bool present;
};

/* Fills in the name of each callback, and whether the plugin has it. */
static void
list_callbacks(const void *of, const struct callback_member *member,
    struct named *names)
{
	for (; member->name != NULL; member++, names++) {
		names->name = member->name;
		names->present = callback_present(of, member);
	}
	names->name = NULL;
}

static void
list_flags(const struct sl_plugin *d, struct named names[3])
{
	names[0] = (struct named){ "many-workers", d->flags & SL_MANY_WORKERS };
	names[1] = (struct named){ "unloadable", d->flags & SL_UNLOADABLE };
	names[2] = (struct named){ NULL, false };
}

/*
 * A plugin's text may contain anything, so control characters are escaped for
 * the terminal.  The result is valid until the fourth call after this one.
 */
static const char *
clean(const char *text)
{
	static char clean[4][1024];
	static unsigned int next;

	return escape_text(text, clean[next++ % 4], sizeof(clean[0]));
}

static void
print_names(const char *title, const struct named *names)
{
	bool any = false;

	printf("%-15s", title);
	for (; names->name != NULL; names++) {
		if (names->present)
			printf(" %s", names->name);
		any |= names->present;
	}
	printf("%s\n", any ? "" : " none");
}

/* Only the plugin's own libraries, not those of the system. */
static void
print_libraries(const struct plugin_image *image)
{
	const struct library_image *library;

	for (uint32_t i = 0; i < image->library_count; i++) {
		library = &image->libraries[i];
		if (library->fd != -1)
			printf("%-15s %s (%s)\n",
			    "library:", clean(library->name),
			    clean(library->path));
	}
}

static void
print_text(const struct plugin *plugin, const struct plugin_image *image)
{
	const struct sl_plugin *d = &plugin->descriptor;
	struct named names[NAMES_MAX];

	printf("%-15s %s\n", "name:", clean(d->name));
	printf("%-15s %s\n", "version:", clean(d->version));
	if (d->summary != NULL)
		printf("%-15s %s\n", "summary:", clean(d->summary));
	printf("%-15s %u\n", "abi:", d->abi);
	printf("%-15s %u\n", "state version:", d->state_version);
	list_flags(d, names);
	print_names("flags:", names);
	list_callbacks(d, plugin_callbacks, names);
	print_names("callbacks:", names);
	list_callbacks(&plugin->server, handler_callbacks, names);
	print_names("server:", names);
	if (d->client != NULL) {
		list_callbacks(&plugin->client, handler_callbacks, names);
		print_names("client:", names);
	}
	print_libraries(image);
	if (d->options == NULL || d->options->name == NULL) {
		printf("%-15s none\n", "options:");
		return;
	}
	printf("options:\n");
	for (const struct sl_option *o = d->options; o->name != NULL; o++)
		printf("  %s (%s, default: %s)%s%s\n", clean(o->name),
		    options_type_name(o->type),
		    o->value != NULL ? clean(o->value) : "none",
		    o->help != NULL ? ": " : "",
		    o->help != NULL ? clean(o->help) : "");
}

static json_t *
json_names(const struct named *names)
{
	json_t *array = json_array();

	for (; names->name != NULL; names++)
		if (names->present)
			json_array_append_new(array, json_string(names->name));
	return array;
}

static json_t *
json_libraries(const struct plugin_image *image)
{
	const struct library_image *library;
	json_t *array = json_array(), *one;

	for (uint32_t i = 0; i < image->library_count; i++) {
		library = &image->libraries[i];
		if (library->fd == -1)
			continue;
		one = json_object();
		json_object_set_new(one, "name", json_text(library->name));
		json_object_set_new(one, "path", json_text(library->path));
		json_array_append_new(array, one);
	}
	return array;
}

static int
print_json(const struct plugin *plugin, const struct plugin_image *image)
{
	const struct sl_plugin *d = &plugin->descriptor;
	json_t *root = json_object(), *options = json_array();
	struct named names[NAMES_MAX];
	int rc;

	json_object_set_new(root, "name", json_text(d->name));
	json_object_set_new(root, "version", json_text(d->version));
	json_object_set_new(root, "summary", json_text(d->summary));
	json_object_set_new(root, "abi", json_integer(d->abi));
	json_object_set_new(root, "state_version",
	    json_integer(d->state_version));
	list_flags(d, names);
	json_object_set_new(root, "flags", json_names(names));
	list_callbacks(d, plugin_callbacks, names);
	json_object_set_new(root, "callbacks", json_names(names));
	list_callbacks(&plugin->server, handler_callbacks, names);
	json_object_set_new(root, "server", json_names(names));
	list_callbacks(&plugin->client, handler_callbacks, names);
	json_object_set_new(root, "client",
	    d->client != NULL ? json_names(names) : json_null());
	for (const struct sl_option *o = d->options;
	     o != NULL && o->name != NULL; o++) {
		json_t *option = json_object();

		json_object_set_new(option, "name", json_text(o->name));
		json_object_set_new(option, "type",
		    json_string(options_type_name(o->type)));
		json_object_set_new(option, "default", json_text(o->value));
		json_object_set_new(option, "help", json_text(o->help));
		json_array_append_new(options, option);
	}
	json_object_set_new(root, "options", options);
	json_object_set_new(root, "libraries", json_libraries(image));
	rc = json_dumpf(root, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(root);
	return rc;
}

/*
 * The plugin with its libraries, as the master sends them: the libraries come
 * first.  A library of the system comes as a name only, without a file.
 */
struct parts {
	struct plugin_image plugin;
	struct library_image libraries[LIBRARIES_MAX];
};

static const uint8_t no_hash[IMAGE_HASH_SIZE];

static int
receive_parts(struct parts *parts)
{
	struct library_image *library;
	struct packet room;
	struct error err;
	struct msg msg;

	memset(parts, 0, sizeof(*parts));
	parts->plugin.libraries = parts->libraries;
	parts->plugin.hash = no_hash;
	while (packet_recv(CHILD_CHANNEL_FD, &room, &msg, &err) == 1 &&
	    msg.type == MSG_FILE) {
		if (!msg.file.is_library) {
			parts->plugin.path = strdup(msg.file.path);
			parts->plugin.fd = msg.fd;
			return parts->plugin.path != NULL && msg.fd != -1 ? 0
									  : -1;
		}
		if (parts->plugin.library_count == LIBRARIES_MAX)
			return -1;
		library = &parts->libraries[parts->plugin.library_count++];
		library->name = strdup(msg.file.name);
		library->path = strdup(msg.file.path);
		library->hash = no_hash;
		library->fd = msg.fd;
		if (library->name == NULL || library->path == NULL)
			return -1;
	}
	return -1;
}

static void
say_problem(struct answers *answers, const struct error *err)
{
	answers_say(answers,
	    &(struct msg){
		.type = MSG_PROBLEM,
		.problem.level = LOG_LEVEL_ERROR,
		.problem.text = err->text,
	    });
}

int
describe_main(void)
{
	static struct parts parts; /* never freed: the process is short */
	static struct answers *answers;
	struct plugin *plugin;
	struct hello hello;
	struct error err;
	int rc = 0;

	if (hello_receive(&hello, NULL, &answers) == -1)
		return EXIT_FAILURE;
	if (privileges_drop(&hello, SIGKILL, &err) == -1) {
		log_errorx("%s", err.text);
		return EXIT_FAILURE;
	}
	if (receive_parts(&parts) == -1)
		return EXIT_FAILURE;
	plugin = plugin_load(&parts.plugin, &err);
	if (plugin == NULL) {
		say_problem(answers, &err);
		answers_say(answers, &(struct msg){ .type = MSG_REFUSED });
		return EXIT_FAILURE;
	}
	if (hello.json)
		rc = print_json(plugin, &parts.plugin);
	else
		print_text(plugin, &parts.plugin);
	if (rc == -1 || fflush(stdout) == EOF || ferror(stdout)) {
		error_sys(&err, "%s: cannot print it", parts.plugin.path);
		say_problem(answers, &err);
		return EXIT_FAILURE;
	}
	answers_say(answers, &(struct msg){ .type = MSG_PREPARED });
	return EXIT_SUCCESS;
}
