/*
 * expiry.c: certificates follow the calendar, so each look compares them with
 * CLOCK_REALTIME.  The timer does not: a clock that is set neither delays a
 * look nor causes one.
 */

#include "master/expiry.h"

#include <event2/event.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "master/event_in.h"

#define DAY_S (24 * 60 * 60)

struct expiry {
	struct event *timer;
	uint64_t every_ms;
	const struct settings *(*committed)(void *arg);
	void *arg;
};

/*
 * "FILE:LINE: listener "a": tls.sni.cert of NAME: CERT".  The settings have only
 * the earliest end of all certificates of an identity, so the first file stands
 * for all.
 */
static const char *
place(const struct listener_settings *listener,
    const struct tls_identity_settings *identity,
    const struct tls_name_settings *name, struct error *text)
{
	const struct key_string *cert = &identity->cert[0];

	error_set(text, "%s:%u: listener \"%s\": tls.%scert%s%s: %s%s",
	    cert->origin.file, cert->origin.line, listener->name,
	    name != NULL ? "sni." : "", name != NULL ? " of " : "",
	    name != NULL ? name->names[0].text : "", cert->text,
	    identity->cert_count > 1 ? " or another of its list" : "");
	return text->text;
}

static void
look_at(const struct listener_settings *listener,
    const struct tls_identity_settings *identity,
    const struct tls_name_settings *name, int64_t now)
{
	int64_t left = identity->not_after - now;
	char when[TIME_TEXT_MAX];
	struct error where;

	if (identity->not_after == -1 || identity->cert_count == 0 ||
	    left >= (int64_t)TLS_WARN_DAYS * DAY_S)
		return;
	place(listener, identity, name, &where);
	if (left < 0)
		log_errorx("%s: a certificate expired on %s, and clients "
			   "refuse it; renew it and reload",
		    where.text, date_text(identity->not_after, when));
	else
		log_warnx("%s: a certificate ends in %lld days, on %s; renew "
			  "it and reload",
		    where.text, (long long)(left / DAY_S),
		    date_text(identity->not_after, when));
}

static void
look_at_listener(const struct listener_settings *listener, int64_t now)
{
	const struct tls_settings *tls = &listener->tls;

	if (!tls->on)
		return;
	look_at(listener, &tls->identity, NULL, now);
	for (uint32_t i = 0; i < tls->sni_count; i++)
		look_at(listener, &tls->sni[i].identity, &tls->sni[i], now);
}

static void
look_cb(evutil_socket_t fd, short what, void *arg)
{
	struct expiry *expiry = arg;
	const struct settings *settings = expiry->committed(expiry->arg);
	struct timespec now;

	(void)fd;
	(void)what;
	expiry_restart(expiry);
	clock_gettime(CLOCK_REALTIME, &now);
	for (uint32_t i = 0; settings != NULL && i < settings->listener_count;
	     i++)
		look_at_listener(&settings->listeners[i], now.tv_sec);
}

void
expiry_restart(struct expiry *expiry)
{
	event_in(expiry->timer, expiry->every_ms);
}

struct expiry *
expiry_new(struct event_base *base, uint64_t every_ms,
    const struct settings *(*committed)(void *arg), void *arg)
{
	struct expiry *expiry = calloc(1, sizeof(*expiry));

	if (expiry == NULL)
		return NULL;
	expiry->every_ms = every_ms;
	expiry->committed = committed;
	expiry->arg = arg;
	expiry->timer = event_new(base, -1, 0, look_cb, expiry);
	if (expiry->timer == NULL) {
		expiry_free(expiry);
		return NULL;
	}
	return expiry;
}

void
expiry_free(struct expiry *expiry)
{
	if (expiry == NULL)
		return;
	if (expiry->timer != NULL)
		event_free(expiry->timer);
	free(expiry);
}
