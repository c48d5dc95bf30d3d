/* material.c: the parts of a generation. */

#include "worker/material.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "config/bundle.h"
#include "config/secret.h"
#include "ipc/board.h"
#include "ipc/msg.h"
#include "worker/callback.h"
#include "worker/options.h"
#include "worker/ours.h"
#include "worker/plugin.h"
#include "worker/slow.h"

#define INDEX_MAX 4096 /* a message with a higher index is wrong */

void
material_init(struct material *material, material_report *report)
{
	*material = (struct material){ .report = report, .bundle_fd = -1 };
}

static void
close_fd(int fd)
{
	if (fd != -1)
		ours_close(fd);
}

void
material_close_secrets(struct material *material)
{
	for (uint32_t i = 0; i < material->secret_count; i++) {
		close_fd(material->secrets[i]);
		material->secrets[i] = -1;
	}
}

void
material_clear(struct material *material)
{
	close_fd(material->bundle_fd);
	for (uint32_t i = 0; i < material->image_count; i++) {
		close_fd(material->images[i]);
		if (material->plugins != NULL)
			plugin_unref(material->plugins[i]);
	}
	material_close_secrets(material);
	for (uint32_t i = 0; i < material->socket_count; i++)
		close_fd(material->sockets[i].fd);
	free(material->images);
	free(material->plugins);
	free(material->secrets);
	free(material->sockets);
	settings_free(material->settings);
	material_init(material, material->report);
}

/* Keep a descriptor at its index in the bundle. */
static int
add_at(int **fds, uint32_t *count, uint32_t index, const struct msg *msg,
    struct error *err)
{
	int *larger;

	if (index >= INDEX_MAX) {
		close_fd(msg->fd);
		return error_set(err, "%s: index %u is too large",
		    msg_name(msg->type), index);
	}
	if (index >= *count) {
		larger = realloc(*fds, (index + 1) * sizeof(*larger));
		if (larger == NULL) {
			close_fd(msg->fd);
			return error_set(err, "out of memory");
		}
		*fds = larger;
		while (*count <= index)
			larger[(*count)++] = -1;
	}
	close_fd((*fds)[index]);
	(*fds)[index] = msg->fd;
	return 0;
}

/* Takes the descriptor of the socket over, if it has one. */
static int
add_socket(struct material *material, const struct material_sock *socket,
    struct error *err)
{
	struct material_sock *more = realloc(material->sockets,
	    (material->socket_count + 1) * sizeof(*more));

	if (more == NULL) {
		close_fd(socket->fd);
		return error_set(err, "out of memory");
	}
	material->sockets = more;
	more[material->socket_count++] = *socket;
	return 0;
}

static struct material_sock
socket_of(const struct msg *msg)
{
	if (msg->type == MSG_ENDPOINT)
		return (struct material_sock){
			.endpoint = msg->endpoint.index,
			.slot = msg->endpoint.slot,
			.fd = -1,
			.bare = true,
		};
	ours_add(msg->fd);
	return (struct material_sock){
		.endpoint = msg->socket.listener,
		.index = msg->socket.address,
		.id = msg->socket.id,
		.slot = msg->socket.slot,
		.fd = msg->fd,
	};
}

static int
add(struct material *material, const struct msg *msg, struct error *err)
{
	struct material_sock socket;

	if (msg->fd == -1 && msg_takes_fd(msg->type))
		return error_set(err,
		    "%s came without its descriptor: this "
		    "process has too many open",
		    msg_name(msg->type));
	switch (msg->type) {
	case MSG_BUNDLE:
		close_fd(material->bundle_fd);
		material->bundle_fd = msg->fd;
		return 0;
	case MSG_IMAGE:
		return add_at(&material->images, &material->image_count,
		    msg->image.index, msg, err);
	case MSG_SECRET:
		ours_add(msg->fd);
		return add_at(&material->secrets, &material->secret_count,
		    msg->secret.index, msg, err);
	case MSG_SOCKET:
	case MSG_ENDPOINT:
		socket = socket_of(msg);
		return add_socket(material, &socket, err);
	default:
		close_fd(msg->fd);
		return error_set(err, "%s is not part of a generation",
		    msg_name(msg->type));
	}
}

int
material_add(struct material *material, const struct msg *msg,
    struct error *err)
{
	if (msg->generation != material->generation) {
		material_clear(material);
		material->generation = msg->generation;
	}
	if (add(material, msg, err) == -1) {
		material->incomplete = true;
		return -1;
	}
	return 0;
}

static bool
is_known(const struct settings *settings, const struct material_sock *socket)
{
	return socket->bare ? socket->endpoint < settings_endpoints(settings)
			    : socket->endpoint < settings->listener_count;
}

int
material_read(struct material *material, struct error *err)
{
	if (material->incomplete)
		return error_set(err, "not all of the generation arrived");
	if (material->bundle_fd == -1)
		return error_set(err, "no bundle was sent");
	material->settings = bundle_read(material->bundle_fd, err);
	if (material->settings == NULL)
		return -1;
	if (material->settings->image_count != material->image_count)
		return error_set(err,
		    "%u images were sent, but the bundle has %u",
		    material->image_count, material->settings->image_count);
	material->plugins =
	    calloc(material->image_count + 1, sizeof(*material->plugins));
	if (material->plugins == NULL)
		return error_set(err, "out of memory");
	for (uint32_t i = 0; i < material->socket_count; i++)
		if (!is_known(material->settings, &material->sockets[i]))
			return error_set(err,
			    "%s was sent that is not in the bundle",
			    material->sockets[i].bare
				? "a listener or connector"
				: "a socket for a listener");
	return 0;
}

int
material_problem(const struct material *material, const struct origin *origin,
    const char *fmt, ...)
{
	char text[ERROR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	material->report(material->generation, LOG_LEVEL_ERROR, origin, text);
	return -1;
}

int
material_refusal(const struct material *material,
    const struct listener_settings *listener, const struct origin *origin,
    const struct error *err)
{
	char option[OPTION_PATH_MAX];
	bool blamed;

	callback_take_blamed(option);
	blamed = option[0] != '\0';
	return material_problem(material,
	    blamed ? options_origin(listener, option) : origin,
	    "%s \"%s\": plugin \"%s\": %s%s%s", endpoint_kind(listener),
	    listener->name, listener->plugin, option, blamed ? ": " : "",
	    err->text);
}

/* The libraries that an image needs: borrowed, in an array the caller frees. */
static struct library_image *
find_libraries(const struct material *material,
    const struct image_settings *image, struct error *err)
{
	const struct settings *settings = material->settings;
	struct library_image *libraries;
	uint32_t index;

	libraries = calloc(image->need_count + 1, sizeof(*libraries));
	if (libraries == NULL) {
		error_set(err, "%s: out of memory", image->path);
		return NULL;
	}
	for (uint32_t i = 0; i < image->need_count; i++) {
		index = image->needs[i].image;
		libraries[i].name = image->needs[i].name;
		libraries[i].path = image->needs[i].name;
		libraries[i].fd = -1;
		if (index == NO_IMAGE)
			continue;
		libraries[i].path = settings->images[index].path;
		libraries[i].hash = settings->images[index].hash;
		libraries[i].fd = material->images[index];
		if (libraries[i].fd != -1)
			continue;
		error_set(err, "%s: its image was not sent", libraries[i].path);
		free(libraries);
		return NULL;
	}
	return libraries;
}

struct plugin *
material_plugin(struct material *material, uint32_t index, struct error *err)
{
	const struct image_settings *settings;
	struct plugin_image image;
	struct library_image *libraries;
	struct error what;

	if (index >= material->image_count) {
		error_set(err, "there is no image %u", index);
		return NULL;
	}
	if (material->plugins[index] != NULL)
		return material->plugins[index];
	settings = &material->settings->images[index];
	if (material->images[index] == -1) {
		error_set(err, "%s: its image was not sent, or did not load",
		    settings->path);
		return NULL;
	}
	libraries = find_libraries(material, settings, err);
	if (libraries == NULL)
		return NULL;
	image = (struct plugin_image){
		.path = settings->path,
		.hash = settings->hash,
		.fd = material->images[index],
		.libraries = libraries,
		.library_count = settings->need_count,
	};
	material->images[index] = -1;
	callback_show(CALLBACK_LOAD, board_code(material->generation, index));
	material->plugins[index] = plugin_load(&image, err);
	error_set(&what, "loading of plugin %s", settings->path);
	slow_tell_of(what.text, callback_hide());
	free(libraries);
	return material->plugins[index];
}

struct secret *
material_secret(const struct material *material, uint32_t index,
    struct error *err)
{
	if (index >= material->secret_count || material->secrets[index] == -1) {
		error_set(err, "secret %u was not sent", index);
		return NULL;
	}
	return secret_read(material->secrets[index], err);
}

static void
on_option_problem(void *arg, const struct origin *origin, const char *text)
{
	material_problem(arg, origin, "%s", text);
}

struct sl_options *
material_options(struct material *material,
    const struct listener_settings *listener, const struct plugin *plugin)
{
	return options_build(plugin->descriptor.options, listener,
	    on_option_problem, material);
}

bool
material_serves(const struct material *material, uint32_t endpoint)
{
	for (uint32_t i = 0; i < material->socket_count; i++)
		if (material->sockets[i].endpoint == endpoint)
			return true;
	return false;
}
