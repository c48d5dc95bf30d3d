/* gen.c: puts a generation together, keeps it and sends it to workers. */

#include "master/gen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "ipc/msg.h"
#include "master/child.h"
#include "master/slots.h"
#include "master/sockets.h"

struct gen *
gen_new(uint32_t number)
{
	struct gen *gen = calloc(1, sizeof(*gen));

	if (gen == NULL)
		return NULL;
	gen->refs = 1;
	gen->number = number;
	gen->bundle_fd = -1;
	return gen;
}

struct gen *
gen_ref(struct gen *gen)
{
	gen->refs++;
	return gen;
}

static void
free_slots(struct gen *gen)
{
	if (gen->slots == NULL)
		return;
	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++)
		slots_unref(gen->slot_table, gen->slots[i]);
	free(gen->slots);
	free(gen->endpoint_groups);
}

static void
close_secrets(struct gen *gen)
{
	for (uint32_t i = 0;
	     gen->secrets != NULL && i < gen->settings->secret_count; i++)
		if (gen->secrets[i] != -1)
			close(gen->secrets[i]);
	free(gen->secrets);
}

void
gen_unref(struct gen *gen)
{
	if (gen == NULL || --gen->refs > 0)
		return;
	gen_drop_sockets(gen, NULL);
	free(gen->sockets);
	gen_drop_page(gen);
	if (gen->settings != NULL) {
		free_slots(gen);
		for (uint32_t i = 0;
		     gen->images != NULL && i < gen->settings->image_count; i++)
			if (gen->images[i].fd != -1)
				close(gen->images[i].fd);
		close_secrets(gen);
	}
	free(gen->images);
	free(gen->modes);
	if (gen->bundle_fd != -1)
		close(gen->bundle_fd);
	settings_free(gen->settings);
	free(gen);
}

/* Room for what the settings name and the reader has not sent yet. */
static int
make_slots(struct gen *gen)
{
	gen->images =
	    calloc(gen->settings->image_count + 1, sizeof(*gen->images));
	gen->secrets =
	    calloc(gen->settings->secret_count + 1, sizeof(*gen->secrets));
	if (gen->images != NULL)
		for (uint32_t i = 0; i < gen->settings->image_count; i++)
			gen->images[i].fd = -1;
	if (gen->secrets != NULL)
		for (uint32_t i = 0; i < gen->settings->secret_count; i++)
			gen->secrets[i] = -1;
	return gen->images != NULL && gen->secrets != NULL ? 0 : -1;
}

static int
copy_fd(int *to, int from)
{
	*to = fcntl(from, F_DUPFD_CLOEXEC, 3);
	return *to == -1 ? -1 : 0;
}

static int
copy_descriptors(struct gen *copy, const struct gen *gen)
{
	if (make_slots(copy) == -1)
		return -1;
	for (uint32_t i = 0; i < gen->settings->image_count; i++) {
		copy->images[i].facts = gen->images[i].facts;
		if (copy_fd(&copy->images[i].fd, gen->images[i].fd) == -1)
			return -1;
	}
	for (uint32_t i = 0; i < gen->settings->secret_count; i++)
		if (copy_fd(&copy->secrets[i], gen->secrets[i]) == -1)
			return -1;
	return 0;
}

struct gen *
gen_again(const struct gen *gen, uint32_t number, struct error *err)
{
	struct gen *copy = gen_new(number);

	if (copy == NULL) {
		error_sys(err, "cannot make a generation");
		return NULL;
	}
	copy->as = gen->number;
	if (copy_fd(&copy->bundle_fd, gen->bundle_fd) == -1)
		error_sys(err, "cannot keep the bundle");
	else if ((copy->settings = bundle_read(copy->bundle_fd, err)) != NULL) {
		if (copy_descriptors(copy, gen) == 0)
			return copy;
		error_sys(err, "cannot keep the images and secrets");
	}
	gen_unref(copy);
	return NULL;
}

static int
lost_descriptor(struct error *err, const char *what)
{
	return error_set(err,
	    "%s, but its descriptor did not arrive in the master: %s", what,
	    error_text(EMFILE));
}

int
gen_take_bundle(struct gen *gen, struct msg *msg, struct error *err)
{
	if (msg->fd == -1)
		return lost_descriptor(err, "a bundle");
	if (gen->settings != NULL)
		return error_set(err, "an unexpected bundle");
	gen->bundle_fd = msg->fd;
	msg->fd = -1;
	if (!memfd_is_sealed(gen->bundle_fd))
		return error_set(err, "a bundle that is not sealed");
	gen->settings = bundle_read(gen->bundle_fd, err);
	if (gen->settings == NULL)
		return -1;
	if (make_slots(gen) == -1)
		return error_sys(err, "cannot keep the images and secrets");
	return 0;
}

/* Put it in its slot, if that slot is empty. */
static int
take_sealed(int *slot, struct msg *msg, const char *what, struct error *err)
{
	if (msg->fd == -1)
		return lost_descriptor(err, what);
	if (slot == NULL || *slot != -1)
		return error_set(err, "%s that was not expected", what);
	*slot = msg->fd;
	msg->fd = -1;
	/*
	 * Without the seal another process could change it and crash every
	 * worker.
	 */
	if (!memfd_is_sealed(*slot))
		return error_set(err, "%s that is not sealed", what);
	return 0;
}

int
gen_take_image(struct gen *gen, struct msg *msg, struct error *err)
{
	uint32_t index = msg->image.index;
	bool known = gen->images != NULL && index < gen->settings->image_count;

	return take_sealed(known ? &gen->images[index].fd : NULL, msg,
	    "an image", err);
}

int
gen_take_secret(struct gen *gen, struct msg *msg, struct error *err)
{
	uint32_t index = msg->secret.index;
	bool known =
	    gen->secrets != NULL && index < gen->settings->secret_count;

	return take_sealed(known ? &gen->secrets[index] : NULL, msg, "a secret",
	    err);
}

uint32_t
gen_facts_known(const struct gen *gen)
{
	uint32_t i;

	for (i = 0; i < gen->settings->image_count; i++)
		if (!gen->settings->images[i].library &&
		    !gen->images[i].facts.known)
			break;
	return i;
}

int
gen_take_facts(struct gen *gen, const struct msg *msg, struct error *err)
{
	struct image_facts *facts;

	if (msg->facts.image >= gen->settings->image_count)
		return error_set(err,
		    "facts about an image that does not exist");
	facts = &gen->images[msg->facts.image].facts;
	facts->known = true;
	facts->flags = msg->facts.flags;
	facts->state_version = msg->facts.state_version;
	snprintf(facts->name, sizeof(facts->name), "%s", msg->facts.name);
	snprintf(facts->version, sizeof(facts->version), "%s",
	    msg->facts.version);
	return 0;
}

bool
gen_complete(const struct gen *gen)
{
	if (gen->settings == NULL)
		return false;
	for (uint32_t i = 0; i < gen->settings->image_count; i++)
		if (gen->images[i].fd == -1)
			return false;
	for (uint32_t i = 0; i < gen->settings->secret_count; i++)
		if (gen->secrets[i] == -1)
			return false;
	return true;
}

int
gen_send_images(const struct gen *gen, struct child *child)
{
	struct msg msg = {
		.type = MSG_BUNDLE,
		.generation = gen->number,
		.fd = gen->bundle_fd,
	};

	if (child_send(child, &msg) == -1)
		return -1;
	msg.type = MSG_IMAGE;
	for (uint32_t i = 0; i < gen->settings->image_count; i++) {
		msg.image.index = i;
		msg.fd = gen->images[i].fd;
		if (child_send(child, &msg) == -1)
			return -1;
	}
	return 0;
}

int
gen_send_secrets(const struct gen *gen, struct child *child)
{
	struct msg msg = { .type = MSG_SECRET, .generation = gen->number };

	for (uint32_t i = 0; i < gen->settings->secret_count; i++) {
		msg.secret.index = i;
		msg.fd = gen->secrets[i];
		if (child_send(child, &msg) == -1)
			return -1;
	}
	return 0;
}

static int
send_socket(const struct gen *gen, const struct gen_socket *socket,
    struct child *child)
{
	uint32_t slot = gen->slots[socket->endpoint];
	struct msg msg = { .type = MSG_SOCKET, .generation = gen->number };

	if (socket->bare) {
		msg.type = MSG_ENDPOINT;
		msg.endpoint.index = socket->endpoint;
		msg.endpoint.slot = slot;
		return child_send(child, &msg);
	}
	msg.socket.listener = socket->endpoint;
	msg.socket.address = socket->address;
	msg.socket.id = sock_id(socket->sock);
	msg.socket.slot = slot;
	msg.fd = sock_fd(socket->sock);
	return child_send(child, &msg);
}

int
gen_send_sockets(const struct gen *gen, struct child *child, uint32_t worker,
    uint32_t place)
{
	const struct gen_socket *socket;

	for (uint32_t i = 0; i < gen->socket_count; i++) {
		socket = &gen->sockets[i];
		if ((socket->sock == NULL && !socket->bare) ||
		    !gen_serves(gen, socket, worker))
			continue;
		if (send_socket(gen, socket, child) == -1)
			return -1;
		slots_give(gen->slot_table, gen->slots[socket->endpoint],
		    place);
	}
	return 0;
}

const char *
gen_kind_of(const struct gen *gen, const char *name)
{
	const struct listener_settings *found =
	    settings_find(gen->settings, name);

	return found != NULL ? endpoint_kind(found) : "listener";
}

bool
gen_is_served_by(const struct gen *gen, const char *listener,
    const char *plugin)
{
	const struct listener_settings *found =
	    gen != NULL ? settings_find(gen->settings, listener) : NULL;

	return found != NULL &&
	    strcmp(gen->images[found->image].facts.name, plugin) == 0;
}
