/* conf_tls.c: the checks of a `tls` group for which no file is read. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "config/address.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "tls/alpn.h"

#define HOST_MAX 253 /* RFC 1035 */
#define LABEL_MAX 63

/* -- names -- */

static bool
is_label(const char *label, size_t len)
{
	if (len == 0 || len > LABEL_MAX || label[0] == '-' ||
	    label[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++)
		if (!isascii((unsigned char)label[i]) ||
		    (!isalnum((unsigned char)label[i]) && label[i] != '-' &&
			label[i] != '_'))
			return false;
	return true;
}

static bool
is_host(const char *name)
{
	size_t len;

	if (strlen(name) > HOST_MAX)
		return false;
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	for (;; name += len + 1) {
		len = strcspn(name, ".");
		if (!is_label(name, len))
			return false;
		if (name[len] == '\0')
			return true;
	}
}

static const char *
wrong_name(const char *name)
{
	size_t len = strlen(name);

	if (host_is_address(name))
		return "is an address, and clients ask for names only";
	if (len > 1 && name[len - 1] == '.')
		return "ends with a dot, which clients do not send";
	if (!is_host(name))
		return "is not a name such as \"example.org\" or "
		       "\"*.example.org\"; write other alphabets in their "
		       "\"xn--\" form";
	return NULL;
}

static void
check_name(struct conf *conf, struct key_string *name)
{
	const char *wrong = wrong_name(name->text);

	if (wrong != NULL)
		problem_error(conf->problems, &name->origin, "names: \"%s\" %s",
		    name->text, wrong);
	for (char *c = name->text; *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
}

/* By name, then by line. */
static int
compare_names(const void *a, const void *b)
{
	const struct key_string *x = *(struct key_string *const *)a;
	const struct key_string *y = *(struct key_string *const *)b;
	int order = strcmp(x->text, y->text);

	if (order != 0)
		return order;
	return (x->origin.line > y->origin.line) -
	    (x->origin.line < y->origin.line);
}

static void
check_twice(struct conf *conf, struct key_string **names, size_t count)
{
	qsort(names, count, sizeof(*names), compare_names);
	for (size_t i = 1; i < count; i++)
		if (strcmp(names[i]->text, names[i - 1]->text) == 0)
			problem_error(conf->problems, &names[i]->origin,
			    "names: \"%s\" is already in sni, at %s:%u",
			    names[i]->text, names[i - 1]->origin.file,
			    names[i - 1]->origin.line);
}

static void
check_names(struct conf *conf, struct tls_settings *tls)
{
	struct key_string **names;
	size_t count = 0, at = 0;

	for (uint32_t i = 0; i < tls->sni_count; i++)
		for (uint32_t j = 0; j < tls->sni[i].name_count; j++, count++)
			check_name(conf, &tls->sni[i].names[j]);
	if (count == 0)
		return;
	names = calloc(count, sizeof(struct key_string *));
	if (names == NULL) {
		problem_error(conf->problems, &tls->identity.origin,
		    "out of memory");
		return;
	}
	for (uint32_t i = 0; i < tls->sni_count; i++)
		for (uint32_t j = 0; j < tls->sni[i].name_count; j++)
			names[at++] = &tls->sni[i].names[j];
	check_twice(conf, names, count);
	free(names);
}

/* -- protocols -- */

static void
check_alpn(struct conf *conf, const char *group, const struct tls_settings *tls)
{
	const struct key_string *protocol;
	size_t len, all = 0;

	for (uint32_t i = 0; i < tls->alpn_count; i++) {
		protocol = &tls->alpn[i];
		len = strlen(protocol->text);
		all += len + 1;
		if (len == 0 || len > ALPN_NAME_MAX)
			problem_error(conf->problems, &protocol->origin,
			    "%s.alpn: a protocol's name has 1 to %d bytes, "
			    "and this one has %zu",
			    group, ALPN_NAME_MAX, len);
		else if (strchr(protocol->text, ',') != NULL)
			problem_warn(conf->problems, &protocol->origin,
			    "%s.alpn: \"%s\" is the name of one protocol; "
			    "several are a list of strings: write "
			    "[ \"...\", \"...\" ]",
			    group, protocol->text);
	}
	if (all > ALPN_LIST_MAX)
		problem_error(conf->problems, &tls->alpn[0].origin,
		    "%s.alpn: the names have more than %d bytes together",
		    group, ALPN_LIST_MAX);
}

void
conf_tls(struct conf *conf, struct listener_settings *listener)
{
	struct tls_settings *tls = &listener->tls;

	if (!tls->on)
		return;
	if (tls->handshake_timeout_ms != 0)
		listener->timeouts.handshake_ms = tls->handshake_timeout_ms;
	check_names(conf, tls);
	check_alpn(conf, "tls", tls);
}

/* A name that we ask for: there, other than here, "*" means nothing. */
static bool
is_plain_host(const char *name)
{
	return name[0] != '*' && !host_is_address(name) && is_host(name);
}

/* Does nothing say which name the certificate of the server has to have? */
static bool
is_nameless(const struct listener_settings *endpoint)
{
	const struct tls_settings *tls = &endpoint->connect_tls;
	const char *connect = endpoint->connector.connect;

	/* With starttls the plugin may say it. */
	return connect != NULL && strncmp(connect, "unix:", 5) == 0 &&
	    !tls->starttls && tls->identity.verify != TLS_VERIFY_NONE &&
	    tls->servername == NULL && tls->verify_name == NULL;
}

void
conf_connect_tls(struct conf *conf, struct listener_settings *endpoint)
{
	struct tls_settings *tls = &endpoint->connect_tls;
	const struct origin *at = &tls->identity.origin;
	const char *group = tls_group(endpoint, tls);

	if (!tls->on)
		return;
	check_alpn(conf, group, tls);
	if (tls->servername != NULL && !is_plain_host(tls->servername))
		problem_error(conf->problems, at,
		    "%s.servername: \"%s\" is not the name of a host", group,
		    tls->servername);
	if (tls->verify_name != NULL && !is_plain_host(tls->verify_name) &&
	    !host_is_address(tls->verify_name))
		problem_error(conf->problems, at,
		    "%s.verify_name: \"%s\" is neither the name of a host "
		    "nor an address",
		    group, tls->verify_name);
	if (is_nameless(endpoint))
		problem_error(conf->problems, at,
		    "%s: %s has no name to verify the server's certificate "
		    "by; write %s = { verify_name = \"NAME\"; };",
		    group, endpoint->connector.connect, group);
	if (tls->starttls && endpoint->connector.connect == NULL)
		problem_error(conf->problems, at,
		    "%s.starttls: this is only for connectors; here the "
		    "plugin says for each connection when TLS begins",
		    group);
}
