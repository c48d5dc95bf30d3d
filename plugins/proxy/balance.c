/* balance.c: which upstream is next. */

#include <math.h>
#include <string.h>

#include "proxy.h"

static bool
was_tried(const struct tried *tried, const struct upstream *upstream)
{
	for (unsigned int i = 0; i < tried->count; i++)
		if (tried->numbers[i] == upstream->number)
			return true;
	return false;
}

/* What one choice is made from. */
struct choice {
	struct group *group;
	const struct health_rules *rules;
	const struct tried *tried;
	bool backups; /* among these, or among the others */
};

static bool
may_take(const struct choice *choice, const struct member *member)
{
	const struct upstream *upstream = member->upstream;

	return member->backup == choice->backups &&
	    (member->max_connections == 0 ||
		upstream->active < member->max_connections) &&
	    upstream_usable(upstream, choice->rules) &&
	    !was_tried(choice->tried, upstream);
}

/* Is a loaded less than b, for its weight?  Below 0: yes; 0: both the same. */
static int
compare_load(const struct member *a, const struct member *b)
{
	uint64_t left = (uint64_t)a->upstream->active * b->weight;
	uint64_t right = (uint64_t)b->upstream->active * a->weight;

	return left < right ? -1 : left > right;
}

static struct member *
least_loaded(const struct choice *choice)
{
	struct member *best = NULL;

	for (size_t i = 0; i < choice->group->count; i++) {
		struct member *member = &choice->group->members[i];

		if (may_take(choice, member) &&
		    (best == NULL || compare_load(member, best) < 0))
			best = member;
	}
	return best;
}

/*
 * Smooth weighted round robin: weights 5, 1, 1 give a a b a c a a.  Only among
 * those that are loaded as little as `like`, if that is not NULL.
 */
static struct member *
next_in_turn(const struct choice *choice, const struct member *like)
{
	struct member *best = NULL;
	int64_t total = 0;

	for (size_t i = 0; i < choice->group->count; i++) {
		struct member *member = &choice->group->members[i];

		if (!may_take(choice, member) ||
		    (like != NULL && compare_load(member, like) != 0))
			continue;
		member->turn += member->weight;
		total += member->weight;
		if (best == NULL || member->turn > best->turn)
			best = member;
	}
	if (best != NULL)
		best->turn -= total;
	return best;
}

/* The finalizer of MurmurHash3: every bit depends on all others. */
static uint64_t
mix(uint64_t x)
{
	x = (x ^ x >> 33) * 0xff51afd7ed558ccdu;
	x = (x ^ x >> 33) * 0xc4ceb9fe1a85ec53u;
	return x ^ x >> 33;
}

/* The address without the port: "192.0.2.7", "[2001:db8::1]". */
static uint64_t
hash_address(const char *address)
{
	const char *port = strrchr(address, ':');
	uint64_t hash = 14695981039346656037u;

	for (; *address != '\0' && address != port; address++)
		hash = (hash ^ (unsigned char)*address) * 1099511628211u;
	return hash;
}

/*
 * Rendezvous hashing: each upstream draws a number for this address, and the
 * best one has it.  So what one upstream leaves is spread over all others, and
 * nobody else moves.  The logarithm gives each its share by weight.
 */
static struct member *
by_hash(const struct choice *choice, struct sl_conn *client)
{
	uint64_t hash = hash_address(sl_remote(client)->text), drawn;
	struct member *best = NULL;
	double lowest = 0, score;

	for (size_t i = 0; i < choice->group->count; i++) {
		struct member *member = &choice->group->members[i];

		if (!may_take(choice, member))
			continue;
		drawn = mix(hash ^ mix(member->upstream->hash));
		/* Above 0 and at most 1. */
		score = -log(((double)(drawn >> 11) + 1) / 9007199254740992.0) /
		    member->weight;
		if (best == NULL || score < lowest) {
			best = member;
			lowest = score;
		}
	}
	return best;
}

static struct member *
choose(const struct choice *choice, enum balance balance,
    struct sl_conn *client)
{
	struct member *member;

	switch (balance) {
	case BALANCE_LEAST_CONNECTIONS:
		member = least_loaded(choice);
		return member != NULL ? next_in_turn(choice, member) : NULL;
	case BALANCE_HASH_ADDRESS:
		return by_hash(choice, client);
	default:
		return next_in_turn(choice, NULL);
	}
}

struct upstream *
balance_next(struct group *group, enum balance balance,
    const struct health_rules *rules, const struct tried *tried,
    struct sl_conn *client)
{
	struct choice choice = { group, rules, tried, false };
	struct member *member = choose(&choice, balance, client);

	if (member == NULL) {
		choice.backups = true;
		member = choose(&choice, balance, client);
	}
	return member != NULL ? member->upstream : NULL;
}
