/*
 * proxy.h: what the files of the plugin `proxy` share.  From the lowest to the
 * highest: header.c, hello.c, upstream.c, balance.c, group.c, config.c,
 * those of pair.h, proxy.c.
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
#define TIMER_HELLO 3u

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

/* For a connection without a client.  NULL: none is wanted. */
const char *header_of_check(enum send_proxy version, size_t *ret_len);

/*
 * The PROXY header that tells an upstream who the client is.  Returns its
 * length.
 */
size_t header_v1(struct sl_conn *client, char buf[HEADER_MAX]);
/* name: the one that the client asks for, if TLS does not end here, or "". */
size_t header_v2(struct sl_conn *client, const char *name,
    char buf[HEADER_MAX]);

/* -- hello.c -- */

#define HELLO_NAME_BYTES 256 /* of a host, with a NUL */

enum hello_result {
	HELLO_MORE,
	HELLO_DONE,
	HELLO_BAD,
};

/*
 * The name that a client asks for, at the beginning of a connection with TLS:
 * in lower case, without a dot at the end, or "".  HELLO_MORE: the beginning is
 * not complete, but right so far.  HELLO_BAD: *ret_wrong says what is wrong.
 */
enum hello_result hello_read(const void *buf, size_t len,
    char ret_name[HELLO_NAME_BYTES], const char **ret_wrong);

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
	bool out;	       /* until out_until_ms, and then until a trial */
	bool trial;	       /* somebody tries it */
	bool is_checked;       /* right now */
	uint32_t active;       /* connections, also those that are being made */
	uint64_t out_until_ms; /* also when it is back: until it was out */
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
	bool backup;		  /* only if no other one is there */
};

/* 0, or -1 with why in words. */
int upstream_parse(const char *text, size_t len, struct upstream_spec *ret,
    char why[WHY_BYTES]);

/* With one reference; NULL: no memory. */
struct upstream *upstream_new(const struct upstream_spec *spec,
    uint64_t number);
struct upstream *upstream_ref(struct upstream *upstream);
void upstream_unref(struct upstream *upstream);

/* Connect to it, with TLS unless `tls` is NULL.  As sl_connect(). */
struct sl_conn *upstream_connect(const struct upstream *upstream,
    struct sl_service *service, uint64_t timeout_ms,
    const struct sl_tls_options *tls, void *data);

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
	bool backup;		  /* only if no other one is there */
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
 * The next upstream for a client, or NULL: none may be used, or all have been
 * tried.
 */
struct upstream *balance_next(struct group *group, enum balance balance,
    const struct health_rules *rules, const struct tried *tried,
    struct sl_conn *client);

/* -- group.c: what a client asks for decides where it may go -- */

struct route {
	char *name; /* "example.org", "*.example.org"; "h2" */
	struct group group;
};

struct routes {
	size_t count;
	struct route *routes;
};

struct proxy;

/*
 * Add the upstreams in text, such as "a:80 weight=2, b:80".  Those that prev has
 * are taken over.  0, or -1 with why in words.
 */
int group_add(struct proxy *proxy, const struct proxy *prev,
    struct group *group, const char *text, char why[WHY_BYTES]);
void group_done(struct group *group);

/* Add a route: a name, a blank and upstreams.  As group_add(). */
int routes_add(struct proxy *proxy, const struct proxy *prev,
    struct routes *routes, bool hosts, const char *text, char why[WHY_BYTES]);
void routes_done(struct routes *routes);
/* NULL: there is no such route. */
struct group *routes_find(const struct routes *routes, const char *name);
/* The same for the name of a host; "*.example.org" is for all below it. */
struct group *routes_find_host(const struct routes *routes, const char *name);

/* -- config.c: the options, as a service keeps them -- */

struct proxy {
	struct group group; /* for what has no route */
	struct routes by_name, by_alpn;
	size_t upstream_count;
	struct upstream **upstreams; /* each once, with a reference */
	uint64_t last_number;	     /* of one of these or before */
	enum balance balance;
	enum send_proxy send_proxy;
	struct {
		bool on;
		struct sl_tls_options options; /* borrowed from the service */
	} tls;
	struct health_rules health;
	uint32_t retries, max_connections;
	bool log_connections;
	uint64_t connect_timeout_ms, idle_timeout_ms, check_interval_ms;
	uint64_t hello_timeout_ms;
};

extern const struct sl_option proxy_options[];

/*
 * Read the options.  Upstreams that prev has are taken over; it may be NULL.
 * Returns NULL if they are wrong: *ret_option is the one at fault, or NULL.
 */
struct proxy *proxy_new(const struct sl_options *options,
    const struct proxy *prev, const char **ret_option, char why[WHY_BYTES]);
void proxy_free(struct proxy *proxy);
/* Say why.  Returns -1. */
int proxy_wrong(char why[WHY_BYTES], const char *fmt, ...) SL_PRINTF(2, 3);

/* -- pair.c: a client and its upstream -- */

int pair_client_open(struct sl_conn *c);
ssize_t pair_client_data(struct sl_conn *c, const void *buf, size_t len);
void pair_client_end(struct sl_conn *c);
void pair_client_close(struct sl_conn *c, const struct sl_error *why);
void pair_upstream_handshake(struct sl_conn *c, const struct sl_error *err);
int pair_upstream_open(struct sl_conn *c);
ssize_t pair_upstream_data(struct sl_conn *c, const void *buf, size_t len);
void pair_upstream_end(struct sl_conn *c);
void pair_upstream_failed(struct sl_conn *c, const struct sl_error *err);
void pair_upstream_close(struct sl_conn *c, const struct sl_error *why);
/* TIMER_AGAIN and TIMER_HELLO of a client. */
void pair_try_again(struct sl_conn *c);
void pair_hello_late(struct sl_conn *c);

/* Connect to each upstream, to see whether it is there. */
void check_all(struct sl_service *service);

#endif
