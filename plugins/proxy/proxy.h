/*
 * proxy.h: what the files of the plugin `proxy` share.  From the lowest to the
 * highest: header.c, upstream.c, balance.c, config.c, pair.c, proxy.c.
 */

#ifndef PROXY_H
#define PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sluice.h>

#define NAME_BYTES 280	/* "[HOST]:PORT" or "unix:" and a path, with a NUL */
#define WHY_BYTES 320	/* a sentence with such a name */
#define WEIGHT_MAX 1000 /* more says nothing more */
#define RETRIES_MAX 31

/* Timers: of a connection, and of the service. */
#define TIMER_AGAIN 1u
#define TIMER_CHECK 2u

enum send_proxy {
	SEND_NONE,
	SEND_V1,
	SEND_V2,
};

enum balance {
	BALANCE_ROUND_ROBIN,
	BALANCE_LEAST_CONNECTIONS,
	BALANCE_HASH_ADDRESS,
};

/* -- header.c -- */

#define HEADER_MAX 2048

/*
 * The PROXY header that tells an upstream who the client is.  Returns its
 * length.
 */
size_t header_v1(struct sl_conn *client, char buf[HEADER_MAX]);
size_t header_v2(struct sl_conn *client, char buf[HEADER_MAX]);

/* -- upstream.c: one of the servers behind the proxy -- */

struct health_rules {
	uint32_t fail_count; /* failures in a row; 0: it is never out */
	uint64_t backoff_ms, backoff_max_ms;
	bool checks; /* they bring it back, not a client that tries */
};

/*
 * All versions of a service that have this upstream share it, and so do its
 * connections.  So a reload forgets nothing about it.
 */
struct upstream {
	unsigned int refs;
	uint64_t number; /* no other one of the service ever has it */
	uint64_t hash;	 /* of the name */
	uint16_t port;	 /* 0: host is the path of a unix socket */
	uint16_t failures;
	uint8_t backoff_level;
	bool out;	 /* until out_until_ms, and then until a trial */
	bool trial;	 /* somebody tries it */
	bool is_checked; /* right now */
	uint32_t active; /* connections, also those that are being made */
	uint64_t out_until_ms;
	char *host;
	char name[]; /* as configured */
};

/* What stands in the configuration, such as "[::1]:80 weight=2". */
struct upstream_spec {
	char name[NAME_BYTES];
	char host[NAME_BYTES];
	uint16_t port;
	uint32_t weight;
	uint32_t max_connections; /* 0: no limit */
};

/* Read text up to a comma or its end.  0, or -1 with why in words. */
int upstream_parse(const char *text, size_t len, struct upstream_spec *ret,
    char why[WHY_BYTES]);

/* With one reference; NULL: no memory. */
struct upstream *upstream_new(const struct upstream_spec *spec,
    uint64_t number);
struct upstream *upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream);

/* Connect to it.  As sl_connect(). */
struct sl_conn *upstream_connect(const struct upstream *upstream,
    struct sl_service *service, uint64_t timeout_ms, void *data);

/* May a client be sent there now? */
bool upstream_usable(const struct upstream *upstream,
    const struct health_rules *rules);
/* It has answered. */
void upstream_good(struct upstream *upstream, struct sl_service *service);
/* It has failed, for somebody who was sent there as a trial or not. */
void upstream_bad(struct upstream *upstream, struct sl_service *service,
    const struct health_rules *rules, bool was_trial, const char *text);

/* -- balance.c: which upstream is next -- */

struct member {
	struct upstream *upstream;
	uint32_t weight;
	uint32_t max_connections; /* 0: no limit */
	int64_t turn;		  /* of the smooth round robin */
};

struct group {
	size_t count;
	struct member *members;
};

/* Those that were tried for one client, by their numbers. */
struct tried {
	unsigned int count;
	uint64_t numbers[RETRIES_MAX + 1];
};

/*
 * The next upstream for a client at this address, or NULL: none may be used, or
 * all have been tried.
 */
struct upstream *balance_next(struct group *group, enum balance balance,
    const struct health_rules *rules, const struct tried *tried,
    const char *address);

/* -- config.c: the options, as a service keeps them -- */

struct proxy {
	struct group group;
	size_t upstream_count;
	struct upstream **upstreams; /* each once, with a reference */
	uint64_t last_number;	     /* of one of these or before */
	enum balance balance;
	enum send_proxy send_proxy;
	struct health_rules health;
	unsigned int retries;
	bool log_connections;
	uint64_t connect_timeout_ms, idle_timeout_ms, check_interval_ms;
};

extern const struct sl_option proxy_options[];

/*
 * Read the options.  Upstreams that prev has are taken over; it may be NULL.
 * Returns NULL if they are wrong: *ret_option is the one at fault, or NULL.
 */
struct proxy *proxy_new(const struct sl_options *options,
    const struct proxy *prev, const char **ret_option, char why[WHY_BYTES]);
void proxy_free(struct proxy *proxy);

/* -- pair.c: a client and its upstream -- */

int pair_client_open(struct sl_conn *c);
ssize_t pair_client_data(struct sl_conn *c, const void *buf, size_t len);
void pair_client_end(struct sl_conn *c);
void pair_client_close(struct sl_conn *c, const struct sl_error *why);
int pair_upstream_open(struct sl_conn *c);
ssize_t pair_upstream_data(struct sl_conn *c, const void *buf, size_t len);
void pair_upstream_end(struct sl_conn *c);
void pair_upstream_failed(struct sl_conn *c, const struct sl_error *err);
void pair_upstream_close(struct sl_conn *c, const struct sl_error *why);
/* TIMER_AGAIN of a client. */
void pair_try_again(struct sl_conn *c);

/* Connect to each upstream, to see whether it is there. */
void check_all(struct sl_service *service);

#endif
