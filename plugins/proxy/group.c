/* group.c: the upstreams that a client may be sent to, by what it asks for. */

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "proxy.h"

static struct upstream *
find(const struct proxy *proxy, const char *name)
{
	for (size_t i = 0; proxy != NULL && i < proxy->upstream_count; i++)
		if (strcmp(proxy->upstreams[i]->name, name) == 0)
			return proxy->upstreams[i];
	return NULL;
}

/* It belongs to the proxy: borrowed.  NULL: no memory. */
static struct upstream *
get_upstream(struct proxy *proxy, const struct proxy *prev,
    const struct upstream_spec *spec)
{
	struct upstream *upstream = find(proxy, spec->name), **more;

	if (upstream != NULL)
		return upstream;
	more = realloc(proxy->upstreams,
	    (proxy->upstream_count + 1) * sizeof(*more));
	if (more == NULL)
		return NULL;
	proxy->upstreams = more;
	upstream = find(prev, spec->name);
	if (upstream != NULL)
		upstream_ref(upstream);
	else
		upstream = upstream_new(spec, ++proxy->last_number);
	if (upstream != NULL)
		more[proxy->upstream_count++] = upstream;
	return upstream;
}

/* Add the upstream in `text`. */
static int
add_member(struct proxy *proxy, const struct proxy *prev, struct group *group,
    const char *text, size_t len, char why[WHY_BYTES])
{
	struct upstream_spec spec;
	struct upstream *upstream;
	struct member *more;

	if (upstream_parse(text, len, &spec, why) == -1)
		return -1;
	upstream = get_upstream(proxy, prev, &spec);
	if (upstream == NULL)
		return proxy_wrong(why, "out of memory");
	for (size_t i = 0; i < group->count; i++)
		if (group->members[i].upstream == upstream)
			return proxy_wrong(why, "\"%s\" is there twice",
			    spec.name);
	more = realloc(group->members, (group->count + 1) * sizeof(*more));
	if (more == NULL)
		return proxy_wrong(why, "out of memory");
	group->members = more;
	more[group->count++] = (struct member){
		.upstream = upstream,
		.weight = spec.weight,
		.max_connections = spec.max_connections != 0
		    ? spec.max_connections
		    : proxy->max_connections,
		.backup = spec.backup,
	};
	return 0;
}

int
group_add(struct proxy *proxy, const struct proxy *prev, struct group *group,
    const char *text, char why[WHY_BYTES])
{
	size_t len;

	for (;; text += len + 1) {
		len = strcspn(text, ",");
		if (add_member(proxy, prev, group, text, len, why) == -1)
			return -1;
		if (text[len] == '\0')
			return 0;
	}
}

void
group_done(struct group *group)
{
	free(group->members);
}

/* -- Routes -- */

static bool
is_host_pattern(const char *name)
{
	if (strncmp(name, "*.", 2) == 0)
		name += 2;
	return name[0] != '\0' &&
	    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-_.") ==
	    strlen(name);
}

static struct route *
find_route(const struct routes *routes, const char *name)
{
	for (size_t i = 0; i < routes->count; i++)
		if (strcmp(routes->routes[i].name, name) == 0)
			return &routes->routes[i];
	return NULL;
}

int
routes_add(struct proxy *proxy, const struct proxy *prev, struct routes *routes,
    bool hosts, const char *text, char why[WHY_BYTES])
{
	size_t len = strcspn(text, " \t");
	struct route route = { 0 }, *more;

	if (len == 0 || len > WHY_BYTES / 2 || text[len] == '\0')
		return proxy_wrong(why,
		    "\"%.100s\" is not a name, a blank and upstreams", text);
	more = realloc(routes->routes, (routes->count + 1) * sizeof(*more));
	if (more != NULL)
		routes->routes = more;
	route.name = strndup(text, len);
	if (more == NULL || route.name == NULL) {
		free(route.name);
		return proxy_wrong(why, "out of memory");
	}
	for (char *c = route.name; hosts && *c != '\0'; c++)
		*c = (char)tolower((unsigned char)*c);
	if (hosts && !is_host_pattern(route.name))
		proxy_wrong(why,
		    "\"%s\" is neither the name of a host nor *. and one",
		    route.name);
	else if (find_route(routes, route.name) != NULL)
		proxy_wrong(why, "\"%s\" is there twice", route.name);
	else if (group_add(proxy, prev, &route.group, text + len, why) == 0) {
		more[routes->count++] = route;
		return 0;
	}
	group_done(&route.group);
	free(route.name);
	return -1;
}

void
routes_done(struct routes *routes)
{
	for (size_t i = 0; i < routes->count; i++) {
		group_done(&routes->routes[i].group);
		free(routes->routes[i].name);
	}
	free(routes->routes);
}

struct group *
routes_find(const struct routes *routes, const char *name)
{
	struct route *route = find_route(routes, name);

	return route != NULL ? &route->group : NULL;
}

struct group *
routes_find_host(const struct routes *routes, const char *name)
{
	struct group *group = routes_find(routes, name);
	char pattern[HELLO_NAME_BYTES + 1];

	/* "*.example.org" is also for a.b.example.org; the longest one wins. */
	while (group == NULL && (name = strchr(name, '.')) != NULL) {
		if (strlen(name) + 2 > sizeof(pattern))
			return NULL;
		pattern[0] = '*';
		strcpy(pattern + 1, name);
		group = routes_find(routes, pattern);
		name++;
	}
	return group;
}
