/* settings.c: one configuration, from settings_new() to settings_free(). */

#include "config/settings.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/array.h"
#include "config/keys.h"
#include "config/network.h"

struct settings *
settings_new(void)
{
	struct settings *settings = calloc(1, sizeof(*settings));

	if (settings == NULL)
		return NULL;
	if (keys_set_defaults(settings_keys, settings) == -1) {
		settings_free(settings);
		return NULL;
	}
	return settings;
}

uint32_t
settings_endpoints(const struct settings *settings)
{
	return settings->listener_count + settings->connector_count;
}

struct listener_settings *
settings_endpoint(const struct settings *settings, uint32_t index)
{
	return index < settings->listener_count
	    ? &settings->listeners[index]
	    : &settings->connectors[index - settings->listener_count];
}

const struct listener_settings *
settings_find(const struct settings *settings, const char *name)
{
	for (uint32_t i = 0; i < settings_endpoints(settings); i++)
		if (strcmp(settings_endpoint(settings, i)->name, name) == 0)
			return settings_endpoint(settings, i);
	return NULL;
}

bool
settings_workers_apart(const struct settings *settings)
{
	return settings->drop && settings->uid != geteuid();
}

const char *
tls_group(const struct listener_settings *endpoint,
    const struct tls_settings *tls)
{
	/* A connector has no other TLS. */
	return tls == &endpoint->connect_tls &&
		endpoint->connector.connect == NULL
	    ? "connect_tls"
	    : "tls";
}

const char *
endpoint_kind(const struct listener_settings *endpoint)
{
	return endpoint->connector.connect != NULL ? "connector" : "listener";
}

static void
image_done(struct image_settings *image)
{
	for (uint32_t i = 0; i < image->need_count; i++)
		free(image->needs[i].name);
	free(image->needs);
	free(image->soname);
	free(image->path);
}

void
settings_free(struct settings *settings)
{
	struct listener_settings *endpoint;

	if (settings == NULL)
		return;
	for (uint32_t i = 0; i < settings_endpoints(settings); i++) {
		endpoint = settings_endpoint(settings, i);
		free(endpoint->addresses);
		network_set_free(&endpoint->proxy.networks);
		network_set_free(&endpoint->guard.allowed);
		network_set_free(&endpoint->guard.denied);
	}
	free(settings->status.addresses);
	keys_free(settings_keys, settings);
	for (uint32_t i = 0; i < settings->image_count; i++)
		image_done(&settings->images[i]);
	free(settings->images);
	for (uint32_t i = 0; i < settings->secret_count; i++)
		free(settings->secrets[i].path);
	free(settings->secrets);
	for (uint32_t i = 0; i < settings->file_count; i++)
		free(settings->files[i]);
	free(settings->files);
	for (uint32_t i = 0; i < settings->source_count; i++)
		free(settings->sources[i]);
	free(settings->sources);
	free(settings);
}

struct listener_address *
listener_add_address(struct listener_settings *listener)
{
	void *array = listener->addresses, *address;

	address = array_grow(&array, listener->address_count,
	    sizeof(*listener->addresses));
	listener->addresses = array;
	if (address != NULL)
		listener->address_count++;
	return address;
}

struct image_settings *
settings_add_image(struct settings *settings)
{
	void *array = settings->images, *image;

	image = array_grow(&array, settings->image_count,
	    sizeof(*settings->images));
	settings->images = array;
	if (image != NULL)
		settings->image_count++;
	return image;
}

struct secret_settings *
settings_add_secret(struct settings *settings)
{
	void *array = settings->secrets, *secret;

	secret = array_grow(&array, settings->secret_count,
	    sizeof(*settings->secrets));
	settings->secrets = array;
	if (secret != NULL)
		settings->secret_count++;
	return secret;
}

struct image_need *
image_add_need(struct image_settings *image)
{
	void *array = image->needs, *need;

	need = array_grow(&array, image->need_count, sizeof(*image->needs));
	image->needs = array;
	if (need != NULL)
		image->need_count++;
	return need;
}

const char *
settings_add_file(struct settings *settings, const char *path)
{
	void *array = settings->files;
	char **file, *copy = strdup(path);

	if (copy == NULL)
		return NULL;
	file =
	    array_grow(&array, settings->file_count, sizeof(*settings->files));
	settings->files = array;
	if (file == NULL) {
		free(copy);
		return NULL;
	}
	settings->file_count++;
	return *file = copy;
}

int
settings_add_source(struct settings *settings, const char *path, bool pattern)
{
	void *array = settings->sources;
	char **source, *copy = malloc(2 * strlen(path) + 1), *at = copy;

	if (copy == NULL)
		return -1;
	for (; *path != '\0'; path++) {
		if (!pattern && strchr("*?[\\", *path) != NULL)
			*at++ = '\\';
		*at++ = *path;
	}
	*at = '\0';
	for (uint32_t i = 0; i < settings->source_count; i++)
		if (strcmp(settings->sources[i], copy) == 0) {
			free(copy);
			return 0;
		}
	source = array_grow(&array, settings->source_count, sizeof(*source));
	settings->sources = array;
	if (source == NULL) {
		free(copy);
		return -1;
	}
	settings->source_count++;
	*source = copy;
	return 0;
}
