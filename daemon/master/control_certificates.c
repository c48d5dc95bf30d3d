/* control_certificates.c: until when the certificates of an endpoint are good. */

#include <time.h>

#include "base/json_text.h"
#include "base/time_text.h"
#include "config/settings.h"
#include "master/control_conn.h"

#define DAY_S (24 * 60 * 60)

/* Of the file or files of one identity, the one that ends first. */
static void
add(json_t *list, const char *group, const struct tls_name_settings *name,
    const struct tls_identity_settings *identity, int64_t now)
{
	json_t *names = json_array();
	char ends[TIME_TEXT_MAX];

	if (identity->cert_count == 0 || identity->not_after == -1) {
		json_decref(names);
		return;
	}
	for (uint32_t i = 0; name != NULL && i < name->name_count; i++)
		json_array_append_new(names, json_text(name->names[i].text));
	json_array_append_new(list,
	    json_pack("{s:s, s:o, s:s, s:I, s:I}", "group", group, "names",
		names, "ends", date_text(identity->not_after, ends), "ends_s",
		(json_int_t)identity->not_after, "days",
		(json_int_t)((identity->not_after - now) / DAY_S)));
}

static void
add_group(json_t *list, const struct listener_settings *endpoint,
    const struct tls_settings *tls, int64_t now)
{
	const char *group = tls_group(endpoint, tls);

	if (!tls->on)
		return;
	add(list, group, NULL, &tls->identity, now);
	for (uint32_t i = 0; i < tls->sni_count; i++)
		add(list, group, &tls->sni[i], &tls->sni[i].identity, now);
}

json_t *
control_certificates(const struct listener_settings *endpoint)
{
	json_t *list = json_array();
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	add_group(list, endpoint, &endpoint->tls, now.tv_sec);
	add_group(list, endpoint, &endpoint->connect_tls, now.tv_sec);
	return list;
}
