/*
 * keys.c: every key of the configuration, but for those of TLS (tls_keys.c).
 * To add a key, add a field to settings.h and a row here; a test then requires
 * it in the manual and the sample.
 */

#include "config/keys.h"

#include <string.h>
#include <syslog.h>

#include "base/log.h"
#include "config/settings.h"
#include "config/value.h"

#ifndef SLUICE_PLUGIN_DIR
#define SLUICE_PLUGIN_DIR "/usr/lib/sluice"
#endif

#define KIB (1ll << 10)
#define MIB (1ll << 20)
#define GIB (1ll << 30)
#define DURATION_MAX ((int64_t)VALUE_DURATION_MAX)
#define COUNT_MAX 1000000000  /* connections; far above what a host holds */
#define RATE_MAX 1000000      /* connections a second, likewise */
#define KEEPALIVE_MIN_MS 1000 /* the kernel counts whole seconds... */
#define KEEPALIVE_MAX_MS (1000ull * KEEPIDLE_MAX_S) /* ...up to this */

#define ACCESS_SAMPLE_MAX 1000000
#define LOG_RATE_MAX 1000000
#define RETRY_MIN_MS 10 /* a peer that is down must not keep us busy */

/* Why a connector or listener refuses a key of the other one. */
#define ONE_CONNECTION \
	"this is only for listeners; a connector has one connection"
#define LISTENERS_ONLY "this is only for listeners; a connector does not listen"
#define CONNECTORS_ONLY \
	"this is only for connectors; a listener does not connect"

#define AT(of, field) offsetof(struct of, field)
#define LOG(field) AT(log_settings, field)
#define CANARY(field) AT(canary_settings, field)
#define TIMEOUT(field) AT(timeout_settings, field)
#define LIMIT(field) AT(limit_settings, field)
#define RETRY(field) AT(retry_settings, field)
#define PROXY(field) AT(proxy_settings, field)
#define GROUP(field) AT(worker_group_settings, field)
#define LISTENER(field) AT(listener_settings, field)
#define CONNECTOR(field) AT(listener_settings, connector.field)
#define TOP(field) AT(settings, field)
#define ARRAY(of, items, items_count) \
	.offset = AT(of, items), .count = AT(of, items_count)
#define RESOLVED(of, field)        \
	.resolved = AT(of, field), \
	.resolved_size = sizeof(((struct of *)NULL)->field)

const struct key_word log_level_words[] = {
	{ "error", LOG_LEVEL_ERROR },
	{ "warn", LOG_LEVEL_WARN },
	{ "info", LOG_LEVEL_INFO },
	{ "debug", LOG_LEVEL_DEBUG },
	{ NULL, 0 },
};

static const struct key_word log_format_words[] = {
	{ "text", LOG_FORMAT_TEXT },
	{ "json", LOG_FORMAT_JSON },
	{ NULL, 0 },
};

static const struct key_word syslog_words[] = {
	{ "off", SYSLOG_OFF },
	{ "user", LOG_USER },
	{ "mail", LOG_MAIL },
	{ "daemon", LOG_DAEMON },
	{ "auth", LOG_AUTH },
	{ "syslog", LOG_SYSLOG },
	{ "lpr", LOG_LPR },
	{ "news", LOG_NEWS },
	{ "uucp", LOG_UUCP },
	{ "cron", LOG_CRON },
	{ "authpriv", LOG_AUTHPRIV },
	{ "ftp", LOG_FTP },
	{ "local0", LOG_LOCAL0 },
	{ "local1", LOG_LOCAL1 },
	{ "local2", LOG_LOCAL2 },
	{ "local3", LOG_LOCAL3 },
	{ "local4", LOG_LOCAL4 },
	{ "local5", LOG_LOCAL5 },
	{ "local6", LOG_LOCAL6 },
	{ "local7", LOG_LOCAL7 },
	{ NULL, 0 },
};

static const struct key_word access_words[] = {
	{ "inherit", ACCESS_INHERIT },
	{ "on", ACCESS_ON },
	{ "off", ACCESS_OFF },
	{ NULL, 0 },
};

static const struct key_word on_reload_words[] = {
	{ "swap", ON_RELOAD_SWAP },
	{ "drain", ON_RELOAD_DRAIN },
	{ "close", ON_RELOAD_CLOSE },
	{ NULL, 0 },
};

/* A row is easier to read in a few long lines. */
/* clang-format off */
static const struct key log_keys[] = {
	{ .name = "level", .type = KEY_WORD, .value = "\"info\"",
	  .words = log_level_words, .offset = LOG(level),
	  .help = "the least important lines that are logged" },
	{ .name = "format", .type = KEY_WORD, .value = "\"text\"",
	  .words = log_format_words, .offset = LOG(format),
	  .help = "lines for people or for programs" },
	{ .name = "access", .type = KEY_BOOL, .value = "true",
	  .offset = LOG(access),
	  .help = "log a line for each connection that ends" },
	{ .name = "file", .type = KEY_STRING,
	  .example = "\"/var/log/sluice/sluice.log\"",
	  .offset = LOG(file), .origin = LOG(file_origin),
	  .help = "a file for the log, instead of standard error" },
	{ .name = "syslog", .type = KEY_WORD, .value = "\"off\"",
	  .example = "\"daemon\"", .words = syslog_words,
	  .offset = LOG(syslog), .origin = LOG(syslog_origin),
	  .help = "send the log to the syslog daemon instead, with this facility" },
	{ .name = "syslog_socket", .type = KEY_STRING,
	  .value = "\"" LOG_SYSLOG_SOCKET "\"",
	  .offset = LOG(syslog_socket), .origin = LOG(syslog_socket_origin),
	  .help = "where the syslog daemon listens" },
	{ .name = NULL },
};

static const struct key canary_keys[] = {
	{ .name = "workers", .type = KEY_INT, .value = "0", .example = "1",
	  .max = WORKERS_MAX, .offset = CANARY(workers),
	  .help = "how many workers try a new generation first; 0: none" },
	{ .name = "time", .type = KEY_DURATION, .value = "\"10s\"",
	  .max = DURATION_MAX, .offset = CANARY(time_ms),
	  .help = "for how long they try it" },
	{ .name = "errors", .type = KEY_INT, .value = "10",
	  .max = 100, .offset = CANARY(errors),
	  .help = "how many more per cent of their connections may fail" },
	{ .name = NULL },
};

static const struct key timeout_keys[] = {
	{ .name = "idle", .type = KEY_DURATION, .value = "0",
	  .example = "\"60s\"", .max = DURATION_MAX,
	  .offset = TIMEOUT(idle_ms),
	  .help = "close a connection after this long without traffic" },
	{ .name = "connect", .type = KEY_DURATION, .value = "\"10s\"",
	  .max = DURATION_MAX, .offset = TIMEOUT(connect_ms),
	  .help = "how long looking up a name and connecting may take" },
	{ .name = "handshake", .type = KEY_DURATION, .value = "\"10s\"",
	  .max = DURATION_MAX, .offset = TIMEOUT(handshake_ms),
	  .help = "how long a TLS handshake may take" },
	{ .name = "linger", .type = KEY_DURATION, .value = "\"2s\"",
	  .max = DURATION_MAX, .offset = TIMEOUT(linger_ms),
	  .help = "how long to wait for the peer's end after ours" },
	{ .name = "write", .type = KEY_DURATION, .value = "\"30s\"",
	  .max = DURATION_MAX, .offset = TIMEOUT(write_ms),
	  .help = "close a connection whose peer takes no output for this long" },
	{ .name = "close", .type = KEY_DURATION, .value = "\"5m\"",
	  .max = DURATION_MAX, .offset = TIMEOUT(close_ms),
	  .help = "how long closing a connection may take in all" },
	{ .name = "max_lifetime", .type = KEY_DURATION, .value = "0",
	  .example = "\"1h\"", .max = DURATION_MAX,
	  .offset = TIMEOUT(max_lifetime_ms),
	  .help = "close a connection that has been open for this long" },
	{ .name = NULL },
};

/* The limits of a single connection. */
#define BUFFER_KEYS \
	{ .name = "read_buffer", .type = KEY_SIZE, .value = "\"64KiB\"", \
	  .min = 512, .max = 16 * MIB, .offset = LIMIT(read_buffer), \
	  .help = "input that a plugin may leave for later" }, \
	{ .name = "write_buffer", .type = KEY_SIZE, .value = "\"256KiB\"", \
	  .min = 512, .max = GIB, .offset = LIMIT(write_buffer), \
	  .help = "queued output above which sl_write takes no more" }, \
	{ .name = "write_queue", .type = KEY_SIZE, .value = "\"16MiB\"", \
	  .min = 512, .max = 4 * GIB, .offset = LIMIT(write_queue), \
	  .help = "queued output above which sl_send refuses" }, \
	{ .name = "min_rate", .type = KEY_SIZE, .value = "0", \
	  .example = "\"1KiB\"", .max = GIB, \
	  .offset = LIMIT(min_rate), \
	  .help = "bytes a second that a peer must take of its output; 0: any" }, \
	{ .name = "rate_in", .type = KEY_SIZE, .value = "0", \
	  .example = "\"1MiB\"", .max = PACE_RATE_MAX, \
	  .offset = LIMIT(rate[PACE_IN]), \
	  .help = "bytes a second that are read of a connection; 0: no limit" }, \
	{ .name = "rate_out", .type = KEY_SIZE, .value = "0", \
	  .example = "\"1MiB\"", .max = PACE_RATE_MAX, \
	  .offset = LIMIT(rate[PACE_OUT]), \
	  .help = "bytes a second that are sent to a connection; 0: no limit" }

static const struct key limit_keys[] = {
	{ .name = "connections", .type = KEY_INT, .value = "0",
	  .example = "10000", .max = COUNT_MAX,
	  .offset = LIMIT(connections),
	  .help = "open connections in all workers; 0: no limit" },
	{ .name = "per_address", .type = KEY_INT, .value = "0",
	  .example = "100", .max = COUNT_MAX,
	  .offset = LIMIT(per_address),
	  .help = "open connections of one peer address; 0: no limit" },
	{ .name = "accept_rate", .type = KEY_INT, .value = "0",
	  .example = "1000", .max = RATE_MAX,
	  .offset = LIMIT(accept_rate),
	  .help = "new connections a second, in all workers; 0: no limit" },
	{ .name = "accept_rate_per_address", .type = KEY_INT, .value = "0",
	  .example = "10", .max = RATE_MAX,
	  .offset = LIMIT(accept_rate_per_address),
	  .help = "the same of one peer address; 0: no limit" },
	{ .name = "listener_rate_in", .type = KEY_SIZE, .value = "0",
	  .example = "\"100MiB\"", .max = PACE_RATE_MAX,
	  .offset = LIMIT(listener_rate[PACE_IN]),
	  .help = "bytes a second that are read of all connections; 0: no limit" },
	{ .name = "listener_rate_out", .type = KEY_SIZE, .value = "0",
	  .example = "\"100MiB\"", .max = PACE_RATE_MAX,
	  .offset = LIMIT(listener_rate[PACE_OUT]),
	  .help = "bytes a second that are sent to all connections; 0: no limit" },
	BUFFER_KEYS,
	{ .name = NULL },
};

static const struct key connector_limit_keys[] = {
	{ .name = "connections", .type = KEY_REFUSED, .help = ONE_CONNECTION },
	{ .name = "per_address", .type = KEY_REFUSED, .help = ONE_CONNECTION },
	{ .name = "accept_rate", .type = KEY_REFUSED, .help = ONE_CONNECTION },
	{ .name = "accept_rate_per_address", .type = KEY_REFUSED,
	  .help = ONE_CONNECTION },
	{ .name = "listener_rate_in", .type = KEY_REFUSED,
	  .help = ONE_CONNECTION },
	{ .name = "listener_rate_out", .type = KEY_REFUSED,
	  .help = ONE_CONNECTION },
	BUFFER_KEYS,
	{ .name = NULL },
};

static const struct key retry_keys[] = {
	{ .name = "first", .type = KEY_DURATION, .value = "\"1s\"",
	  .min = RETRY_MIN_MS, .max = DURATION_MAX, .offset = RETRY(first_ms),
	  .help = "how long to wait before the first new attempt" },
	{ .name = "max", .type = KEY_DURATION, .value = "\"1m\"",
	  .min = RETRY_MIN_MS, .max = DURATION_MAX, .offset = RETRY(max_ms),
	  .help = "each wait is twice as long as the one before, up to this" },
	{ .name = "jitter", .type = KEY_FRACTION, .value = "0.5",
	  .offset = RETRY(jitter),
	  .help = "the part by which a wait is made longer or shorter at random" },
	{ .name = NULL },
};

static const struct key proxy_keys[] = {
	{ .name = "from", .type = KEY_STRINGS, .flags = KEY_REQUIRED,
	  .example = "\"192.0.2.0/24\"",
	  ARRAY(proxy_settings, from, from_count),
	  .help = "the networks of the proxies, or \"unix\"" },
	{ .name = "timeout", .type = KEY_DURATION, .value = "\"5s\"",
	  .min = 1, .max = DURATION_MAX, .offset = PROXY(timeout_ms),
	  .help = "how long a proxy may take to send the header" },
	{ .name = NULL },
};

/* What listeners and connectors have in common. */
#define ENDPOINT_KEYS \
	{ .name = "name", .type = KEY_STRING, .flags = KEY_REQUIRED, \
	  .example = "\"echo\"", .offset = LISTENER(name), \
	  .help = "its name in logs, by which a reload finds it again" }, \
	{ .name = "plugin", .type = KEY_STRING, .flags = KEY_REQUIRED, \
	  .example = "\"echo\"", .offset = LISTENER(plugin), \
	  .origin = LISTENER(plugin_origin), \
	  .help = "a name in plugin_dir, or a path" }, \
	{ .name = "options", .type = KEY_OPTIONS, .example = "{ }", \
	  ARRAY(listener_settings, options, option_count), \
	  .help = "what the plugin itself understands" }, \
	{ .name = "workers", .type = KEY_INT, .value = "0", \
	  .example = "2", .max = WORKERS_MAX, .offset = LISTENER(workers), \
	  .origin = LISTENER(workers_origin), \
	  .help = "worker processes of its own; 0: none" }, \
	{ .name = "worker_group", .type = KEY_STRING, .example = "\"slow\"", \
	  .offset = LISTENER(worker_group), \
	  .origin = LISTENER(worker_group_origin), \
	  .help = "the group in worker_groups that serves it" }, \
	{ .name = "nodelay", .type = KEY_BOOL, .value = "true", \
	  .offset = LISTENER(nodelay), \
	  .help = "send small segments at once (TCP_NODELAY)" }, \
	{ .name = "keepalive", .type = KEY_BOOL_DURATION, .value = "true", \
	  .min = KEEPALIVE_MIN_MS, .max = KEEPALIVE_MAX_MS, \
	  .offset = LISTENER(keepalive), \
	  .help = "probe silent peers; a duration is the time before the first probe" }, \
	{ .name = "on_reload", .type = KEY_WORD, .words = on_reload_words, \
	  .example = "\"swap\"", .offset = LISTENER(on_reload), \
	  .help = "what becomes of open connections when the plugin changes" }, \
	{ .name = "access", .type = KEY_WORD, .value = "\"inherit\"", \
	  .words = access_words, .offset = LISTENER(access.lines), \
	  .help = "log a line for each connection that ends: on, off, or inherit log.access" }, \
	{ .name = "access_sample", .type = KEY_INT, .value = "1", \
	  .example = "100", .min = 1, .max = ACCESS_SAMPLE_MAX, \
	  .offset = LISTENER(access.sample), \
	  .help = "log one in so many of these lines" }, \
	{ .name = "log_rate", .type = KEY_INT, .value = "0", \
	  .example = "1000", .max = LOG_RATE_MAX, \
	  .offset = LISTENER(access.plugin_lines), \
	  .help = "lines that its plugin may log in a second, per worker; 0: any" }, \
	{ .name = "timeouts", .type = KEY_GROUP, .keys = timeout_keys, \
	  .size = sizeof(struct timeout_settings), \
	  .offset = LISTENER(timeouts), \
	  .example = "{ idle = \"60s\"; }", .help = "how long things may take" }

const struct key listener_keys[] = {
	ENDPOINT_KEYS,
	{ .name = "listen", .type = KEY_STRINGS, .flags = KEY_REQUIRED,
	  .example = "\"127.0.0.1:7007\"",
	  ARRAY(listener_settings, listen, listen_count),
	  .help = "an address, or a list of them" },
	{ .name = "backlog", .type = KEY_INT, .value = "4096",
	  .min = 1, .max = 65535, .offset = LISTENER(backlog),
	  .help = "connections that may wait to be accepted" },
	{ .name = "mode", .type = KEY_STRING, .example = "\"0660\"",
	  .offset = LISTENER(mode), RESOLVED(listener_settings, unix_rights.mode),
	  .help = "permissions of unix socket paths, octal" },
	{ .name = "owner", .type = KEY_STRING, .example = "\"user:group\"",
	  .offset = LISTENER(owner), RESOLVED(listener_settings, unix_rights.owner),
	  .help = "owner of unix socket paths" },
	{ .name = "allow", .type = KEY_STRINGS, .example = "\"192.0.2.0/24\"",
	  ARRAY(listener_settings, guard.allow, guard.allow_count),
	  .help = "networks of the only clients that are let in, or \"unix\"" },
	{ .name = "deny", .type = KEY_STRINGS, .example = "\"192.0.2.7\"",
	  ARRAY(listener_settings, guard.deny, guard.deny_count),
	  .help = "networks of clients that are turned away" },
	{ .name = "limits", .type = KEY_GROUP, .keys = limit_keys,
	  .size = sizeof(struct limit_settings),
	  .offset = LISTENER(limits), .example = "{ connections = 100; }",
	  .help = "how much a listener and its connections may use" },
	{ .name = "tls", .type = KEY_GROUP, .keys = tls_keys,
	  .size = sizeof(struct tls_settings),
	  .offset = LISTENER(tls), .present = LISTENER(tls.on),
	  .origin = LISTENER(tls.identity.origin),
	  .example = "{ cert = \"cert.pem\"; key = \"key.pem\"; }",
	  .help = "serve TLS, with these certificates" },
	{ .name = "connect_tls", .type = KEY_GROUP, .keys = connect_tls_keys,
	  .size = sizeof(struct tls_settings),
	  .offset = LISTENER(connect_tls), .present = LISTENER(connect_tls.on),
	  .origin = LISTENER(connect_tls.identity.origin),
	  .example = "{ ca = \"servers-ca.pem\"; }",
	  .help = "TLS of the connections that the plugin makes" },
	{ .name = "proxy_protocol", .type = KEY_GROUP, .keys = proxy_keys,
	  .size = sizeof(struct proxy_settings),
	  .offset = LISTENER(proxy), .present = LISTENER(proxy.on),
	  .example = "{ from = \"192.0.2.0/24\"; }",
	  .help = "which proxies say for whom they connect" },
	{ .name = "connect", .type = KEY_REFUSED, .help = CONNECTORS_ONLY },
	{ .name = "per_worker", .type = KEY_REFUSED, .help = CONNECTORS_ONLY },
	{ .name = "retry", .type = KEY_REFUSED, .help = CONNECTORS_ONLY },
	{ .name = NULL },
};

const struct key connector_keys[] = {
	ENDPOINT_KEYS,
	{ .name = "connect", .type = KEY_STRING, .flags = KEY_REQUIRED,
	  .example = "\"192.0.2.7:6379\"", .offset = CONNECTOR(connect),
	  .origin = CONNECTOR(connect_origin),
	  .help = "where to connect to: a host and a port, or a unix socket" },
	{ .name = "per_worker", .type = KEY_BOOL, .value = "false",
	  .offset = CONNECTOR(per_worker), .origin = CONNECTOR(per_worker_origin),
	  .help = "make a connection from each worker, not from one" },
	{ .name = "retry", .type = KEY_GROUP, .keys = retry_keys,
	  .size = sizeof(struct retry_settings), .offset = CONNECTOR(retry),
	  .example = "{ max = \"10s\"; }",
	  .help = "how long to wait before connecting again" },
	{ .name = "limits", .type = KEY_GROUP, .keys = connector_limit_keys,
	  .size = sizeof(struct limit_settings),
	  .offset = LISTENER(limits), .example = "{ write_queue = \"1MiB\"; }",
	  .help = "how much its connection may use" },
	{ .name = "tls", .type = KEY_GROUP, .keys = connect_tls_keys,
	  .size = sizeof(struct tls_settings),
	  .offset = LISTENER(connect_tls), .present = LISTENER(connect_tls.on),
	  .origin = LISTENER(connect_tls.identity.origin),
	  .example = "{ ca = \"servers-ca.pem\"; }",
	  .help = "connect with TLS" },
	{ .name = "connect_tls", .type = KEY_REFUSED,
	  .help = "a connector has these keys in its group tls" },
	{ .name = "listen", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = "backlog", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = "mode", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = "owner", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = "allow", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = "deny", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = "proxy_protocol", .type = KEY_REFUSED, .help = LISTENERS_ONLY },
	{ .name = NULL },
};

static const struct key status_keys[] = {
	{ .name = "listen", .type = KEY_STRINGS, .flags = KEY_REQUIRED,
	  .example = "\"127.0.0.1:7090\"",
	  ARRAY(listener_settings, listen, listen_count),
	  .help = "an address, or a list of them" },
	{ .name = "mode", .type = KEY_STRING, .example = "\"0660\"",
	  .offset = LISTENER(mode), RESOLVED(listener_settings, unix_rights.mode),
	  .help = "permissions of unix socket paths, octal" },
	{ .name = "owner", .type = KEY_STRING, .example = "\"user:group\"",
	  .offset = LISTENER(owner), RESOLVED(listener_settings, unix_rights.owner),
	  .help = "owner of unix socket paths" },
	{ .name = NULL },
};

static const struct key process_limit_keys[] = {
	{ .name = "memory", .type = KEY_SIZE, .value = "0",
	  .example = "\"256MiB\"", .max = 1024 * GIB,
	  .offset = AT(process_limits, memory),
	  .help = "memory above which a worker is replaced; 0: none" },
	{ .name = NULL },
};

const struct key worker_group_keys[] = {
	{ .name = "name", .type = KEY_STRING, .flags = KEY_REQUIRED,
	  .example = "\"slow\"", .offset = GROUP(name),
	  .help = "by which listeners and connectors name it" },
	{ .name = "workers", .type = KEY_INT, .value = "1",
	  .min = 1, .max = WORKERS_MAX, .offset = GROUP(workers),
	  .help = "how many worker processes it has" },
	{ .name = NULL },
};

const struct key settings_keys[] = {
	{ .name = "workers", .type = KEY_INT, .flags = KEY_RESTART,
	  .value = "0", .example = "4", .max = WORKERS_MAX,
	  .offset = TOP(workers), .origin = TOP(workers_origin),
	  .help = "worker processes; 0: one for each CPU" },
	{ .name = "worker_groups", .type = KEY_GROUPS, .flags = KEY_INCLUDED,
	  .keys = worker_group_keys, .size = sizeof(struct worker_group_settings),
	  ARRAY(settings, worker_groups, worker_group_count),
	  .origin = GROUP(origin), .max = WORKERS_MAX,
	  .example = "( { name = \"slow\"; workers = 2; } )",
	  .help = "workers that serve only what names them" },
	{ .name = "user", .type = KEY_STRING, .flags = KEY_RESTART,
	  .example = "\"sluice\"", .offset = TOP(user),
	  RESOLVED(settings, uid), .origin = TOP(user_origin),
	  .help = "the user that workers run as, when started as root" },
	{ .name = "group", .type = KEY_STRING, .flags = KEY_RESTART,
	  .example = "\"sluice\"", .offset = TOP(group),
	  RESOLVED(settings, gid), .origin = TOP(group_origin),
	  .help = "their group; default: that of the user" },
	{ .name = "plugin_dir", .type = KEY_STRING, .flags = KEY_BUILD,
	  .value = "\"" SLUICE_PLUGIN_DIR "\"", .offset = TOP(plugin_dir),
	  .help = "where plugins without a path are found" },
	{ .name = "plugin_copies", .type = KEY_STRING,
	  .example = "\"/var/lib/sluice/plugins\"",
	  .offset = TOP(plugin_copies), .origin = TOP(plugin_copies_origin),
	  .help = "a directory for copies of loaded plugins, for debuggers" },
	{ .name = "include", .type = KEY_STRINGS, .example = "\"conf.d/*.conf\"",
	  ARRAY(settings, includes, include_count),
	  .help = "more files with listeners and connectors" },
	{ .name = "log", .type = KEY_GROUP, .keys = log_keys,
	  .size = sizeof(struct log_settings), .offset = TOP(log),
	  .example = "{ level = \"info\"; }", .help = "what is logged, and how" },
	{ .name = "drain_timeout", .type = KEY_DURATION, .value = "\"30s\"",
	  .max = DURATION_MAX, .offset = TOP(drain_timeout_ms),
	  .help = "how long connections may finish when their listener ends" },
	{ .name = "upgrade_drain", .type = KEY_DURATION, .value = "\"1h\"",
	  .max = DURATION_MAX, .offset = TOP(upgrade_drain_ms),
	  .help = "how long connections may finish after an upgrade" },
	{ .name = "probation", .type = KEY_DURATION,
	  .value = "\"30s\"", .max = DURATION_MAX, .offset = TOP(probation_ms),
	  .help = "how long a new generation is watched for crashes" },
	{ .name = "canary", .type = KEY_GROUP, .keys = canary_keys,
	  .size = sizeof(struct canary_settings),
	  .offset = TOP(canary), .example = "{ workers = 1; }",
	  .help = "try a new generation in some workers first" },
	{ .name = "limits", .type = KEY_GROUP, .keys = process_limit_keys,
	  .size = sizeof(struct process_limits),
	  .offset = TOP(limits), .example = "{ memory = \"256MiB\"; }",
	  .help = "how much each worker process may use" },
	{ .name = "watchdog", .type = KEY_DURATION,
	  .value = "\"2s\"", .max = DURATION_MAX, .offset = TOP(watchdog_ms),
	  .help = "how long one callback may take" },
	{ .name = "slow_callback", .type = KEY_DURATION,
	  .value = "\"100ms\"", .max = DURATION_MAX, .offset = TOP(slow_ms),
	  .help = "callbacks that take this long are logged; 0: none" },
	{ .name = "control", .type = KEY_STRING, .flags = KEY_RESTART,
	  .example = "\"/run/sluice/control.sock\"", .offset = TOP(control),
	  .origin = TOP(control_origin),
	  .help = "the socket that sluicectl talks to" },
	{ .name = "control_mode", .type = KEY_STRING, .flags = KEY_RESTART,
	  .value = "\"0600\"", .offset = TOP(control_mode),
	  RESOLVED(settings, control_bits), .origin = TOP(control_mode_origin),
	  .help = "its permissions, octal" },
	{ .name = "control_group", .type = KEY_STRING, .flags = KEY_RESTART,
	  .example = "\"adm\"", .offset = TOP(control_group),
	  RESOLVED(settings, control_gid), .origin = TOP(control_group_origin),
	  .help = "its group, whose members may use it as well" },
	{ .name = "status", .type = KEY_GROUP, .keys = status_keys,
	  .size = sizeof(struct listener_settings),
	  .offset = TOP(status), .present = TOP(status_on),
	  .origin = TOP(status.origin),
	  .example = "{ listen = \"127.0.0.1:7090\"; }",
	  .help = "where the status page and the metrics are served" },
	{ .name = "listeners", .type = KEY_GROUPS,
	  .flags = KEY_INCLUDED,
	  .keys = listener_keys, .size = sizeof(struct listener_settings),
	  ARRAY(settings, listeners, listener_count),
	  .origin = LISTENER(origin), .max = LISTENERS_MAX, .example = "( { name = \"echo\"; } )",
	  .help = "what is served" },
	{ .name = "connectors", .type = KEY_GROUPS, .flags = KEY_INCLUDED,
	  .keys = connector_keys, .size = sizeof(struct listener_settings),
	  ARRAY(settings, connectors, connector_count),
	  .origin = LISTENER(origin), .max = LISTENERS_MAX, .example = "( { name = \"feed\"; } )",
	  .help = "connections that are made and kept up" },
	{ .name = NULL },
};
/* clang-format on */

const struct key *
key_find(const struct key *keys, const char *name)
{
	for (; keys->name != NULL; keys++)
		if (strcmp(keys->name, name) == 0)
			return keys;
	return NULL;
}

struct nearest
key_nearest(const struct key *keys, const char *name)
{
	struct nearest nearest = NEAREST_NONE;

	for (; keys->name != NULL; keys++)
		nearest_try(&nearest, name, keys->name);
	return nearest;
}
