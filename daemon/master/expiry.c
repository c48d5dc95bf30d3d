/*
 * expiry.c: certificates follow the calendar, so each look compares them with
 * CLOCK_REALTIME.  The timer does not: a clock that is set neither delays a
 * look nor causes one.
 */

#include "master/expiry.h"

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "base/log.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "master/event_in.h"
#include "master/events.h"

#define HOUR_S (60 * 60)
#define DAY_S (24 * HOUR_S)

struct expiry {
	struct event *timer;
	uint64_t every_ms;
	const struct settings *(*committed)(void *arg);
	void *arg;
};

/* Something of an identity that ends, and when to warn of it. */
struct end {
	const char *key, *what;
	const char *file; /* the first, if there are several */
	const struct origin *origin;
	bool several;
	int64_t until; /* seconds since 1970; -1: not known */
	int64_t warn_s;
	const char *then; /* what happens when it has ended */
};

/*
 * "FILE:LINE: listener "a": tls.sni.cert of NAME: CERT".  The settings have only
 * the earliest end of all certificates of an identity, so the first file stands
 * for all.
 */
static const char *
place(const struct listener_settings *endpoint, const struct tls_settings *tls,
    const struct tls_name_settings *name, const struct end *end,
    struct error *text)
{
	error_set(text, "%s:%u: %s \"%s\": %s.%s%s%s%s: %s%s",
	    end->origin->file, end->origin->line, endpoint_kind(endpoint),
	    endpoint->name, tls_group(endpoint, tls),
	    name != NULL ? "sni." : "", end->key, name != NULL ? " of " : "",
	    name != NULL ? name->names[0].text : "", end->file,
	    end->several ? " or another of its list" : "");
	return text->text;
}

/* "ends in 3 days, on ..." */
static void
tell(const char *where, const struct end *end, int64_t left)
{
	char when[TIME_TEXT_MAX];
	bool days = left >= DAY_S;

	if (left < 0)
		event_log(EVENT_CERTIFICATE, LOG_LEVEL_ERROR,
		    "%s: %s expired on %s, and %s; renew it and reload", where,
		    end->what, date_text(end->until, when), end->then);
	else
		event_log(EVENT_CERTIFICATE, LOG_LEVEL_WARN,
		    "%s: %s ends in %lld %s, on %s; renew it and reload", where,
		    end->what, (long long)(left / (days ? DAY_S : HOUR_S)),
		    days ? "days" : "hours", date_text(end->until, when));
}

/* The three things of an identity that end by themselves. */
static void
look_at(const struct listener_settings *endpoint,
    const struct tls_settings *tls,
    const struct tls_identity_settings *identity,
    const struct tls_name_settings *name, int64_t now)
{
	const struct key_string none = { 0 };
	const struct key_string *cert =
	    identity->cert_count > 0 ? identity->cert : &none;
	const struct key_string *crl =
	    identity->crl_count > 0 ? identity->crl : &none;
	const struct end ends[] = {
		{ "cert", "a certificate", cert->text, &cert->origin,
		    identity->cert_count > 1, identity->not_after,
		    (int64_t)TLS_WARN_DAYS * DAY_S, "peers refuse it" },
		{ "crl", "a CRL", crl->text, &crl->origin,
		    identity->crl_count > 1, identity->crl_until, DAY_S,
		    "no certificate of a peer is accepted" },
		{ "ocsp", "the OCSP response", identity->ocsp,
		    &identity->origin, false, identity->ocsp_until, DAY_S,
		    "it is not sent any more" },
	};
	struct error where;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
		const struct end *end = &ends[i];

		if (end->file == NULL || end->until == -1 ||
		    end->until - now >= end->warn_s)
			continue;
		tell(place(endpoint, tls, name, end, &where), end,
		    end->until - now);
	}
}

static void
look_at_group(const struct listener_settings *endpoint,
    const struct tls_settings *tls, int64_t now)
{
	if (!tls->on)
		return;
	look_at(endpoint, tls, &tls->identity, NULL, now);
	for (uint32_t i = 0; i < tls->sni_count; i++)
		look_at(endpoint, tls, &tls->sni[i].identity, &tls->sni[i],
		    now);
}

static void
look_at_endpoint(const struct listener_settings *endpoint, int64_t now)
{
	look_at_group(endpoint, &endpoint->tls, now);
	look_at_group(endpoint, &endpoint->connect_tls, now);
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
	for (uint32_t i = 0;
	     settings != NULL && i < settings_endpoints(settings); i++)
		look_at_endpoint(settings_endpoint(settings, i), now.tv_sec);
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
