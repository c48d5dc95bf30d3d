/*
 * tls_files.c: makes each SSL_CTX as workers will make it, so that whatever
 * OpenSSL refuses is found here.
 */

#include "reader/tls_files.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <time.h>

#include "base/descriptors.h"
#include "base/error.h"
#include "config/secret.h"
#include "config/settings.h"
#include "reader/problems.h"
#include "reader/secret_files.h"
#include "reader/tls_identity.h"
#include "reader/tls_input.h"
#include "tls/context.h"
#include "tls/parts.h"

static int
try_context(const struct tls_identity *self, struct error *err)
{
	SSL_CTX *ctx = self->client
	    ? tls_client_context(self->tls, self->parts, err)
	    : tls_context(self->tls, self->identity, self->parts, err);

	SSL_CTX_free(ctx);
	return ctx != NULL ? 0 : -1;
}

static int
keep_secret(const struct tls_identity *self, struct secret_files *files,
    struct error *err)
{
	struct tls_identity_settings *identity = self->identity;
	struct secret *secret = tls_parts_write(self->parts, err);
	const struct key_string *entry =
	    identity->cert_count > 0 ? &identity->cert[0] : &identity->ca[0];
	char *name = tls_input_name(self->config, entry->text);
	uint64_t stamp[2];
	int result = -1;

	if (secret == NULL)
		;
	else if (name == NULL || tls_parts_stamp(self->parts, stamp) == -1)
		error_set(err, "out of memory");
	else
		result = secret_files_add(files, self->settings, secret, name,
		    &entry->origin, stamp, &identity->secret, err);
	free(name);
	secret_free(secret);
	return result;
}

/* A client may do without. */
static bool
has_secret(const struct tls_identity *self)
{
	return self->identity->cert_count > 0 || self->identity->ca_count > 0;
}

static void
open_identity(struct tls_identity *self, struct secret_files *files)
{
	struct error err, place;

	tls_identity_read(self);
	/* An entry of sni would only repeat what is wrong with the listener. */
	if (self->failed || (self->base != NULL && self->base->failed))
		return;
	if (try_context(self, &err) == 0 &&
	    (!has_secret(self) || keep_secret(self, files, &err) == 0))
		return;
	problem_error(self->problems, &self->identity->origin, "%s: %s",
	    tls_identity_place(self, &place), err.text);
	self->failed = true;
}

static void
open_names(const struct tls_identity *base, struct tls_settings *tls,
    struct secret_files *files)
{
	struct tls_identity self;

	for (uint32_t i = 0; i < tls->sni_count; i++) {
		self = *base;
		self.base = base;
		self.name = &tls->sni[i];
		self.identity = &tls->sni[i].identity;
		self.failed = false;
		if (self.identity->verify == TLS_VERIFY_INHERIT)
			self.identity->verify = tls->identity.verify;
		open_identity(&self, files);
		tls_identity_done(&self);
	}
}

static void
forget(struct tls_identity_settings *identity)
{
	for (uint32_t i = 0; i < identity->cert_count; i++)
		tls_input_forget(&identity->cert[i]);
	for (uint32_t i = 0; i < identity->key_count; i++)
		tls_input_forget(&identity->key[i]);
	for (uint32_t i = 0; i < identity->ca_count; i++)
		tls_input_forget(&identity->ca[i]);
	for (uint32_t i = 0; i < identity->crl_count; i++)
		tls_input_forget(&identity->crl[i]);
}

static void
open_group(const struct tls_identity *common, struct tls_settings *tls,
    bool client, struct secret_files *files)
{
	struct tls_identity self = *common;

	if (!tls->on)
		return;
	self.tls = tls;
	self.client = client;
	self.identity = &tls->identity;
	open_identity(&self, files);
	if (self.parts != NULL)
		open_names(&self, tls, files);
	tls_identity_done(&self);
	forget(&tls->identity);
	for (uint32_t i = 0; i < tls->sni_count; i++)
		forget(&tls->sni[i].identity);
}

void
tls_files_open(const char *config, struct settings *settings,
    struct problems *problems, struct secret_files *ret)
{
	struct listener_settings *endpoint;
	struct tls_identity common = {
		.config = config,
		.settings = settings,
		.problems = problems,
		.now = time(NULL),
	};

	for (uint32_t i = 0; i < settings_endpoints(settings); i++) {
		if (problems->errors > 0 && descriptors_used_up())
			break;
		endpoint = settings_endpoint(settings, i);
		common.listener = endpoint;
		open_group(&common, &endpoint->tls, false, ret);
		open_group(&common, &endpoint->connect_tls, true, ret);
	}
}
