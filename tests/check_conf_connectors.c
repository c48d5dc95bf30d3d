/* check_conf_connectors.c: the list `connectors`: what is read, and mistakes. */

#include "conf_fixture.h"

/* A connector on line 2, with more of its keys on line 3. */
static const char *
connector(const char *connect, const char *keys)
{
	static char text[4096];

	snprintf(text, sizeof(text),
	    "connectors = (\n"
	    "  { name = \"up\"; plugin = \"echo\"; connect = \"%s\";\n"
	    "%s\n"
	    "  }\n);\n",
	    connect, keys);
	return text;
}

static void
connect_mistake(const char *connect, const char *part)
{
	one_mistake(connector(connect, ""), 2, part);
}

static void
key_mistake(const char *keys, const char *part)
{
	one_mistake(connector("127.0.0.1:7", keys), 3, part);
}

START_TEST(connectors_alone_are_a_configuration)
{
	struct settings *settings = good(connector("localhost:7", ""));
	const struct listener_settings *up = &settings->connectors[0];

	ck_assert_uint_eq(settings->listener_count, 0);
	ck_assert_uint_eq(settings->connector_count, 1);
	ck_assert_str_eq(up->name, "up");
	ck_assert_str_eq(up->connector.connect, "localhost:7");
	ck_assert_uint_eq(up->origin.line, 2);
	ck_assert(!up->connector.per_worker);
	ck_assert_uint_eq(up->connector.retry.first_ms, 1000);
	ck_assert_uint_eq(up->connector.retry.max_ms, 60000);
	ck_assert_double_eq(up->connector.retry.jitter, 0.5);
	ck_assert_uint_eq(up->timeouts.connect_ms, 10000);
	ck_assert_uint_eq(up->limits.write_queue, 16u << 20);
	done(settings);
}
END_TEST

START_TEST(all_keys_are_read)
{
	struct settings *settings = good(connector("[::1]:7",
	    "per_worker = true; nodelay = false; on_reload = \"close\";"
	    "retry : { first = \"20ms\"; max = 5; jitter = 1; };"
	    "timeouts : { connect = \"3s\"; }; limits : { min_rate = 9; };"
	    "options : { a = 1; };"));
	const struct listener_settings *up = &settings->connectors[0];

	ck_assert(up->connector.per_worker);
	ck_assert(!up->nodelay);
	ck_assert_uint_eq(up->connector.retry.first_ms, 20);
	ck_assert_uint_eq(up->connector.retry.max_ms, 5000);
	ck_assert_double_eq(up->connector.retry.jitter, 1);
	ck_assert_uint_eq(up->timeouts.connect_ms, 3000);
	ck_assert_uint_eq(up->limits.min_rate, 9);
	ck_assert_uint_eq(up->option_count, 1);
	done(settings);
}
END_TEST

START_TEST(a_target_is_an_address_or_a_name)
{
	static const char *const targets[] = { "127.0.0.1:1", "[::1]:65535",
		"[fe80::1%lo]:7", "example.org:443", "a_b-c.d:1", "unix:/a/b",
		"unix:@name" };

	for (size_t i = 0; i < sizeof(targets) / sizeof(*targets); i++)
		done(good(connector(targets[i], "")));
	connect_mistake("127.0.0.1", "has no port: write host:port, [v6]:port");
	connect_mistake("a://b:7",
	    "not an address: write host:port, [v6]:port");
	connect_mistake(":7", "has no host: write host:port, [v6]:port");
	connect_mistake("127.0.0.1:0", "does not say where to connect to");
	connect_mistake("127.0.0.1:65536", "is not a number from 0 to 65535");
	connect_mistake("*:7", "does not say where to connect to");
	connect_mistake("[127.0.0.1]:7", "is not an IPv6 address");
	connect_mistake("[::1%]x]:7", "[address]:port");
	connect_mistake("::1:7", "in brackets");
	connect_mistake("a/b:7", "is not the name or address of a host");
	connect_mistake("a..b:7", "is not the name or address of a host");
	connect_mistake("-a:7", "is not the name or address of a host");
	connect_mistake("unix:a", "with an absolute path");
	connect_mistake("unix:@", "is empty");
	connect_mistake("systemd:a", "is a socket to listen on");
}
END_TEST

START_TEST(keys_of_listeners_are_refused_with_their_line)
{
	key_mistake("listen = \"127.0.0.1:7\";", "listen: this is only for");
	key_mistake("backlog = 5;", "backlog: this is only for listeners");
	key_mistake("mode = \"0600\";", "mode: this is only for listeners");
	key_mistake("owner = \"root\";", "owner: this is only for listeners");
	key_mistake("proxy_protocol : { from = \"unix\"; };",
	    "proxy_protocol: this is only for listeners");
	key_mistake("limits : { connections = 1; };",
	    "limits.connections: this is only for listeners");
	key_mistake("limits : { per_address = 1; };",
	    "limits.per_address: this is only for listeners");
	key_mistake("tls : { sni = ( ); };", "unknown key \"tls.sni\"");
	one_listener_mistake("connect = \"a:1\";",
	    "connect: this is only for connectors");
	one_listener_mistake("per_worker = true;",
	    "per_worker: this is only for connectors");
	one_listener_mistake("retry : { };",
	    "retry: this is only for connectors");
}
END_TEST

START_TEST(values_have_limits)
{
	key_mistake("retry : { jitter = 1.5; };",
	    "retry.jitter: 1.5 is out of range, which is 0 to 1");
	key_mistake("retry : { jitter = -1; };", "out of range");
	key_mistake("retry : { jitter = \"half\"; };",
	    "expected a number from 0 to 1");
	key_mistake("retry : { first = 0; };", "out of range");
	key_mistake("retry : { first = \"2m\"; };",
	    "retry.first (2m) is longer than retry.max (1m); write "
	    "retry = { first = \"1m\"; max = \"2m\"; };");
	key_mistake("retry : { last = 1; };", "unknown key \"retry.last\"");
	key_mistake("limits : { write_queue = 512; };",
	    "is less than limits.write_buffer");
	one_mistake("connectors = ( { name = \"a\"; plugin = \"p\"; } );\n", 1,
	    "the key \"connect\" is missing");
	one_mistake("connectors = 5;\n" LISTENERS, 1, "a list of groups");
}
END_TEST

START_TEST(a_name_belongs_to_one_listener_or_connector)
{
	one_mistake(LISTENERS "connectors = ( { name = \"a\"; plugin = \"p\"; "
			      "connect = \"b:1\"; } );\n",
	    2, "\"a\" is already the name of the listener in ");
	one_mistake("connectors = ( { name = \"a\"; plugin = \"p\"; "
		    "connect = \"b:1\"; } );\n" LISTENERS,
	    2, "\"a\" is already the name of the connector in ");
	one_mistake("connectors = ( { name = \"a\"; plugin = \"p\"; "
		    "connect = \"b:1\"; },\n { name = \"a\"; plugin = \"p\"; "
		    "connect = \"b:1\"; } );\n",
	    2, "\"a\" is already the name of the connector in ");
}
END_TEST

START_TEST(included_files_may_have_connectors)
{
	struct settings *settings;

	fixture_text("more.conf", connector("a:1", ""));
	settings = good("include = \"more.conf\";\n" LISTENERS);
	ck_assert_uint_eq(settings_endpoints(settings), 2);
	ck_assert_str_eq(settings_endpoint(settings, 0)->name, "a");
	ck_assert_str_eq(settings_endpoint(settings, 1)->name, "up");
	done(settings);
	one_mistake("include = \"more.conf\";\n"
		    "connectors = ( { name = \"up\"; plugin = \"p\"; "
		    "connect = \"b:1\"; } );\n",
	    2, "already the name of the connector in ");
}
END_TEST

START_TEST(both_kinds_share_their_number)
{
	static char text[256 * 1024];
	size_t used;

	used = (size_t)snprintf(text, sizeof(text), "connectors = (\n");
	for (int i = 0; i < LISTENERS_MAX; i++)
		used += (size_t)snprintf(text + used, sizeof(text) - used,
		    "%s{ name = \"c%d\"; plugin = \"p\"; connect = \"a:1\"; }\n",
		    i > 0 ? "," : "", i);
	used += (size_t)snprintf(text + used, sizeof(text) - used, ");\n");
	done(good(text));
	snprintf(text + used, sizeof(text) - used, LISTENERS);
	one_mistake(text, 0, "there are 1025 listeners and connectors");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		connectors_alone_are_a_configuration,
		all_keys_are_read,
		a_target_is_an_address_or_a_name,
		keys_of_listeners_are_refused_with_their_line,
		values_have_limits,
		a_name_belongs_to_one_listener_or_connector,
		included_files_may_have_connectors,
		both_kinds_share_their_number,
		NULL,
	};

	return fixture_run("conf_connectors", tests);
}
