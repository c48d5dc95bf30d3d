/*
 * check_conf.c: the keys of a configuration: how good values are read, and that
 * each mistake is reported with its file and line.
 */

#include "conf_fixture.h"
#include "config/worker_groups.h"

#include "config/network.h"

START_TEST(defaults_are_those_of_the_manual)
{
	struct settings *settings = good(LISTENERS);
	const struct listener_settings *l = &settings->listeners[0];

	ck_assert_int_ge(settings->workers, 1);
	ck_assert_int_eq(settings->log.level, LOG_LEVEL_INFO);
	ck_assert_int_eq(settings->log.format, LOG_FORMAT_TEXT);
	ck_assert(settings->log.access);
	ck_assert_uint_eq(settings->drain_timeout_ms, 30000);
	ck_assert_uint_eq(settings->probation_ms, 30000);
	ck_assert_uint_eq(settings->watchdog_ms, 2000);
	ck_assert_ptr_null(settings->plugin_copies);
	ck_assert_uint_eq(settings->listener_count, 1);
	ck_assert_str_eq(l->name, "a");
	ck_assert_str_eq(l->plugin, "echo");
	ck_assert_int_eq(l->backlog, 4096);
	ck_assert(l->nodelay);
	ck_assert(l->keepalive.on);
	ck_assert_uint_eq(l->keepalive.ms, 0);
	ck_assert_int_eq(l->on_reload, ON_RELOAD_AUTO);
	ck_assert_uint_eq(l->unix_rights.mode, (uint32_t)-1);
	ck_assert_uint_eq(l->timeouts.idle_ms, 0);
	ck_assert_uint_eq(l->timeouts.handshake_ms, 10000);
	ck_assert_uint_eq(l->timeouts.linger_ms, 2000);
	ck_assert_uint_eq(l->timeouts.write_ms, 30000);
	ck_assert_uint_eq(l->limits.connections, 0);
	ck_assert_uint_eq(l->limits.per_address, 0);
	ck_assert_uint_eq(l->limits.read_buffer, 64 << 10);
	ck_assert_uint_eq(l->limits.write_buffer, 256 << 10);
	ck_assert_uint_eq(l->limits.write_queue, 16 << 20);
	ck_assert_uint_eq(problems.count, 0);
	done(settings);
}
END_TEST

START_TEST(every_key_is_read)
{
	struct settings *settings;
	const struct listener_settings *l;

	settings = good(
	    "workers = 3; user = \"root\"; group = \"root\";\n"
	    "plugin_dir = \"plugins\"; plugin_copies = \".\";\n"
	    "log : { level = \"debug\"; format = \"json\"; access = false; };\n"
	    "drain_timeout = 5; probation = 0; watchdog = 0.5;\n"
	    "listeners = ( { name = \"a-b_c.1\"; plugin = \"./x.so\";\n"
	    "  listen = ( \"127.0.0.1:1\", \"[::1]:2\", \"unix:/tmp/x\" );\n"
	    "  backlog = 5; nodelay = false; keepalive = \"45s\";\n"
	    "  on_reload = \"close\"; mode = \"0660\"; owner = \"root:root\";\n"
	    "  timeouts : { idle = 1.5; handshake = \"1m\"; linger = 0;\n"
	    "    write = \"0\"; };\n"
	    "  limits = { connections = 7; per_address = 2;\n"
	    "    read_buffer = 512; write_buffer = \"1KiB\";\n"
	    "    write_queue = 4294967296L; };\n"
	    "} );\n");
	l = &settings->listeners[0];
	ck_assert_int_eq(settings->workers, 3);
	ck_assert_uint_eq(settings->workers_origin.line, 1);
	ck_assert_str_eq(settings->user, "root");
	ck_assert_str_eq(settings->plugin_dir, fixture_path("plugins"));
	ck_assert_int_eq(settings->log.level, LOG_LEVEL_DEBUG);
	ck_assert_int_eq(settings->log.format, LOG_FORMAT_JSON);
	ck_assert(!settings->log.access);
	ck_assert_uint_eq(settings->drain_timeout_ms, 5000);
	ck_assert_uint_eq(settings->probation_ms, 0);
	ck_assert_uint_eq(settings->watchdog_ms, 500);
	ck_assert_uint_eq(l->address_count, 3);
	ck_assert_int_eq(l->addresses[2].address.kind, ADDRESS_UNIX);
	ck_assert_uint_eq(l->addresses[0].origin.line, 6);
	ck_assert_int_eq(l->backlog, 5);
	ck_assert(!l->nodelay);
	ck_assert(l->keepalive.on);
	ck_assert_uint_eq(l->keepalive.ms, 45000);
	ck_assert_int_eq(l->on_reload, ON_RELOAD_CLOSE);
	ck_assert_uint_eq(l->unix_rights.mode, 0660);
	ck_assert_uint_eq(l->unix_rights.owner.uid, 0);
	ck_assert_uint_eq(l->unix_rights.owner.gid, 0);
	ck_assert_uint_eq(l->timeouts.idle_ms, 1500);
	ck_assert_uint_eq(l->timeouts.handshake_ms, 60000);
	ck_assert_uint_eq(l->timeouts.linger_ms, 0);
	ck_assert_uint_eq(l->timeouts.write_ms, 0);
	ck_assert_uint_eq(l->limits.connections, 7);
	ck_assert_uint_eq(l->limits.read_buffer, 512);
	ck_assert_uint_eq(l->limits.write_buffer, 1024);
	ck_assert_uint_eq(l->limits.write_queue, 4294967296);
	ck_assert_uint_eq(l->plugin_origin.line, 5);
	done(settings);
}
END_TEST

START_TEST(keepalive_is_a_switch_or_a_time)
{
	static const struct {
		const char *text;
		bool on;
		uint64_t idle_ms;
	} rows[] = { { "true", true, 0 }, { "false", false, 0 },
		{ "0", false, 0 }, { "\"0\"", false, 0 }, { "60", true, 60000 },
		{ "\"2m\"", true, 120000 }, { "1.5", true, 1500 } };
	struct settings *settings;
	char text[512];

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
		snprintf(text, sizeof(text),
		    "listeners = ( { name = \"a\";"
		    "plugin = \"p\"; listen = \"*:1\"; keepalive = %s; } );",
		    rows[i].text);
		settings = good(text);
		ck_assert_int_eq(settings->listeners[0].keepalive.on,
		    rows[i].on);
		ck_assert_uint_eq(settings->listeners[0].keepalive.ms,
		    rows[i].idle_ms);
		done(settings);
	}
	one_listener_mistake("keepalive = \"10h\";", "out of range");
	one_listener_mistake("keepalive = \"1ms\";", "out of range");
	one_listener_mistake("keepalive = [ 1 ];", "true, false or a duration");
}
END_TEST

START_TEST(wrong_type_names_file_and_line)
{
	one_mistake("\n\nworkers = \"four\";\n" LISTENERS, 3,
	    "workers: expected an integer, such as 4; this is a string");
	one_mistake("\nworkers = true;\n" LISTENERS, 2, "this is true");
	one_mistake("\nworkers = 1.5;\n" LISTENERS, 2, "expected an integer");
	one_mistake("user = 5;\n" LISTENERS, 1,
	    "user: expected a string, "
	    "such as \"sluice\"; this is an integer");
	one_mistake("user = [ \"a\" ];\n" LISTENERS, 1, "this is a list");
	one_mistake("log = 5;\n" LISTENERS, 1, "log: expected a group");
	one_mistake("log : {\n access = \"yes\"; };\n" LISTENERS, 2,
	    "log.access: expected true or false");
	one_mistake("drain_timeout = true;\n" LISTENERS, 1,
	    "expected a duration, such as \"30s\"");
	one_listener_mistake("backlog = \"5\";", "expected an integer");
	one_listener_mistake("mode = 0660;", "such as \"0660\"");
	one_listener_mistake("nodelay = 1;", "expected true or false");
	one_listener_mistake("timeouts = \"5s\";", "expected a group");
	one_listener_mistake("options = 5;", "options: expected a group");
	one_listener_mistake("limits : { read_buffer = 1.5; };",
	    "limits.read_buffer: expected a size");
	one_mistake("listeners = 5;\n", 1, "listeners: expected a list");
	one_mistake("listeners = {\n};\n", 1, "listeners: expected a list");
	one_mistake("listeners = ( 5 );\n", 1, "listeners: expected groups");
}
END_TEST

START_TEST(out_of_range_says_the_range)
{
	one_mistake("workers = 257;\n" LISTENERS, 1,
	    "workers: 257 is out of range, which is 0 to 256");
	one_mistake("workers = -1;\n" LISTENERS, 1, "workers: -1");
	one_mistake("drain_timeout = -5;\n" LISTENERS, 1, "negative");
	one_mistake("drain_timeout = \"4000d\";\n" LISTENERS, 1, "ten years");
	one_listener_mistake("backlog = 0;", "1 to 65535");
	one_listener_mistake("backlog = 65536;", "1 to 65535");
	one_listener_mistake("limits : { read_buffer = 511; };",
	    "limits.read_buffer: 511B is out of range, which is 512B to 16MiB");
	one_listener_mistake("limits : { read_buffer = \"17MiB\"; };",
	    "out of range");
	one_listener_mistake("limits : { read_buffer = -1; };", "negative");
	one_listener_mistake("limits : { connections = -1; };", "out of range");
	one_listener_mistake("limits : { write_queue = \"128KiB\"; };",
	    "less than limits.write_buffer");
	one_listener_mistake("limits : { write_queue = \"5GiB\"; };",
	    "out of range");
}
END_TEST

START_TEST(clients_are_networks)
{
	const struct guard_settings *guard;
	struct settings *settings;

	settings = good("listeners = ( { name = \"a\"; plugin = \"p\";"
			"listen = \"*:1\"; deny = \"10.1.0.0/16\";"
			"allow = ( \"10.0.0.0/8\", \"10.2.0.0/16\" ); } );");
	guard = &settings->listeners[0].guard;
	ck_assert_uint_eq(guard->denied.count, 1);
	ck_assert_uint_eq(guard->allowed.count, 1); /* one is in the other */
	done(settings);
	one_listener_mistake("allow = \"10.0.0.1/8\";",
	    "allow: \"10.0.0.1/8\" has more than the first 8 bits");
	one_listener_mistake("deny = ( \"::1\", \"nobody\" );",
	    "deny: \"nobody\" is not a network");
	one_listener_mistake("deny = 7;", "deny");
}
END_TEST

static bool
is_told_that_nobody_is_let_in(const char *keys)
{
	struct settings *settings;
	char text[512];
	bool told;

	snprintf(text, sizeof(text),
	    "listeners = ( { name = \"a\"; plugin = \"p\";\n%s } );\n", keys);
	settings = good(text);
	told = find_problem(LOG_LEVEL_WARN, "/sluice.conf", 2,
		   "allow: no client can be in this list") != NULL;
	done(settings);
	return told;
}

START_TEST(a_list_without_a_possible_client_is_told)
{
	static const char *const empty[] = {
		"listen = \"*:1\"; allow = \"unix\";",
		"listen = \"unix:@x\"; allow = \"::/0\";",
	};
	static const char *const fine[] = {
		"listen = \"*:1\"; allow = ( \"unix\", \"::1\" );",
		"listen = \"unix:@x\"; allow = \"unix\";",
		"listen = ( \"*:1\", \"unix:@x\" ); allow = \"unix\";",
		"listen = \"systemd:x\"; allow = \"unix\";",
		"listen = \"unix:@x\"; allow = \"10.0.0.0/8\"; "
		"proxy_protocol : { from = \"unix\"; };",
		"listen = \"*:1\"; deny = \"unix\";",
	};

	for (size_t i = 0; i < sizeof(empty) / sizeof(empty[0]); i++)
		ck_assert_msg(is_told_that_nobody_is_let_in(empty[i]), "%s",
		    empty[i]);
	for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++)
		ck_assert_msg(!is_told_that_nobody_is_let_in(fine[i]), "%s",
		    fine[i]);
}
END_TEST

START_TEST(proxies_are_networks)
{
	struct settings *settings;
	const struct proxy_settings *proxy;

	settings =
	    good("listeners = ( { name = \"a\"; plugin = \"p\";"
		 "listen = \"*:1\"; proxy_protocol : {"
		 "from = ( \"10.0.0.0/8\", \"::1\", \"unix\" ); }; } );");
	proxy = &settings->listeners[0].proxy;
	ck_assert(proxy->on);
	ck_assert_uint_eq(proxy->networks.count, 3);
	ck_assert_uint_eq(proxy->networks.list[0].family, AF_UNIX);
	ck_assert_uint_eq(proxy->networks.list[1].bits, 8);
	ck_assert_uint_eq(proxy->networks.list[2].family, AF_INET6);
	ck_assert_uint_eq(proxy->timeout_ms, 5000);
	done(settings);
	settings = good(LISTENERS);
	ck_assert(!settings->listeners[0].proxy.on);
	ck_assert_uint_eq(settings->listeners[0].proxy.networks.count, 0);
	done(settings);
	one_listener_mistake("proxy_protocol : { };",
	    "the key \"proxy_protocol.from\" is missing");
	one_listener_mistake("proxy_protocol : { from = ( ); };", "is empty");
	one_listener_mistake("proxy_protocol : { from = \"10.0.0.1/8\"; };",
	    "proxy_protocol.from: \"10.0.0.1/8\" has more than the first 8");
	one_listener_mistake("proxy_protocol : { from = \"lb.example\"; };",
	    "proxy_protocol.from: \"lb.example\" is not a network");
	one_listener_mistake(
	    "proxy_protocol : { from = \"unix\"; timeout = 0; };",
	    "out of range");
	one_listener_mistake("proxy_protocol = true;", "expected a group");
}
END_TEST

START_TEST(unknown_keys_suggest_a_known_one)
{
	one_mistake("worker = 4;\n" LISTENERS, 1,
	    "unknown key \"worker\"; did you mean \"workers\"?");
	one_mistake("\nfrobnicate = 4;\n" LISTENERS, 2,
	    "unknown key \"frobnicate\"");
	one_mistake("log : {\n\n levle = \"info\"; };\n" LISTENERS, 3,
	    "unknown key \"log.levle\"; did you mean \"log.level\"?");
	one_listener_mistake("liten = \"x\";", "did you mean \"listen\"?");
	one_listener_mistake("idle = 5;", "belongs in the group \"timeouts\"");
	one_mistake("backlog = 4;\n" LISTENERS, 1,
	    "it belongs in a group of \"listeners\"");
	one_listener_mistake("timeouts : { idel = 5; };",
	    "did you mean \"timeouts.idle\"?");
}
END_TEST

/* And the error says how to write it. */
START_TEST(unknown_keys_suggest_a_key_of_another_group)
{
	one_listener_mistake("max_connections = 5;",
	    "did you mean \"connections\" in the group \"limits\"? Write "
	    "limits = { connections = 10000; };");
	one_mistake("max_connections = 5;\n" LISTENERS, 1,
	    "Write listeners = ( { limits = { connections = 10000; }; } );");
	one_listener_mistake("limits = { max_connections = 5; };",
	    "did you mean \"limits.connections\"?");
	one_listener_mistake("limits = { memory = 5; };",
	    "unknown key \"limits.memory\"; it belongs in the group "
	    "\"limits\" of the main file: write limits = { memory = ");
	one_mistake("limits = { connections = 5; };\n" LISTENERS, 1,
	    "\"limits.connections\"; it belongs in the group \"limits\" of a "
	    "group of \"listeners\": write listeners = ( { limits = { ");
	one_mistake("limits = { memory_max = 5; };\n" LISTENERS, 1,
	    "did you mean \"limits.memory\"?");
	one_mistake(
	    "status = { file = \"x\"; listen = \"unix:@x\"; };\n" LISTENERS, 1,
	    "it belongs in the group \"log\": write log = { ");
	one_listener_mistake("conections = 5;",
	    "did you mean \"connections\" in the group \"limits\"?");
	one_mistake("connections = 5;\n" LISTENERS, 1,
	    "it belongs in the group \"limits\"");
	one_listener_mistake("idle_timeout = 5;",
	    "did you mean \"idle\" in the group \"timeouts\"?");
	one_listener_mistake("limits = { idle = 5; };",
	    "it belongs in the group \"timeouts\"");
	one_listener_mistake("log_level = \"info\";",
	    "Write log = { level = \"info\"; };");
	one_listener_mistake("loglevel = \"info\";",
	    "Write log = { level = \"info\"; };");
	one_listener_mistake("idletimeout = 5;",
	    "did you mean \"idle\" in the group \"timeouts\"?");
	one_listener_mistake("nmae = \"x\";", "did you mean \"name\"?");
	/* These are other words: advice would lead somewhere else. */
	one_listener_mistake("port = 80;",
	    "\"port\"; sluice.conf(5) describes all keys, and those of the "
	    "plugin stand in options = { }");
	one_mistake("port = 80;\n" LISTENERS, 1, "describes all keys");
	one_listener_mistake("limits = { connectionscount = 5; };",
	    "did you mean \"limits.connections\"?");
	one_listener_mistake("rate = 5;", "\"rate\"; sluice.conf(5) describes");
	one_mistake("log = { path = \"/x\"; };\n" LISTENERS, 1,
	    "\"log.path\"; sluice.conf(5) describes");
	one_listener_mistake("tls_cert = \"x\";",
	    "did you mean \"cert\" in the group \"tls\"?");
	one_listener_mistake("probation = 5;",
	    "\"probation\" belongs outside of all groups");
	one_listener_mistake("timeout = 5;", "did you mean \"timeouts\"?");
	one_listener_mistake("read_timeout = 5;", "sluice.conf(5)");
	one_listener_mistake("connects = 5;", "did you mean \"connect");
}
END_TEST

START_TEST(groups_of_workers_are_checked)
{
	one_listener_mistake("worker_group = \"slow\";",
	    "there is no group \"slow\"; write worker_groups = ( { name = "
	    "\"slow\"; workers = 1; } );");
	one_listener_mistake("workers = 257;", "out of range");
	one_mistake("worker_groups = ( { name = \"slow\"; } );\n"
		    "listeners = ( { name = \"a\"; plugin = \"echo\";\n"
		    "listen = \"127.0.0.1:7007\";\n"
		    "worker_group = \"slwo\"; } );\n",
	    4, "did you mean \"slow\"?");
	one_mistake("worker_groups = ( { name = \"slow\"; } );\n"
		    "listeners = ( { name = \"a\"; plugin = \"echo\";\n"
		    "listen = \"127.0.0.1:7007\"; workers = 2;\n"
		    "worker_group = \"slow\"; } );\n",
	    4, "has 2 workers of its own");
	one_mistake("worker_groups = ( { name = \"a\"; } );\n"
		    "listeners = ( { name = \"a\"; plugin = \"echo\";\n"
		    "listen = \"127.0.0.1:7007\";\n"
		    "workers = 2; } );\n",
	    4, "would be called \"a\", as the group in");
	one_mistake("worker_groups = ( { name = \"x\"; },\n"
		    "{ name = \"x\"; } );\n" LISTENERS,
	    2, "already the name of the group in");
	one_mistake("worker_groups = ( { name = \"default\"; } );\n" LISTENERS,
	    1, "choose another");
	one_mistake("worker_groups = ( { name = \"a b\"; } );\n" LISTENERS, 1,
	    "not a valid name");
	one_mistake(
	    "worker_groups = ( { name = \"x\"; workers = 0; } );\n" LISTENERS,
	    1, "out of range");
	one_mistake(
	    "workers = 200;\n"
	    "worker_groups = ( { name = \"x\"; workers = 57; } );\n" LISTENERS,
	    0, "there are 257 workers in all groups together");
}
END_TEST

START_TEST(a_group_of_workers_is_found_by_who_names_it)
{
	struct settings *settings = read_text(
	    "workers = 3;\n"
	    "listeners = (\n"
	    "{ name = \"a\"; plugin = \"p\"; listen = \"127.0.0.1:1\"; },\n"
	    "{ name = \"b\"; plugin = \"p\"; listen = \"127.0.0.1:2\";\n"
	    "  workers = 2; },\n"
	    "{ name = \"c\"; plugin = \"p\"; listen = \"127.0.0.1:3\";\n"
	    "  worker_group = \"y\"; }\n"
	    ");\n"
	    "connectors = ( { name = \"d\"; plugin = \"p\";\n"
	    "  connect = \"127.0.0.1:4\"; workers = 4; } );\n"
	    "worker_groups = ( { name = \"x\"; },\n"
	    "  { name = \"y\"; workers = 7; } );\n");
	static const struct worker_group wanted[] = { { "default", 3 },
		{ "x", 1 }, { "y", 7 }, { "b", 2 }, { "d", 4 } };
	static const uint32_t of[] = { 0, 3, 2, 4 };
	struct worker_group group;

	ck_assert_uint_eq(worker_groups(settings), 5);
	for (uint32_t i = 0; i < 5; i++) {
		group = worker_group(settings, i);
		ck_assert_str_eq(group.name, wanted[i].name);
		ck_assert_uint_eq(group.workers, wanted[i].workers);
	}
	for (uint32_t i = 0; i < 4; i++)
		ck_assert_uint_eq(worker_group_of(settings, i), of[i]);
	ck_assert_uint_eq(worker_groups_workers(settings), 17);
	done(settings);
}
END_TEST

/* libconfig joins strings that follow each other. */
START_TEST(a_missing_comma_between_strings_is_warned_of)
{
	struct settings *settings;

	settings = read_text("listeners = ( { name = \"a\"; plugin = \"p\";\n"
			     "listen = [ \"unix:/a\"\n\"unix:/b\" ];\n"
			     "tls = { alpn = \"a\" \"b\";\n"
			     "cert = [ \"-----BEGIN X-----\" \"x\" ]; };\n"
			     "options = { l = ( \"a\", \"b\"\n\"c\" );\n"
			     "t = \"a\" \"b\"; }; } );");
	expect(LOG_LEVEL_WARN, "/sluice.conf", 2,
	    "listen: strings without a comma between them are one string, "
	    "\"unix:/aunix:/b\"");
	expect(LOG_LEVEL_WARN, "/sluice.conf", 6, "options.l: strings without");
	ck_assert_ptr_null(find_problem(LOG_LEVEL_WARN, "", 4, "strings"));
	ck_assert_ptr_null(find_problem(LOG_LEVEL_WARN, "", 5, "strings"));
	ck_assert_ptr_null(find_problem(LOG_LEVEL_WARN, "", 8, "strings"));
	done(settings);
}
END_TEST

START_TEST(an_unknown_word_lists_the_known_ones)
{
	one_mistake("log : { level = \"loud\"; };\n" LISTENERS, 1,
	    "log.level: \"loud\" is not one of error, warn, info, debug");
	one_mistake("log : { format = \"xml\"; };\n" LISTENERS, 1,
	    "not one of text, json");
	one_listener_mistake("on_reload = \"auto\";",
	    "not one of swap, drain, close");
}
END_TEST

START_TEST(missing_keys_are_named)
{
	struct settings *settings;

	settings = read_text("listeners = (\n {\n }\n);\n");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 2, "\"name\" is missing");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 2, "\"listen\" is missing");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 2, "\"plugin\" is missing");
	ck_assert_uint_eq(problems.errors, 3);
	done(settings);
	one_mistake("workers = 1;\n", 0, "no listeners");
	one_mistake("listeners = ( );\n", 0, "no listeners");
	one_mistake("", 0, "no listeners");
}
END_TEST

START_TEST(every_mistake_is_reported)
{
	struct settings *settings;

	settings = read_text(
	    "workers = 1000;\n"
	    "usr = \"x\";\n"
	    "drain_timeout = \"soon\";\n"
	    "log : { level = \"loud\"; };\n"
	    "\n"
	    "listeners = (\n"
	    "  { name = \"a b\"; plugin = \"p\"; listen = \"nowhere\";\n"
	    "    tls : { };\n"
	    "    backlog = 4294967297;\n"
	    "  },\n"
	    "  { name = \"a\"; plugin = 5; },\n"
	    "  7\n"
	    ");\n");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 1, "workers: ");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 2,
	    "unknown key \"usr\"; did you mean \"user\"?");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 3, "drain_timeout: \"soon\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 4, "log.level");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 7, "name: \"a b\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 7, "listen: \"nowhere\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 8,
	    "the key \"tls.cert\" is missing; add it, such as cert = \"cert.pem\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 8,
	    "the key \"tls.key\" is missing");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 9, "does not fit in 32 bits");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 11,
	    "plugin: expected a string");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 11, "\"listen\" is missing");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 12, "expected groups");
	ck_assert_uint_eq(problems.errors, 12);
	done(settings);
}
END_TEST

START_TEST(at_most_a_thousand_mistakes_are_kept)
{
	char *text = malloc(1 << 20);
	struct settings *settings;
	size_t len = 0;

	ck_assert_ptr_nonnull(text);
	len += (size_t)sprintf(text, "listeners = (\n");
	for (int i = 0; i < 50000; i++)
		len += (size_t)sprintf(text + len, "1,\n");
	sprintf(text + len, "1);\n");
	settings = read_text(text);
	ck_assert_uint_eq(problems.errors, 50001);
	ck_assert_uint_le(problems.count, 1000);
	free(text);
	done(settings);
}
END_TEST

static uint32_t seen;

static void
count_problem(void *arg, const struct problem *problem)
{
	ck_assert_ptr_eq(arg, &seen);
	ck_assert_ptr_nonnull(problem->text);
	seen++;
}

START_TEST(problems_are_told_when_they_are_found)
{
	problems.on_problem = count_problem;
	problems.arg = &seen;
	settings_free(read_text("workers = 1000;\nuser = 5;\n" LISTENERS));
	ck_assert_uint_eq(seen, 2);
	problems_done(&problems);
}
END_TEST

START_TEST(names_and_addresses_are_unique)
{
	one_mistake("listeners = (\n"
		    "{ name = \"a\"; plugin = \"p\"; listen = \"*:1\"; },\n"
		    "{ name = \"a\"; plugin = \"p\"; listen = \"*:2\"; } );\n",
	    3, "name: \"a\" is already the name of the listener in ");
	one_mistake(
	    "listeners = (\n"
	    "{ name = \"a\"; plugin = \"p\"; listen = \"127.0.0.1:1\"; },\n"
	    "{ name = \"b\"; plugin = \"p\"; listen = [ \"127.0.0.1:2\",\n"
	    "  \"127.0.0.1:1\" ]; } );\n",
	    4, "listen: 127.0.0.1:1 is already used by listener \"a\" in ");
	one_mistake("listeners = (\n"
		    "{ name = \"a\"; plugin = \"p\"; listen = [ \"unix:/x\",\n"
		    "  \"unix:/x\" ]; } );\n",
	    3, "already used by listener \"a\"");
	one_mistake("listeners = (\n"
		    "{ name = \"a\"; plugin = \"p\"; listen = [ \"*:1\",\n"
		    "  \"0.0.0.0:1\" ]; } );\n",
	    3, "already used by listener \"a\"");
	done(good(
	    "listeners = (\n"
	    "{ name = \"a\"; plugin = \"p\"; listen = \"127.0.0.1:0\"; },\n"
	    "{ name = \"b\"; plugin = \"p\"; listen = \"127.0.0.1:0\"; } "
	    ");\n"));
}
END_TEST

START_TEST(unix_keys_need_a_unix_path)
{
	one_listener_mistake("mode = \"0660\";", "only for unix:/path");
	one_listener_mistake("owner = \"root\";", "only for unix:/path");
#define UNIX(key)                                       \
	"listeners = ( { name = \"a\"; plugin = \"p\";" \
	" listen = \"unix:/tmp/x\";\n" key " } );\n"
	one_mistake(UNIX("mode = \"rw-rw----\";"), 2, "octal");
	one_mistake(UNIX("mode = \"0668\";"), 2, "octal");
	one_mistake(UNIX("mode = \"7777\";"), 2, "octal");
	one_mistake(UNIX("mode = \"\";"), 2, "must not be empty");
	one_mistake(UNIX("owner = \"no-such-user-here\";"), 2, "no user");
	one_mistake(UNIX("owner = \"root:no-such-group\";"), 2, "no group");
	one_mistake(UNIX("owner = \"root:\";"), 2, "user:group");
	done(good(UNIX("mode = \"660\"; owner = \":root\";")));
	done(good(UNIX("owner = \"12345:54321\";")));
}
END_TEST

START_TEST(accounts_are_looked_up)
{
	struct settings *settings;

	one_mistake("\nuser = \"no-such-user-here\";\n" LISTENERS, 2,
	    "user: there is no user \"no-such-user-here\"");
	one_mistake("group = \"no-such-group\";\n" LISTENERS, 1,
	    "group: there is no group");
	one_mistake("user = \"\";\n" LISTENERS, 1, "must not be empty");
	settings = good("user = \"nobody\";\n" LISTENERS);
	ck_assert_int_eq(settings->drop, geteuid() == 0);
	if (geteuid() == 0)
		ck_assert_uint_ne(settings->uid, 0);
	done(settings);
	settings = good("user = \"root\";\n" LISTENERS);
	expect(LOG_LEVEL_WARN, "/sluice.conf", 1,
	    geteuid() == 0 ? "run as root" : "no effect");
	done(settings);
	settings = good(LISTENERS);
	if (geteuid() == 0) {
		ck_assert(settings->drop);
		ck_assert_uint_ne(settings->uid, (uid_t)-1);
		ck_assert_uint_ne(settings->gid, (gid_t)-1);
	} else {
		ck_assert(!settings->drop);
		ck_assert_uint_eq(settings->uid, (uid_t)-1);
	}
	done(settings);
}
END_TEST

#define CONTROL "control = \"control.sock\"; control_mode = \"0660\";\n"

START_TEST(no_worker_is_in_the_group_of_the_control_socket)
{
	struct settings *settings;

	settings = good(CONTROL "user = \"12345\"; group = \"54321\";\n"
				"control_group = \"54322\";\n" LISTENERS);
	done(settings);
	if (geteuid() != 0)
		return;
	one_mistake(CONTROL "user = \"12345\"; group = \"54321\";\n"
			    "control_group = \"54321\";\n" LISTENERS,
	    3, "control_group: the workers run in group \"54321\"");
	/* This one can use the socket anyway. */
	settings = good(CONTROL "user = \"0\"; group = \"54321\";\n"
				"control_group = \"54321\";\n" LISTENERS);
	done(settings);
}
END_TEST

static const struct raw_option *
option(const struct settings *settings, const char *path)
{
	const struct listener_settings *l = &settings->listeners[0];

	for (uint32_t i = 0; i < l->option_count; i++)
		if (strcmp(l->options[i].path, path) == 0)
			return &l->options[i];
	ck_abort_msg("no option %s", path);
	return NULL;
}

START_TEST(options_are_flattened)
{
	struct settings *settings;

	settings = good(
	    "listeners = ( { name = \"a\"; plugin = \"p\";\n"
	    "listen = \"*:1\"; options : { motd = \"hi\";\n"
	    "  limits : { burst = 5; deep : { rate = 0.5; }; };\n"
	    "  on = true; list = [ \"x\", \"y\" ]; none = ( ); big = 5L; }; } "
	    ");\n");
	ck_assert_uint_eq(settings->listeners[0].option_count, 7);
	ck_assert_int_eq(option(settings, "motd")->type, RAW_STRING);
	ck_assert_str_eq(option(settings, "motd")->strings[0], "hi");
	ck_assert_uint_eq(option(settings, "motd")->origin.line, 2);
	ck_assert_int_eq(option(settings, "limits.burst")->type, RAW_INT);
	ck_assert_int_eq(option(settings, "limits.burst")->integer, 5);
	ck_assert_uint_eq(option(settings, "limits.burst")->origin.line, 3);
	ck_assert_int_eq(option(settings, "limits.deep.rate")->type, RAW_FLOAT);
	ck_assert(option(settings, "limits.deep.rate")->real == 0.5);
	ck_assert_int_eq(option(settings, "on")->type, RAW_BOOL);
	ck_assert_int_eq(option(settings, "on")->integer, 1);
	ck_assert_int_eq(option(settings, "list")->type, RAW_STRINGS);
	ck_assert_uint_eq(option(settings, "list")->count, 2);
	ck_assert_str_eq(option(settings, "list")->strings[1], "y");
	ck_assert_uint_eq(option(settings, "none")->count, 0);
	ck_assert_int_eq(option(settings, "big")->integer, 5);
	done(settings);
	one_listener_mistake("options : { a = ( 1, 2 ); };",
	    "options.a: a list may contain only strings; this is an integer");
	one_listener_mistake("options : { a = ( { } ); };", "this is a group");
	one_listener_mistake("options : { a = 1.0e+999; };", "too large");
}
END_TEST

START_TEST(copies_need_a_directory)
{
	one_mistake("plugin_copies = \"missing\";\n" LISTENERS, 1,
	    "plugin_copies: there is no directory \"");
	one_mistake("plugin_copies = \"sluice.conf\";\n" LISTENERS, 1,
	    "plugin_copies: ");
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		defaults_are_those_of_the_manual,
		every_key_is_read,
		keepalive_is_a_switch_or_a_time,
		wrong_type_names_file_and_line,
		out_of_range_says_the_range,
		clients_are_networks,
		a_list_without_a_possible_client_is_told,
		proxies_are_networks,
		unknown_keys_suggest_a_known_one,
		unknown_keys_suggest_a_key_of_another_group,
		groups_of_workers_are_checked,
		a_group_of_workers_is_found_by_who_names_it,
		a_missing_comma_between_strings_is_warned_of,
		an_unknown_word_lists_the_known_ones,
		missing_keys_are_named,
		every_mistake_is_reported,
		at_most_a_thousand_mistakes_are_kept,
		problems_are_told_when_they_are_found,
		names_and_addresses_are_unique,
		unix_keys_need_a_unix_path,
		accounts_are_looked_up,
		no_worker_is_in_the_group_of_the_control_socket,
		options_are_flattened,
		copies_need_a_directory,
		NULL,
	};

	return fixture_run("conf", tests);
}
