/*
 * settings.h: one configuration, parsed, checked and resolved: plain data that
 * the reader builds, the bundle carries, and the master and workers only read.
 * The table that describes every key is in keys.c.
 */

#ifndef SLUICE_SETTINGS_H
#define SLUICE_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config/address.h"
#include "config/keys.h"
#include "config/network_set.h"

/* Of both kinds together: the counts have room for this many. */
#define LISTENERS_MAX 1024
#define WORKERS_MAX 256

#define LISTENER_NAME_MAX 64 /* without the NUL */
#define KEEPIDLE_MAX_S 32767 /* what Linux takes for TCP_KEEPIDLE */

/* The kernel takes whole seconds, at least 1: round up.  0 stays 0. */
static inline uint64_t
keepidle_s(uint64_t idle_ms)
{
	return idle_ms / 1000 + (idle_ms % 1000 != 0);
}

enum on_reload {
	ON_RELOAD_AUTO,
	ON_RELOAD_SWAP,
	ON_RELOAD_DRAIN,
	ON_RELOAD_CLOSE
};

struct listener_address {
	struct address address;
	struct origin origin;
};

struct timeout_settings {
	struct key_lines lines;
	/* 0: none. */
	uint64_t idle_ms, connect_ms, handshake_ms, linger_ms, write_ms;
	uint64_t close_ms;
	uint64_t max_lifetime_ms; /* 0: none */
};

/* The lines of the log of one listener or connector. */
enum access { ACCESS_INHERIT, ACCESS_ON, ACCESS_OFF };

struct access_settings {
	int64_t lines;	      /* enum access */
	int64_t sample;	      /* one in so many of those that were asked for */
	int64_t plugin_lines; /* a second, by its plugin; 0: any number */
};

/* Which way bytes go, where each has a rate of its own. */
enum pace { PACE_IN, PACE_OUT, PACES };
#define PACE_RATE_MAX (UINT64_C(1) << 40) /* bytes per second */

struct limit_settings {
	struct key_lines lines;
	uint64_t connections, per_address;		 /* 0: none */
	uint64_t read_buffer, write_buffer, write_queue; /* bytes */
	uint64_t min_rate; /* bytes per second; 0: none */
	/* The most, of a connection and of all of a listener; likewise. */
	uint64_t rate[PACES], listener_rate[PACES];
	/* Connections per second; 0: none. */
	uint64_t accept_rate, accept_rate_per_address;
};

/* Of the path of a unix socket; a field of all ones is not set. */
struct unix_rights {
	uint32_t mode;
	struct unix_owner {
		uid_t uid;
		gid_t gid;
	} owner;
};

#define TLS_NAMES_MAX 1024    /* entries of `sni` of one listener */
#define TLS_INLINE "(inline)" /* in place of a PEM text */
#define NO_SECRET UINT32_MAX
#define TLS_WARN_DAYS 30 /* before a certificate ends */

enum tls_verify {
	TLS_VERIFY_NONE,
	TLS_VERIFY_OPTIONAL, /* ask for a certificate; the plugin decides */
	TLS_VERIFY_REQUIRE,
	/* Only as written in `sni`: the reader puts the listener's value. */
	TLS_VERIFY_INHERIT,
};
enum tls_unknown_sni { TLS_UNKNOWN_DEFAULT, TLS_UNKNOWN_REJECT };
enum tls_policy { TLS_POLICY_INTERMEDIATE, TLS_POLICY_MODERN };

/*
 * Our certificates and keys, and which client certificates we accept: of a
 * listener, or of an entry of its `sni`.
 */
struct tls_identity_settings {
	/*
	 * A path or a PEM text each.  The bundle has TLS_INLINE in place
	 * of a PEM text.
	 */
	struct key_string *cert, *key, *ca, *crl;
	uint32_t cert_count, key_count, ca_count, crl_count;
	char *passphrase_file; /* or NULL */
	int64_t verify;	       /* enum tls_verify */
	char *ocsp;	       /* path of a DER response, or NULL */
	/*
	 * Resolved.  The index into settings.secrets of what the files hold;
	 * an entry of `sni` without a CA has the listener's in there.  And when
	 * the first of our own certificates ends, the first of the CRLs and the
	 * OCSP response, in seconds since 1970 (-1: not known).
	 */
	uint32_t secret;
	int64_t not_after, crl_until, ocsp_until;
	struct origin origin; /* of the group */
};

struct tls_name_settings {
	struct key_lines lines;
	/* "example.org" or "*.example.org", in lower case. */
	struct key_string *names;
	uint32_t name_count;
	struct tls_identity_settings identity;
};

struct tls_settings {
	struct key_lines lines;
	bool on; /* the group is there */
	struct tls_identity_settings identity;
	struct tls_name_settings *sni;
	uint32_t sni_count;
	int64_t unknown_sni;	 /* enum tls_unknown_sni */
	struct key_string *alpn; /* the preferred one first */
	uint32_t alpn_count;
	int64_t policy; /* enum tls_policy */
	/* TLS1_2_VERSION or TLS1_3_VERSION; 0: the policy's. */
	int64_t min_version, max_version;
	char *ciphers, *ciphersuites, *groups; /* NULL: the policy's */
	bool tickets;
	uint64_t session_timeout_ms;
	uint64_t handshake_timeout_ms; /* 0: timeouts.handshake */
	uint64_t max_send_fragment;    /* bytes */
	bool renegotiation;	       /* TLS 1.2 peers may */
	bool starttls;		       /* plain until a plugin upgrades */
	/* Of a client; NULL: by the host that it connects to. */
	char *servername, *verify_name;
};

/* Which peers begin with a header that says for whom they connect. */
struct proxy_settings {
	struct key_lines lines;
	bool on;		 /* the group is there */
	struct key_string *from; /* as written */
	uint32_t from_count;
	struct network_set networks; /* `from`, parsed */
	uint64_t timeout_ms;	     /* until the header is there */
};

/* Which clients are let in. */
struct guard_settings {
	struct key_string *allow, *deny; /* as written */
	uint32_t allow_count, deny_count;
	struct network_set allowed, denied; /* parsed */
};

/* How long a connector waits before it connects again. */
struct retry_settings {
	struct key_lines lines;
	uint64_t first_ms, max_ms;
	double jitter; /* the part by which a wait may be longer or shorter */
};

/* What only a connector has. */
struct connector_settings {
	char *connect; /* as written: see target_parse(); NULL: a listener */
	bool per_worker;
	struct retry_settings retry;
	struct origin connect_origin, per_worker_origin;
};

/*
 * A listener, or a connector.  A connector listens on no address, so it has
 * neither the settings of sockets nor those of peers that come by themselves.
 */
struct listener_settings {
	struct key_lines lines;
	char *name;
	char *plugin;		   /* as written */
	uint32_t image;		   /* index into settings.images */
	struct key_string *listen; /* as written */
	uint32_t listen_count;
	struct listener_address *addresses; /* `listen`, resolved */
	uint32_t address_count;
	int64_t backlog;
	bool nodelay;
	struct bool_duration keepalive; /* no time: the kernel's */
	int64_t on_reload;		/* enum on_reload */
	char *mode, *owner;		/* of unix paths, as written, or NULL */
	struct unix_rights unix_rights; /* resolved */
	struct timeout_settings timeouts;
	struct limit_settings limits;
	struct access_settings access;
	struct tls_settings tls;
	struct tls_settings connect_tls; /* of the connections it makes */
	struct proxy_settings proxy;
	struct guard_settings guard;
	struct connector_settings connector;
	/* Its workers: so many of its own, or a group; neither: the default. */
	int64_t workers;
	char *worker_group;
	struct origin workers_origin, worker_group_origin;
	struct raw_option *options;
	uint32_t option_count;
	struct origin origin; /* of the listener's group */
	struct origin plugin_origin;
};

#define IMAGE_HASH_SIZE 32 /* SHA-256 */
#define NO_IMAGE UINT32_MAX
/* A library that a plugin needs. */
struct image_need {
	char *name;
	/* Index into settings.images; NO_IMAGE: the system's. */
	uint32_t image;
};
/* A plugin, or a library that came with one. */
struct image_settings {
	char *path;		       /* the operator's file, for messages */
	uint8_t hash[IMAGE_HASH_SIZE]; /* of a plugin: with its libraries */
	uint64_t size;
	bool library;
	/* Of a plugin: all libraries, each after those that it needs itself. */
	struct image_need *needs;
	uint32_t need_count;
	char *soname; /* or NULL.  Not in the bundle. */
};

#define SECRETS_MAX 4096 /* of one configuration */
/* Bytes that only workers get, in a memfd. */
struct secret_settings {
	char *path; /* of the file they came from, for messages */
	/* Changes when the bytes change, and reveals nothing of them. */
	uint64_t stamp[2];
	struct origin origin; /* of the key that names it */
};

#define SYSLOG_OFF (-1)
#define LOG_SYSLOG_SOCKET "/dev/log"

struct log_settings {
	struct key_lines lines;
	int64_t level;	/* enum log_level */
	int64_t format; /* enum log_format */
	bool access;
	char *file; /* or NULL */
	struct origin file_origin;
	int64_t syslog; /* a facility as in syslog(3), or SYSLOG_OFF */
	char *syslog_socket;
	struct origin syslog_origin, syslog_socket_origin;
};

struct canary_settings {
	struct key_lines lines;
	int64_t workers; /* 0: no canary */
	uint64_t time_ms;
	int64_t errors; /* per cent above the other workers */
};

/* Workers that serve only the listeners and connectors which name them. */
struct worker_group_settings {
	struct key_lines lines;
	char *name;
	int64_t workers;
	struct origin origin;
};

/* Of each worker process. */
struct process_limits {
	struct key_lines lines;
	uint64_t memory; /* resident bytes; 0: none */
};

struct settings {
	struct key_lines lines;
	int64_t workers;      /* 0 in the file becomes the number of CPUs */
	bool workers_of_cpus; /* it was 0 in the file */
	char *user, *group;   /* as written, or NULL */
	/* A reload that changes them is refused. */
	struct origin workers_origin, user_origin, group_origin;
	bool drop; /* started as root: workers become uid:gid */
	uid_t uid;
	gid_t gid;
	char *plugin_dir;
	char *plugin_copies;	     /* or NULL */
	struct key_string *includes; /* as written */
	uint32_t include_count;
	struct log_settings log;
	struct worker_group_settings *worker_groups;
	uint32_t worker_group_count;
	uint64_t drain_timeout_ms, upgrade_drain_ms, probation_ms, watchdog_ms,
	    slow_ms;
	struct canary_settings canary;
	struct process_limits limits;
	char *control; /* path of the control socket, or NULL */
	char *control_mode, *control_group; /* as written; the group or NULL */
	uint32_t control_bits;		    /* the mode, resolved */
	/* Resolved; (gid_t)-1: only root and our own user. */
	gid_t control_gid;
	struct origin control_origin, control_mode_origin, control_group_origin;
	/*
	 * The status page, served by a process of its own: where it listens, as
	 * a listener without a name, a plugin and connections that we know of.
	 */
	struct listener_settings status;
	bool status_on; /* the group is there */
	struct listener_settings *listeners, *connectors;
	uint32_t listener_count, connector_count;
	/*
	 * One for each different content; libraries come before whatever needs
	 * them.
	 */
	struct image_settings *images;
	uint32_t image_count;
	/* A key names one by its index. */
	struct secret_settings *secrets;
	uint32_t secret_count;
	struct origin plugin_copies_origin;
	/* The files read, owned; origins point into this. */
	char **files;
	uint32_t file_count;
	/*
	 * What the reader looks at, as patterns for glob(3).  Not in the
	 * bundle.
	 */
	char **sources;
	uint32_t source_count;
};

/* Settings with every default of the table and no listeners.  NULL: ENOMEM. */
struct settings *settings_new(void);
void settings_free(struct settings *settings); /* NULL is fine */

/*
 * Listeners and connectors together, in one numbering: the listeners come
 * first.  Messages name both by it.
 */
uint32_t settings_endpoints(const struct settings *settings);
struct listener_settings *settings_endpoint(const struct settings *settings,
    uint32_t index);
/* The one of that name, borrowed; or NULL. */
const struct listener_settings *settings_find(const struct settings *settings,
    const char *name);
/* What the group of these settings is called in the file: "tls", ... */
const char *tls_group(const struct listener_settings *endpoint,
    const struct tls_settings *tls);
/* "listener" or "connector" */
const char *endpoint_kind(const struct listener_settings *endpoint);

/* Do the workers, and so the plugins, run as another user than we do? */
bool settings_workers_apart(const struct settings *settings);

/*
 * Append zeros to the arrays that belong to no key; borrowed until the next
 * one.  NULL: ENOMEM.
 */
struct image_settings *settings_add_image(struct settings *settings);
struct secret_settings *settings_add_secret(struct settings *settings);
struct image_need *image_add_need(struct image_settings *image);
/* Returns the copy of the path. */
const char *settings_add_file(struct settings *settings, const char *path);
/* A path that is there already is not added again.  0 or -1. */
int settings_add_source(struct settings *settings, const char *path,
    bool pattern);
struct listener_address *listener_add_address(
    struct listener_settings *listener);

/*
 * The first key that differs and that a reload cannot change, or NULL; where
 * it stands in `next` (line 0 when it was taken out of the file).
 */
const char *settings_restart_key(const struct settings *prev,
    const struct settings *next, struct origin *ret_origin);

/* Do its own connections have the same TLS in both, with the same files? */
bool endpoint_same_tls(const struct settings *a,
    const struct listener_settings *la, const struct settings *b,
    const struct listener_settings *lb);

/*
 * Tell how a listener or connector differs, but for its options, as
 * keys_changes(); also that files which its keys name have other contents.
 */
void endpoint_changes(const struct settings *a,
    const struct listener_settings *la, const struct settings *b,
    const struct listener_settings *lb, key_change *on_change, void *arg);

/*
 * Tell which options of the plugin are new, gone or different, as
 * keys_changes(), but without their values.
 */
void option_changes(const struct listener_settings *la,
    const struct listener_settings *lb, key_change *on_change, void *arg);

/* Has the listener the same plugin and options in both? */
bool listener_same_service(const struct settings *a,
    const struct listener_settings *la, const struct settings *b,
    const struct listener_settings *lb);

#endif
