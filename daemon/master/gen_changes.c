/* gen_changes.c: how two generations differ, in words. */

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/keys.h"
#include "config/settings.h"
#include "image/image.h"
#include "master/gen.h"

#define CODE_TEXT_MAX (2 * FACT_TEXT_MAX + 32)

/* "echo 1.0 (image 1a2b3c4d)" */
static const char *
code_text(const struct gen *gen, uint32_t image, char text[CODE_TEXT_MAX])
{
	const struct image_facts *facts = &gen->images[image].facts;
	char hash[9];

	snprintf(text, CODE_TEXT_MAX, "%s %s (image %s)", facts->name,
	    facts->version,
	    image_short_hash(gen->settings->images[image].hash, hash));
	return text;
}

void
gen_tell(const struct gen_teller *teller, const char *fmt, ...)
{
	char text[KEY_CHANGE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	teller->tell(teller->arg, NULL, text);
}

struct changed {
	const struct gen_teller *teller;
	const char *name; /* of the listener; NULL: of no listener */
};

static void
on_change(void *arg, const char *text)
{
	const struct changed *changed = arg;

	if (changed->name != NULL)
		gen_tell(changed->teller, "%s: %s", changed->name, text);
	else
		changed->teller->tell(changed->teller->arg, NULL, text);
}

/* Returns whether the service is another. */
static bool
tell_service(const struct gen *gen, const struct listener_settings *now,
    const struct gen *before, const struct listener_settings *then,
    struct changed *changed)
{
	char code_now[CODE_TEXT_MAX], code_then[CODE_TEXT_MAX];

	if (listener_same_service(before->settings, then, gen->settings, now))
		return false;
	code_text(before, then->image, code_then);
	code_text(gen, now->image, code_now);
	if (strcmp(code_then, code_now) == 0)
		gen_tell(changed->teller, "%s: new options for plugin %s",
		    now->name, code_now);
	else
		gen_tell(changed->teller, "%s: plugin %s in place of %s",
		    now->name, code_now, code_then);
	option_changes(then, now, on_change, changed);
	return true;
}

bool
gen_tell_changes(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller)
{
	struct changed changed = { teller, NULL };
	const struct listener_settings *now, *then;
	bool any = false;

	keys_changes(settings_keys, before->settings, gen->settings, on_change,
	    &changed);
	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++) {
		now = settings_endpoint(gen->settings, i);
		then = settings_find(before->settings, now->name);
		if (then == NULL)
			continue;
		changed.name = now->name;
		if (tell_service(gen, now, before, then, &changed))
			any = true;
		endpoint_changes(before->settings, then, gen->settings, now,
		    on_change, &changed);
	}
	return any;
}

static void
tell_new(const struct gen *gen, const struct listener_settings *endpoint,
    const struct gen_teller *teller)
{
	char code[CODE_TEXT_MAX];

	gen_tell(teller, "%s: new %s, plugin %s", endpoint->name,
	    endpoint_kind(endpoint), code_text(gen, endpoint->image, code));
	for (uint32_t i = 0; i < endpoint->listen_count; i++)
		gen_tell(teller, "%s: listens on %s", endpoint->name,
		    endpoint->listen[i].text);
	if (endpoint->connector.connect != NULL)
		gen_tell(teller, "%s: connects to %s", endpoint->name,
		    endpoint->connector.connect);
}

void
gen_tell_endpoints(const struct gen *gen, const struct gen *before,
    const struct gen_teller *teller)
{
	const struct listener_settings *endpoint;

	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++) {
		endpoint = settings_endpoint(gen->settings, i);
		if (settings_find(before->settings, endpoint->name) == NULL)
			tell_new(gen, endpoint, teller);
	}
	for (uint32_t i = 0; i < settings_endpoints(before->settings); i++) {
		endpoint = settings_endpoint(before->settings, i);
		if (settings_find(gen->settings, endpoint->name) == NULL)
			gen_tell(teller, "%s: this %s is gone", endpoint->name,
			    endpoint_kind(endpoint));
	}
}
