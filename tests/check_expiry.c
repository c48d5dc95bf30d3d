/* check_expiry.c: the daily warnings about certificates that end. */

#include "log_fixture.h"

#include <event2/event.h>
#include <time.h>

#include "config/settings.h"
#include "master/expiry.h"

#define DAY 86400
#define EVERY_MS 1 /* a day of the tests */

static struct key_string certs[] = {
	{ .text = (char *)"a.pem", .origin = { "sluice.conf", 3 } },
	{ .text = (char *)"b.pem", .origin = { "sluice.conf", 4 } },
};
static struct key_string hosts[] = { { .text = (char *)"b.test" } };
static struct tls_name_settings names[1];
static struct listener_settings listeners[2];
static struct settings settings;
static const struct settings *current;
static unsigned int looks;
static struct event_base *base;
static struct expiry *expiry;

static const struct settings *
committed(void *arg)
{
	ck_assert_ptr_eq(arg, &looks);
	looks++;
	return current;
}

static void
set(struct tls_identity_settings *identity, struct key_string *cert,
    int64_t days)
{
	identity->cert = cert;
	identity->cert_count = 1;
	/* Half a day more: the test may take a moment. */
	identity->not_after = time(NULL) + days * DAY + DAY / 2;
}

/* One plain listener; one with a certificate of its own and one for a name. */
static void
setup(void)
{
	struct tls_settings *tls = &listeners[1].tls;

	listeners[0].name = (char *)"plain";
	listeners[1].name = (char *)"web";
	tls->on = true;
	tls->sni = names;
	tls->sni_count = 1;
	names[0].names = hosts;
	names[0].name_count = 1;
	set(&tls->identity, &certs[0], 90);
	set(&names[0].identity, &certs[1], 90);
	settings.listeners = listeners;
	settings.listener_count = 2;
	current = &settings;
	base = event_base_new();
	expiry = expiry_new(base, EVERY_MS, committed, &looks);
	ck_assert_ptr_nonnull(expiry);
	capture(0);
}

static void
teardown(void)
{
	expiry_free(expiry);
	event_base_free(base);
}

/* Let days pass until there was another look.  Returns the log. */
static const char *
next_day(void)
{
	unsigned int before = looks;

	while (looks == before)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	return logged();
}

START_TEST(nothing_is_said_about_certificates_that_last)
{
	setup();
	set(&listeners[1].tls.identity, &certs[0], 30);
	names[0].identity.not_after = -1;
	expiry_restart(expiry);
	ck_assert_str_eq(next_day(), "");
	teardown();
}
END_TEST

START_TEST(nothing_is_said_before_a_restart_or_without_a_generation)
{
	setup();
	ck_assert_int_eq(event_base_loop(base, 0), 1); /* no timer */
	ck_assert_uint_eq(looks, 0);
	current = NULL;
	expiry_restart(expiry);
	ck_assert_str_eq(next_day(), "");
	teardown();
}
END_TEST

START_TEST(each_certificate_that_ends_soon_is_named_each_day)
{
	const char *log;

	setup();
	set(&listeners[1].tls.identity, &certs[0], 29);
	set(&names[0].identity, &certs[1], 0);
	expiry_restart(expiry);
	for (int day = 0; day < 3; day++) {
		log = next_day();
		ck_assert_ptr_nonnull(strstr(log,
		    "sluice.conf:3: listener \"web\": tls.cert: a.pem: a "
		    "certificate ends in 29 days, on 20"));
		ck_assert_ptr_nonnull(strstr(log,
		    "sluice.conf:4: listener \"web\": tls.sni.cert of b.test: "
		    "b.pem: a certificate ends in 1"));
		ck_assert_ptr_nonnull(strstr(log, "; renew it and reload\n"));
		ck_assert_ptr_null(strstr(log, "error"));
		ck_assert_ptr_null(strstr(log, "plain"));
	}
	teardown();
}
END_TEST

START_TEST(an_expired_certificate_is_an_error)
{
	const char *log;

	setup();
	set(&listeners[1].tls.identity, &certs[0], -2);
	listeners[1].tls.identity.cert_count = 2;
	expiry_restart(expiry);
	log = next_day();
	ck_assert_ptr_nonnull(strstr(log, "error"));
	ck_assert_ptr_nonnull(strstr(log,
	    "tls.cert: a.pem or another of its list: a certificate expired on "
	    "20"));
	ck_assert_ptr_nonnull(
	    strstr(log, "and peers refuse it; renew it and reload\n"));
	teardown();
}
END_TEST

START_TEST(crls_and_responses_are_looked_at_a_day_before)
{
	struct tls_settings *client = &listeners[0].connect_tls;
	struct tls_identity_settings *identity = &listeners[1].tls.identity;
	const char *log;

	setup();
	client->on = true;
	client->identity.crl = &certs[1];
	client->identity.crl_count = 1;
	client->identity.crl_until = time(NULL) - 60;
	identity->ocsp = (char *)"ocsp.der";
	identity->origin = (struct origin){ "sluice.conf", 2 };
	identity->ocsp_until = time(NULL) + DAY / 2 + 60;
	expiry_restart(expiry);
	log = next_day();
	ck_assert_msg(
	    strstr(log,
		"sluice.conf:4: listener \"plain\": connect_tls.crl: b.pem: a "
		"CRL expired on 20") != NULL,
	    "%s", log);
	ck_assert_ptr_nonnull(
	    strstr(log, "and no certificate of a peer is accepted; renew it"));
	ck_assert_ptr_nonnull(strstr(log,
	    "sluice.conf:2: listener \"web\": tls.ocsp: ocsp.der: the OCSP "
	    "response ends in 12 hours, on 20"));
	teardown();
}
END_TEST

static int
take_due(const struct event_base *of, const struct event *event, void *arg)
{
	(void)of;
	return event_pending(event, EV_TIMEOUT, arg) != 0;
}

/* When the next look is due; the base has no other event. */
static struct timeval
due(void)
{
	struct timeval at;

	ck_assert_int_eq(event_base_foreach_event(base, take_due, &at), 1);
	return at;
}

START_TEST(a_restart_puts_the_next_look_off)
{
	struct timeval first, next;

	setup();
	expiry_free(expiry);
	expiry = expiry_new(base, DAY * 1000, committed, &looks);
	set(&listeners[1].tls.identity, &certs[0], 1);
	expiry_restart(expiry);
	first = due();
	do {
		expiry_restart(expiry);
		next = due();
	} while (!timercmp(&next, &first, >)); /* until the clock has moved */
	event_base_loop(base, EVLOOP_NONBLOCK);
	ck_assert_uint_eq(looks, 0);
	ck_assert_str_eq(logged(), "");
	expiry_free(expiry);
	expiry = expiry_new(base, EVERY_MS, committed, &looks);
	expiry_restart(expiry);
	ck_assert_ptr_nonnull(strstr(next_day(), "ends in 1 days"));
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		nothing_is_said_about_certificates_that_last,
		nothing_is_said_before_a_restart_or_without_a_generation,
		each_certificate_that_ends_soon_is_named_each_day,
		an_expired_certificate_is_an_error,
		crls_and_responses_are_looked_at_a_day_before,
		a_restart_puts_the_next_look_off,
		NULL,
	};

	return fixture_run("expiry", tests);
}
