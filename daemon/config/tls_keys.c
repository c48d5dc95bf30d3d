/*
 * tls_keys.c: the keys of a `tls` group, and of the entries of its `sni`; those
 * of `connect_tls`, and of a connector's `tls`.
 */

#include "config/keys.h"
#include "config/settings.h"
#include "config/value.h"

/* The numbers that TLS itself uses: OpenSSL's TLS1_2_VERSION, ... */
#define TLS_1_2 0x0303
#define TLS_1_3 0x0304

/* RFC 8446 allows tickets no longer life. */
#define SESSION_MAX_MS (7ll * 24 * 60 * 60 * 1000)
#define DURATION_MAX ((int64_t)VALUE_DURATION_MAX)

#define AT(of, field) offsetof(struct of, field)
#define TLS(field) AT(tls_settings, field)
#define ARRAY(of, items, items_count) \
	.offset = AT(of, items), .count = AT(of, items_count)
#define RESOLVED(of, field)        \
	.resolved = AT(of, field), \
	.resolved_size = sizeof(((struct of *)NULL)->field)

static const struct key_word verify_words[] = {
	{ "none", TLS_VERIFY_NONE },
	{ "optional", TLS_VERIFY_OPTIONAL },
	{ "require", TLS_VERIFY_REQUIRE },
	{ NULL, 0 },
};

static const struct key_word sni_verify_words[] = {
	{ "inherit", TLS_VERIFY_INHERIT },
	{ "none", TLS_VERIFY_NONE },
	{ "optional", TLS_VERIFY_OPTIONAL },
	{ "require", TLS_VERIFY_REQUIRE },
	{ NULL, 0 },
};

static const struct key_word unknown_sni_words[] = {
	{ "default", TLS_UNKNOWN_DEFAULT },
	{ "reject", TLS_UNKNOWN_REJECT },
	{ NULL, 0 },
};

static const struct key_word policy_words[] = {
	{ "intermediate", TLS_POLICY_INTERMEDIATE },
	{ "modern", TLS_POLICY_MODERN },
	{ NULL, 0 },
};

static const struct key_word version_words[] = {
	{ "1.2", TLS_1_2 },
	{ "1.3", TLS_1_3 },
	{ NULL, 0 },
};

/* A row is read across, not down. */
/* clang-format off */

/* A struct `of` that has a struct tls_identity_settings `identity`. */
#define PAIR_KEYS(of, required) \
	{ .name = "cert", .type = KEY_STRINGS, .flags = required, \
	  .example = "\"cert.pem\"", \
	  ARRAY(of, identity.cert, identity.cert_count), \
	  RESOLVED(of, identity.not_after), \
	  .help = "our certificate with its chain, or a list of them" }, \
	{ .name = "key", .type = KEY_STRINGS, .flags = required, \
	  .example = "\"key.pem\"", \
	  ARRAY(of, identity.key, identity.key_count), \
	  RESOLVED(of, identity.secret), \
	  .help = "its private key, or a list of them" }, \
	{ .name = "passphrase_file", .type = KEY_STRING, \
	  .example = "\"passphrase\"", \
	  .offset = AT(of, identity.passphrase_file), \
	  .help = "a file whose first line opens encrypted keys" }

/* The peers are clients of a server, or servers of a client. */
#define TRUST_KEYS(of, verify_value, known_words, peer, peers) \
	{ .name = "ca", .type = KEY_STRINGS, .example = "\"" peers "-ca.pem\"", \
	  ARRAY(of, identity.ca, identity.ca_count), \
	  .help = "the CAs that " peer " certificates must come from" }, \
	{ .name = "crl", .type = KEY_STRINGS, .example = "\"" peers "-crl.pem\"", \
	  ARRAY(of, identity.crl, identity.crl_count), \
	  RESOLVED(of, identity.crl_until), \
	  .help = "lists of " peer " certificates that were revoked" }, \
	{ .name = "verify", .type = KEY_WORD, .value = verify_value, \
	  .words = known_words, .offset = AT(of, identity.verify), \
	  .help = "whether " peers " must have a good certificate" }

#define IDENTITY_KEYS(of, verify_value, known_words) \
	PAIR_KEYS(of, KEY_REQUIRED), \
	TRUST_KEYS(of, verify_value, known_words, "client", "clients"), \
	{ .name = "ocsp", .type = KEY_STRING, .example = "\"ocsp.der\"", \
	  .offset = AT(of, identity.ocsp), \
	  RESOLVED(of, identity.ocsp_until), \
	  .help = "an OCSP response to send with our certificate" }

/* What is the same in both roles. */
#define PROTOCOL_KEYS \
	{ .name = "alpn", .type = KEY_STRINGS, \
	  .example = "[ \"h2\", \"http/1.1\" ]", \
	  ARRAY(tls_settings, alpn, alpn_count), \
	  .help = "the protocols of the plugin, the preferred one first" }, \
	{ .name = "policy", .type = KEY_WORD, .value = "\"intermediate\"", \
	  .words = policy_words, .offset = TLS(policy), \
	  .help = "which versions and ciphers are offered" }, \
	{ .name = "min_version", .type = KEY_WORD, .example = "\"1.2\"", \
	  .words = version_words, .offset = TLS(min_version), \
	  .help = "the lowest version of TLS" }, \
	{ .name = "max_version", .type = KEY_WORD, .example = "\"1.3\"", \
	  .words = version_words, .offset = TLS(max_version), \
	  .help = "the highest version of TLS" }, \
	{ .name = "ciphers", .type = KEY_STRING, \
	  .example = "\"ECDHE-ECDSA-AES128-GCM-SHA256\"", \
	  .offset = TLS(ciphers), \
	  .help = "the ciphers of TLS 1.2, as OpenSSL names them" }, \
	{ .name = "ciphersuites", .type = KEY_STRING, \
	  .example = "\"TLS_AES_128_GCM_SHA256\"", \
	  .offset = TLS(ciphersuites), \
	  .help = "the cipher suites of TLS 1.3, likewise" }, \
	{ .name = "groups", .type = KEY_STRING, .example = "\"X25519:P-256\"", \
	  .offset = TLS(groups), \
	  .help = "the groups for the key exchange, likewise" }, \
	{ .name = "max_send_fragment", .type = KEY_SIZE, .value = "\"16KiB\"", \
	  .min = 512, .max = 16384, .offset = TLS(max_send_fragment), \
	  .help = "the largest record that is sent" }, \
	{ .name = "renegotiation", .type = KEY_BOOL, .value = "false", \
	  .offset = TLS(renegotiation), \
	  .help = "let peers of TLS 1.2 renegotiate" }, \
	{ .name = "starttls", .type = KEY_BOOL, .value = "false", \
	  .offset = TLS(starttls), \
	  .help = "speak plain text until the plugin asks for TLS" }

static const struct key sni_keys[] = {
	{ .name = "names", .type = KEY_STRINGS, .flags = KEY_REQUIRED,
	  .example = "[ \"example.org\", \"*.example.org\" ]",
	  ARRAY(tls_name_settings, names, name_count),
	  .help = "the names that the client asks for" },
	IDENTITY_KEYS(tls_name_settings, "\"inherit\"", sni_verify_words),
	{ .name = NULL },
};

const struct key tls_keys[] = {
	IDENTITY_KEYS(tls_settings, "\"none\"", verify_words),
	PROTOCOL_KEYS,
	{ .name = "sni", .type = KEY_GROUPS, .keys = sni_keys,
	  .size = sizeof(struct tls_name_settings),
	  ARRAY(tls_settings, sni, sni_count), .max = TLS_NAMES_MAX,
	  .origin = AT(tls_name_settings, identity.origin),
	  .example = "( { names = \"example.org\"; cert = \"cert.pem\"; key = \"key.pem\"; } )",
	  .help = "other certificates for other names" },
	{ .name = "unknown_sni", .type = KEY_WORD, .value = "\"default\"",
	  .words = unknown_sni_words, .offset = TLS(unknown_sni),
	  .help = "what happens to a client that asks for an unknown name" },
	{ .name = "tickets", .type = KEY_BOOL, .value = "true",
	  .offset = TLS(tickets),
	  .help = "give clients tickets, which shorten their next handshake" },
	{ .name = "session_timeout", .type = KEY_DURATION, .value = "\"12h\"",
	  .min = 1000, .max = SESSION_MAX_MS, .offset = TLS(session_timeout_ms),
	  .help = "for how long a ticket is good" },
	{ .name = "handshake_timeout", .type = KEY_DURATION, .value = "0",
	  .example = "\"10s\"", .max = DURATION_MAX,
	  .offset = TLS(handshake_timeout_ms),
	  .help = "how long a handshake may take; 0: timeouts.handshake" },
	{ .name = NULL },
};

const struct key connect_tls_keys[] = {
	PAIR_KEYS(tls_settings, 0),
	TRUST_KEYS(tls_settings, "\"require\"", verify_words, "server",
	    "servers"),
	PROTOCOL_KEYS,
	{ .name = "servername", .type = KEY_STRING,
	  .example = "\"example.org\"", .offset = TLS(servername),
	  .help = "the name to ask for (SNI), instead of the host's" },
	{ .name = "verify_name", .type = KEY_STRING,
	  .example = "\"example.org\"", .offset = TLS(verify_name),
	  .help = "the name that the certificate must be valid for" },
	{ .name = NULL },
};
/* clang-format on */
