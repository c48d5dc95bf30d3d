/* conf_connector.c: one element of `connectors`. */

#include "base/error.h"
#include "config/address.h"
#include "config/settings.h"
#include "config/value.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"
#include "reader/tree.h"

static void
check_connect(struct conf *conf, const struct connector_settings *connector)
{
	struct target target;
	struct error err;

	if (connector->connect != NULL &&
	    target_parse(connector->connect, &target, &err) == -1)
		problem_error(conf->problems, &connector->connect_origin,
		    "connect: %s", err.text);
}

static void
check_retry(struct conf *conf, const struct origin *at,
    const struct retry_settings *retry)
{
	char first[VALUE_TEXT_MAX], max[VALUE_TEXT_MAX];

	value_duration_text(retry->first_ms, first);
	value_duration_text(retry->max_ms, max);
	if (retry->first_ms > retry->max_ms)
		problem_error(conf->problems, at,
		    "retry.first (%s) is longer than retry.max (%s); write "
		    "retry = { first = \"%s\"; max = \"%s\"; }; for example",
		    first, max, max, first);
}

void
conf_connector(struct conf *conf, const char *file, const struct node *group,
    struct listener_settings *settings)
{
	struct origin retry = conf_child_origin(file, group, "retry");

	conf_endpoint(conf, file, group, settings);
	check_connect(conf, &settings->connector);
	check_retry(conf, &retry, &settings->connector.retry);
}
