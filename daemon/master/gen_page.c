/*
 * gen_page.c: the sockets of the status page.  They are bound with those of the
 * listeners, so that an address which cannot be used refuses the generation.
 */

#include "master/gen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/settings.h"
#include "master/sockets.h"

#define BACKLOG 1024 /* as many may come while the process starts again */

/* What sockets want to know of a listener. */
static struct listener_settings
as_listener(const struct gen *gen)
{
	static char name[] = "status page";
	struct listener_settings listener = gen->settings->status;

	listener.name = name;
	listener.backlog = BACKLOG;
	listener.nodelay = true;
	return listener;
}

/*
 * Does a listener have it?  One with port 0 may have been given this port, and
 * its sockets share it with others of ours.
 */
static int
check_free(const struct gen *gen, const struct sock *page, struct error *err)
{
	char text[ADDRESS_TEXT_MAX], other[ADDRESS_TEXT_MAX];
	const struct gen_socket *row;

	sock_text(page, text);
	for (uint32_t i = 0; i < gen->socket_count; i++) {
		row = &gen->sockets[i];
		if (row->sock != NULL &&
		    strcmp(sock_text(row->sock, other), text) == 0)
			return error_set(err,
			    "cannot listen on %s: listener \"%s\" does", text,
			    settings_endpoint(gen->settings, row->endpoint)
				->name);
	}
	return 0;
}

static int
open_address(struct gen *gen, const struct listener_settings *listener,
    const struct address *address, struct error *err)
{
	unsigned int count = sockets_count(gen->socket_table, address);
	struct sock **more, *sock;

	more = reallocarray(gen->page, gen->page_count + count, sizeof(*more));
	if (more == NULL)
		return error_sys(err, "cannot serve the status page");
	gen->page = more;
	for (unsigned int number = 0; number < count; number++) {
		sock = sockets_open(gen->socket_table, listener, address,
		    SOCK_SHARED, number, err);
		if (sock == NULL)
			return -1;
		gen->page[gen->page_count++] = sock;
		if (check_free(gen, sock, err) == -1)
			return -1;
	}
	return 0;
}

unsigned int
gen_bind_page(struct gen *gen, const struct gen_teller *teller)
{
	struct listener_settings listener = as_listener(gen);
	unsigned int problems = 0;
	char text[ERROR_TEXT_MAX];
	struct error err;

	for (uint32_t i = 0; i < listener.address_count; i++) {
		if (open_address(gen, &listener, &listener.addresses[i].address,
			&err) == 0)
			continue;
		snprintf(text, sizeof(text), "status: %.*s",
		    (int)sizeof(text) - 16, err.text);
		teller->tell(teller->arg, &listener.addresses[i].origin, text);
		problems++;
	}
	return problems;
}

unsigned int
gen_listen_page(struct gen *gen, const struct gen_teller *teller)
{
	struct listener_settings listener = as_listener(gen);
	unsigned int problems = 0;
	struct error err;

	for (uint32_t i = 0; i < gen->page_count; i++) {
		if (sock_listen(gen->page[i], &listener, &err) == 0)
			continue;
		teller->tell(teller->arg, &listener.origin, err.text);
		problems++;
	}
	return problems;
}

static bool
has_page(const struct gen *gen, const struct sock *sock)
{
	for (uint32_t i = 0; gen != NULL && i < gen->page_count; i++)
		if (gen->page[i] == sock)
			return true;
	return false;
}

static void
tell_page(const struct gen *gen, const struct gen *other, const char *what,
    const struct gen_teller *teller)
{
	char text[ADDRESS_TEXT_MAX];

	for (uint32_t i = 0; i < gen->page_count; i++) {
		if (has_page(other, gen->page[i]))
			continue;
		sock_text(gen->page[i], text);
		/* A browser understands the address of a TCP socket. */
		if (strncmp(text, "unix:", 5) == 0)
			gen_tell(teller, "%s on %s", what, text);
		else
			gen_tell(teller, "%s at http://%s/", what, text);
	}
}

void
gen_tell_page(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller)
{
	tell_page(gen, before, "status page", teller);
	if (before != NULL)
		tell_page(before, gen, "no longer a status page", teller);
}

void
gen_apply_page(const struct gen *gen)
{
	struct listener_settings listener = as_listener(gen);

	for (uint32_t i = 0; i < gen->page_count; i++)
		sock_apply(gen->page[i], &listener);
}

void
gen_drop_page(struct gen *gen)
{
	for (uint32_t i = 0; i < gen->page_count; i++)
		sock_end(gen->page[i]);
	free(gen->page);
	gen->page = NULL;
	gen->page_count = 0;
}
