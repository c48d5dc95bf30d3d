/*
 * names.c: one table of the names that are being looked up or known.  An entry
 * that is complete never changes: when it is too old, another one takes its
 * place, and whoever still reads it keeps it.
 */

#include "worker/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>

#include "base/container_of.h"
#include "base/hash.h"
#include "worker/engine.h"
#include "worker/timers.h"

/*
 * Each bucket keeps one answer that nobody waits for, so an answer may push out
 * another one; that only costs a question.
 */
#define BUCKETS 256
#define KEPT_MAX_S 3600	      /* a change is seen within an hour... */
#define KEPT_WITHOUT_MAX_S 60 /* ...and a new name sooner */

struct name;

/* The question for one family. */
struct lookup {
	struct name *name;
	bool over;
};

struct name {
	LIST_ENTRY(name) link; /* in its bucket */
	bool listed;
	char *host;
	struct resolver *resolver;
	unsigned int number; /* of the question: see resolver_name() */
	struct lookup lookups[NAME_FAMILIES];
	struct timer delay; /* IPv4 waits for IPv6 */
	bool usable;	    /* by whoever has asked */
	bool failed; /* no answer came: a later search domain must not decide */
	struct name_answer answer;
	uint64_t until_ms;
	TAILQ_HEAD(, name_query) queries; /* served in their order */
};

struct name_query {
	TAILQ_ENTRY(name_query) link;
	struct name *name;
	void (*news)(void *arg);
	void *arg;
};

static LIST_HEAD(bucket, name) buckets[BUCKETS];

static struct bucket *
bucket_of(const char *host)
{
	uint64_t hash = HASH_BEGIN;

	for (; *host != '\0'; host++) {
		char lower = (char)(*host | 0x20);

		hash = hash_add(hash, &lower, 1);
	}
	return &buckets[hash % BUCKETS];
}

/* Free it if nobody reads it, finds it or is going to answer it. */
static void
name_release(struct name *name)
{
	if (name->listed || !name->answer.complete ||
	    !TAILQ_EMPTY(&name->queries))
		return;
	timers_detach(engine.timers, &name->delay);
	free(name->host);
	free(name);
}

static void
delist(struct name *name)
{
	if (name->listed)
		LIST_REMOVE(name, link);
	name->listed = false;
	name_release(name);
}

/* Take all that are complete out of a bucket, or just all. */
static void
empty_bucket(struct bucket *bucket, bool all)
{
	struct name *name, *next;

	for (name = LIST_FIRST(bucket); name != NULL; name = next) {
		next = LIST_NEXT(name, link);
		if (all || name->answer.complete)
			delist(name);
	}
}

static void
forget_all(void)
{
	for (unsigned int i = 0; i < BUCKETS; i++)
		empty_bucket(&buckets[i], true);
}

static void
tell(const struct name *name)
{
	struct name_query *query;

	TAILQ_FOREACH(query, &name->queries, link)
		if (query->news != NULL) /* names_ask() has returned */
			query->news(query->arg);
}

static void
become_usable(struct name *name)
{
	name->usable = true;
	timers_cancel(engine.timers, &name->delay);
	tell(name);
}

static void
on_delay(struct timer *timer)
{
	become_usable(container_of(timer, struct name, delay));
}

/* The answer is there; keep it if it says so. */
static void
complete(struct name *name)
{
	bool keep = name->listed && name->until_ms > engine_now();

	if (name->listed)
		LIST_REMOVE(name, link);
	name->listed = false;
	if (keep) {
		empty_bucket(bucket_of(name->host), false);
		LIST_INSERT_HEAD(bucket_of(name->host), name, link);
		name->listed = true;
	}
	name->answer.complete = true;
	become_usable(name);
	name_release(name);
}

static bool
has_address(const struct name *name)
{
	return name->answer.families[NAME_V6].count > 0 ||
	    name->answer.families[NAME_V4].count > 0;
}

/* The answer holds no longer than any that it was made from. */
static void
limit_time(struct name *name, const struct resolution *resolution)
{
	uint32_t max_s =
	    resolution->addresses.count > 0 ? KEPT_MAX_S : KEPT_WITHOUT_MAX_S;
	uint32_t ttl_s = resolution->ttl_s < max_s ? resolution->ttl_s : max_s;
	uint64_t until_ms = engine_now() + (uint64_t)ttl_s * 1000;

	if (until_ms < name->until_ms)
		name->until_ms = until_ms;
}

static void on_answer(void *arg, const struct resolution *resolution);

/* The name as the search domains have it next. */
static void
ask_next(struct name *name)
{
	char text[RESOLVER_NAME_MAX];

	if (has_address(name) || name->failed ||
	    !resolver_name(name->resolver, name->host, name->number++, text)) {
		complete(name);
		return;
	}
	for (int i = 0; i < NAME_FAMILIES; i++)
		name->lookups[i] = (struct lookup){ .name = name };
	/* Nothing touches the name after the second answer: it may be gone. */
	resolver_ask(name->resolver, text, NAME_V6, on_answer,
	    &name->lookups[NAME_V6]);
	resolver_ask(name->resolver, text, NAME_V4, on_answer,
	    &name->lookups[NAME_V4]);
}

static void
on_answer(void *arg, const struct resolution *resolution)
{
	struct lookup *lookup = arg;
	struct name *name = lookup->name;
	struct name_answer *answer = &name->answer;
	bool failed = resolution->error != NULL && !resolution->try_next;

	lookup->over = true;
	limit_time(name, resolution);
	answer->families[lookup - name->lookups] = resolution->addresses;
	/* That nothing answers says more than that a name does not exist. */
	if (answer->error == NULL || failed)
		answer->error = resolution->error;
	name->failed = name->failed || failed;
	if (name->lookups[NAME_V6].over && name->lookups[NAME_V4].over)
		ask_next(name);
	else if (answer->families[NAME_V6].count > 0)
		become_usable(name);
	else if (answer->families[NAME_V4].count > 0)
		timers_set(engine.timers, &name->delay,
		    engine_now() + NAME_V6_DELAY_MS);
}

static void
begin(struct name *name)
{
	if (resolver_hosts(name->resolver, name->host, name->answer.families)) {
		name->until_ms = 0; /* the file may change */
		complete(name);
	} else {
		ask_next(name);
	}
}

/* It is listed, and answers nobody until begin(). */
static struct name *
name_new(const char *host, struct resolver *resolver)
{
	struct name *name = calloc(1, sizeof(*name));

	if (name == NULL)
		return NULL;
	name->host = strdup(host);
	if (name->host == NULL ||
	    timers_attach(engine.timers, &name->delay, on_delay) == -1) {
		free(name->host);
		free(name);
		return NULL;
	}
	name->resolver = resolver;
	name->until_ms = UINT64_MAX;
	TAILQ_INIT(&name->queries);
	LIST_INSERT_HEAD(bucket_of(host), name, link);
	name->listed = true;
	return name;
}

/* One that is being looked up, or whose answer still holds. */
static struct name *
find(const char *host)
{
	struct name *name;

	LIST_FOREACH(name, bucket_of(host), link)
		if (strcasecmp(name->host, host) == 0)
			break;
	/* One that still waits for half of its answer may be too old as well. */
	if (name == NULL || !name->usable || name->until_ms > engine_now())
		return name;
	delist(name);
	return NULL;
}

struct name_query *
names_ask(const char *host, void (*news)(void *arg), void *arg)
{
	struct name_query *query = calloc(1, sizeof(*query));
	struct resolver *resolver;
	struct name *name, *fresh = NULL;
	bool changed;

	resolver = query != NULL ? resolver_now(&changed) : NULL;
	if (resolver != NULL && changed)
		forget_all();
	name = resolver != NULL ? find(host) : NULL;
	if (resolver != NULL && name == NULL)
		name = fresh = name_new(host, resolver);
	if (name == NULL) {
		free(query);
		errno = ENOMEM;
		return NULL;
	}
	query->name = name;
	query->arg = arg;
	TAILQ_INSERT_TAIL(&name->queries, query, link);
	if (fresh != NULL) {
		begin(fresh);
		resolver_go_on(resolver);
	}
	query->news = news;
	return query;
}

const struct name_answer *
names_answer(const struct name_query *query)
{
	return query->name->usable ? &query->name->answer : NULL;
}

void
names_forget(struct name_query *query)
{
	if (query == NULL)
		return;
	TAILQ_REMOVE(&query->name->queries, query, link);
	name_release(query->name);
	free(query);
}

void
names_done(void)
{
	forget_all();
	resolver_done();
}
