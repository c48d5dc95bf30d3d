/* descriptor.c: checks a descriptor, pointer by pointer, before it is used. */

#include "worker/descriptor.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "worker/image_map.h"
#include "worker/plugin.h"

/* clang-format off */
#define MEMBER(type, member) { #member, offsetof(type, member) }
/* clang-format on */

const struct callback_member plugin_callbacks[] = {
	MEMBER(struct sl_plugin, check),
	MEMBER(struct sl_plugin, start),
	MEMBER(struct sl_plugin, reload),
	MEMBER(struct sl_plugin, stop),
	MEMBER(struct sl_plugin, migrate),
	MEMBER(struct sl_plugin, timer),
	{ NULL, 0 },
};

const struct callback_member handler_callbacks[] = {
	MEMBER(struct sl_handlers, open),
	MEMBER(struct sl_handlers, data),
	MEMBER(struct sl_handlers, drain),
	MEMBER(struct sl_handlers, end),
	MEMBER(struct sl_handlers, timeout),
	MEMBER(struct sl_handlers, handshake),
	MEMBER(struct sl_handlers, error),
	MEMBER(struct sl_handlers, connect_error),
	MEMBER(struct sl_handlers, close),
	{ NULL, 0 },
};

/* The plugin that is checked, and where the reason for a refusal goes. */
struct proof {
	const struct plugin *plugin;
	const char *path;
	struct error *err;
};

static const void *
function_at(const void *of, const struct callback_member *member)
{
	const void *function;

	memcpy(&function, (const char *)of + member->offset, sizeof(function));
	return function;
}

int
callback_present(const void *of, const struct callback_member *member)
{
	return function_at(of, member) != NULL;
}

static int
not_its_own(const struct proof *proof, const char *what, const void *at)
{
	char place[PLACE_TEXT_MAX];

	if (plugin_room(proof->plugin, at, 0) > 0)
		return error_set(proof->err,
		    "%s: %s is in the plugin's memory, but cannot be used there",
		    proof->path, what);
	return error_set(proof->err,
	    "%s: %s lies in %s, not in the plugin; make it static, or compile "
	    "with -fvisibility=hidden",
	    proof->path, what, image_map_place(at, place));
}

/* Is there a struct of `size` bytes that can be read? */
static int
check_data(const struct proof *proof, const char *what, const void *at,
    size_t size, size_t alignment)
{
	if (plugin_room(proof->plugin, at, PF_R) < size)
		return not_its_own(proof, what, at);
	if ((uintptr_t)at % alignment != 0)
		return error_set(proof->err,
		    "%s: %s is at a misaligned address", proof->path, what);
	return 0;
}

/* Is there a string, with its end?  NULL is fine. */
static int
check_string(const struct proof *proof, const char *what, const char *string)
{
	size_t room = plugin_room(proof->plugin, string, PF_R);

	if (string == NULL)
		return 0;
	if (room == 0)
		return not_its_own(proof, what, string);
	if (memchr(string, '\0', room) == NULL)
		return error_set(proof->err, "%s: %s does not end", proof->path,
		    what);
	return 0;
}

/*
 * Check the functions in our copy of a struct.  A function of the daemon's API
 * is as good as the plugin's own: `data` may be sl_write().
 */
static int
check_functions(const struct proof *proof, const char *whose, const void *of,
    const struct callback_member *member)
{
	const void *function;
	char what[64];

	for (; member->name != NULL; member++) {
		if ((function = function_at(of, member)) == NULL ||
		    plugin_room(proof->plugin, function, PF_X) > 0 ||
		    image_map_is_call(function))
			continue;
		snprintf(what, sizeof(what), "its %s \"%s\"", whose,
		    member->name);
		return not_its_own(proof, what, function);
	}
	return 0;
}

static int
check_option(const struct proof *proof, const struct sl_option *option,
    unsigned int number)
{
	char what[64];

	snprintf(what, sizeof(what), "the name of its option %u", number);
	if (check_string(proof, what, option->name) == -1)
		return -1;
	snprintf(what, sizeof(what), "the default of its option %u", number);
	if (check_string(proof, what, option->value) == -1)
		return -1;
	snprintf(what, sizeof(what), "the help of its option %u", number);
	if (check_string(proof, what, option->help) == -1)
		return -1;
	if (option->type < SL_OPTION_STRING || option->type > SL_OPTION_STRINGS)
		return error_set(proof->err,
		    "%s: its option \"%s\" has the unknown type %u",
		    proof->path, option->name, option->type);
	return 0;
}

static int
check_options(const struct proof *proof, const struct sl_option *table)
{
	size_t rows;

	if (table == NULL)
		return 0;
	if (check_data(proof, "its option table", table, sizeof(*table),
		_Alignof(struct sl_option)) == -1)
		return -1;
	rows = plugin_room(proof->plugin, table, PF_R) / sizeof(*table);
	for (unsigned int i = 0; i < rows; i++) {
		if (table[i].name == NULL)
			return 0;
		if (check_option(proof, &table[i], i + 1) == -1)
			return -1;
	}
	return error_set(proof->err,
	    "%s: its option table does not end with an empty row", proof->path);
}

/* Copy a struct that begins with its size, up to the smaller of both sizes. */
static int
take_handlers(const struct proof *proof, struct sl_handlers *to,
    const struct sl_handlers *from, const char *which)
{
	char what[32], whose[32];
	size_t size;

	snprintf(what, sizeof(what), "its table of %s handlers", which);
	snprintf(whose, sizeof(whose), "%s handler", which);
	if (check_data(proof, what, from, sizeof(from->size),
		_Alignof(struct sl_handlers)) == -1)
		return -1;
	size = from->size < sizeof(*to) ? from->size : sizeof(*to);
	if (check_data(proof, what, from, size, _Alignof(struct sl_handlers)) ==
	    -1)
		return -1;
	memset(to, 0, sizeof(*to));
	memcpy(to, from, size);
	to->size = sizeof(*to);
	if (check_functions(proof, whose, to, handler_callbacks) == -1)
		return -1;
	if (to->data == NULL && to->drain == NULL)
		return error_set(proof->err,
		    "%s: its %s handlers have neither data nor drain",
		    proof->path, which);
	return 0;
}

/* Is the symbol plain data of this image, and as large as it says? */
static int
check_symbol(const struct proof *proof, const struct sl_plugin *d)
{
	const struct plugin *plugin = proof->plugin;
	const ElfW(Sym) *symbol = NULL;
	Dl_info info;

	if (dladdr1(d, &info, (void **)&symbol, RTLD_DL_SYMENT) == 0 ||
	    symbol == NULL || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT)
		return error_set(proof->err,
		    "%s: is not a plugin: its \"sl_plugin\" is not plain "
		    "data; SL_PLUGIN() makes it",
		    proof->path);
	if (image_map_room(&plugin->map, d, 0) == 0)
		return error_set(proof->err,
		    "%s: is not a plugin: its \"sl_plugin\" is that of "
		    "another file it needs",
		    proof->path);
	if (image_map_room(&plugin->map, d, PF_X) > 0)
		return error_set(proof->err,
		    "%s: is not a plugin: its \"sl_plugin\" lies among the "
		    "code; SL_PLUGIN() puts it where data is",
		    proof->path);
	if (check_data(proof, "its descriptor", d, symbol->st_size,
		_Alignof(struct sl_plugin)) == -1)
		return -1;
	if (symbol->st_size < offsetof(struct sl_plugin, name) ||
	    (d->abi == SL_ABI && symbol->st_size < d->size))
		return error_set(proof->err,
		    "%s: its descriptor has %zu bytes, less than it says",
		    proof->path, (size_t)symbol->st_size);
	return 0;
}

static int
check_version(const struct proof *proof, const struct sl_plugin *d)
{
	size_t least = offsetof(struct sl_plugin, client) + sizeof(d->client);

	if (d->abi != SL_ABI)
		return error_set(proof->err,
		    "%s: was built for plugin ABI %u, this daemon has %u; "
		    "rebuild it with this daemon's sluice.h",
		    proof->path, d->abi, SL_ABI);
	if (d->size < least)
		return error_set(proof->err,
		    "%s: its descriptor says it has %u bytes, but ABI %u "
		    "begins with %zu",
		    proof->path, d->size, SL_ABI, least);
	return 0;
}

static int
check_texts(const struct proof *proof, const struct sl_plugin *d)
{
	if (check_string(proof, "its name", d->name) == -1 ||
	    check_string(proof, "its version", d->version) == -1 ||
	    check_string(proof, "its summary", d->summary) == -1)
		return -1;
	if (d->name == NULL || d->name[0] == '\0')
		return error_set(proof->err, "%s: its descriptor has no name",
		    proof->path);
	return 0;
}

int
descriptor_take(struct plugin *plugin, const char *path, struct error *err)
{
	const struct proof proof = { plugin, path, err };
	const struct sl_plugin *from = plugin->exported;
	struct sl_plugin *d = &plugin->descriptor;

	if (check_symbol(&proof, from) == -1 ||
	    check_version(&proof, from) == -1)
		return -1;
	memcpy(d, from, from->size < sizeof(*d) ? from->size : sizeof(*d));
	d->size = sizeof(*d);
	if (check_texts(&proof, d) == -1 ||
	    check_functions(&proof, "callback", d, plugin_callbacks) == -1 ||
	    check_options(&proof, d->options) == -1)
		return -1;
	if (d->version == NULL)
		d->version = "";
	if (d->server == NULL)
		return error_set(err,
		    "%s: its descriptor has no server "
		    "handlers",
		    path);
	if (take_handlers(&proof, &plugin->server, d->server, "server") == -1)
		return -1;
	return take_handlers(&proof, &plugin->client,
	    d->client != NULL ? d->client : d->server, "client");
}
