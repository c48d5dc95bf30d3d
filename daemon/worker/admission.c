/* admission.c: seats, and the clients that are refused one. */

#include "worker/admission.h"

#include <stdio.h>

#include "base/log.h"
#include "base/log_limit.h"
#include "config/address.h"
#include "config/settings.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "worker/endpoint.h"
#include "worker/engine.h"

#define REFUSED_LOG_MAX 1 /* lines per second, endpoint and reason */
#define SKIPPED_MAX 64

/*
 * Count a refusal.  Returns false if enough was logged about this reason lately;
 * else fills in the end of the log line.
 */
static bool
refused(struct endpoint *endpoint, enum count count, char skipped[SKIPPED_MAX])
{
	struct log_limit *limit =
	    &endpoint->refused[count - COUNT_REFUSED].limit;
	uint32_t n;

	count_add(endpoint->counts, count, 1);
	if (!log_limit(limit, REFUSED_LOG_MAX, &n))
		return false;
	skipped[0] = '\0';
	if (n > 0)
		snprintf(skipped, SKIPPED_MAX,
		    "; %u more were refused since the last such line", n);
	return true;
}

/* A function of its own, so that clients that are let in do not pay for it. */
static bool __attribute__((cold, noinline))
limit_reached(struct endpoint *endpoint, enum count count, const char *limit,
    uint64_t most, const struct sockaddr *peer, socklen_t len)
{
	char text[ADDRESS_TEXT_MAX], skipped[SKIPPED_MAX];

	if (refused(endpoint, count, skipped))
		endpoint_log(endpoint, LOG_LEVEL_WARN,
		    "refused %s: limits.%s (%llu) is reached%s",
		    sockaddr_text(peer, len, text), limit,
		    (unsigned long long)most, skipped);
	return false;
}

static bool __attribute__((cold, noinline))
not_wanted(struct endpoint *endpoint, const char *why,
    const struct sockaddr *peer, socklen_t len)
{
	char text[ADDRESS_TEXT_MAX], skipped[SKIPPED_MAX];

	if (refused(endpoint, COUNT_REFUSED_DENIED, skipped))
		endpoint_log(endpoint, LOG_LEVEL_WARN, "refused %s: it is %s%s",
		    sockaddr_text(peer, len, text), why, skipped);
	return false;
}

bool
admission_lets_in(struct endpoint *endpoint, const struct sockaddr *peer,
    socklen_t len)
{
	const struct guard_settings *guard = endpoint->guard;

	if (network_set_has(&guard->denied, peer))
		return not_wanted(endpoint, "in `deny`", peer, len);
	if (guard->allowed.count > 0 && !network_set_has(&guard->allowed, peer))
		return not_wanted(endpoint, "not in `allow`", peer, len);
	return true;
}

bool
admission_in_rate(struct endpoint *endpoint, const struct sockaddr *peer,
    socklen_t len)
{
	uint64_t most = endpoint->limits->accept_rate;

	return most == 0 ||
	    shm_rate_in(engine.shm, endpoint->slot, most, engine_now()) ||
	    limit_reached(endpoint, COUNT_REFUSED_ACCEPT_RATE, "accept_rate",
		most, peer, len);
}

bool
admission_in_address_rate(struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len)
{
	uint64_t most = endpoint->limits->accept_rate_per_address;

	return most == 0 ||
	    shm_address_rate_in(engine.shm, endpoint->slot, peer, most,
		engine_now()) ||
	    limit_reached(endpoint, COUNT_REFUSED_ADDRESS_RATE,
		"accept_rate_per_address", most, peer, len);
}

bool
seat_take(struct seat *seat, struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len)
{
	uint64_t most = endpoint->limits->connections;

	if (!shm_connection_in(engine.shm, endpoint->slot, most))
		return limit_reached(endpoint, COUNT_REFUSED_CONNECTIONS,
		    "connections", most, peer, len);
	seat->slot = endpoint->slot;
	return true;
}

bool
seat_take_address(struct seat *seat, struct endpoint *endpoint,
    const struct sockaddr *peer, socklen_t len)
{
	uint64_t most = endpoint->limits->per_address;

	if (most == 0)
		return true;
	if (!shm_address_in(engine.shm, endpoint->slot, peer, most,
		&seat->address))
		return limit_reached(endpoint, COUNT_REFUSED_PER_ADDRESS,
		    "per_address", most, peer, len);
	return true;
}

void
seat_release(struct seat *seat)
{
	shm_address_out(engine.shm, seat->address);
	shm_connection_out(engine.shm, seat->slot);
	*seat = SEAT_NONE;
}

void
admission_out_of(struct endpoint *endpoint, const char *what)
{
	char skipped[SKIPPED_MAX];

	if (refused(endpoint, COUNT_REFUSED_MEMORY, skipped))
		endpoint_log(endpoint, LOG_LEVEL_WARN,
		    "out of %s; a connection was refused%s", what, skipped);
}

void
admission_out_of_descriptors(struct endpoint *endpoint)
{
	count_add(endpoint->counts, COUNT_REFUSED_DESCRIPTORS, 1);
}
