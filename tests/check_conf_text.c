/*
 * check_conf_text.c: a configuration as text: syntax, strings, integers that
 * are too long, depth, and random changes.
 */

#include "conf_fixture.h"

START_TEST(integers_that_would_wrap_are_refused)
{
	one_mistake("workers = 4294967297;\n" LISTENERS, 1,
	    "4294967297 does not fit in 32 bits");
	one_mistake("workers = 2147483648;\n" LISTENERS, 1, "32 bits");
	one_mistake("workers = -2147483649;\n" LISTENERS, 1, "32 bits");
	one_mistake("workers = 0x100000001;\n" LISTENERS, 1, "32 bits");
	one_mistake("workers = 0xFFFFFFFF;\n" LISTENERS, 1, "32 bits");
	one_mistake("\nworkers = 99999999999999999999;\n" LISTENERS, 2,
	    "64 bits");
	one_mistake("workers = 9223372036854775808L;\n" LISTENERS, 1,
	    "64 bits");
	one_mistake("workers = 0xFFFFFFFFFFFFFFFFL;\n" LISTENERS, 1, "64 bits");
	one_listener_mistake("options : { n = 18446744073709551617; };",
	    "64 bits");
	done(good(
	    "// 4294967297\n# 4294967297\n/* 4294967297 */\n"
	    "user = \"root\" /* 4294967297 */;\n"
	    "listeners = ( { name = \"a\"; plugin = \"p\"; listen = \"*:1\";"
	    "options : { a = \"4294967297\"; b4294967297 = 1;\n"
	    "c = 4294967297L; d = 2147483647; e = -2147483648;\n"
	    "f = 0x7FFFFFFF; g = 4294967297.0; h = 0x1FFFFFFFFL;\n"
	    "i = 9223372036854775807L; j = 3e99; k = 4294967296LL; }; } );\n"));
}
END_TEST

START_TEST(strings_keep_their_lines)
{
	struct settings *settings;

	settings = read_text(
	    "/* a\n comment */ user = \"root\"\n\n;\n"
	    "listeners = (\n"
	    "  {\n"
	    "    name = \"a\"; plugin\n"
	    "      = \"p\";\n"
	    "    listen = [\n"
	    "      \"bad1\",\n"
	    "      // \"no\"\n"
	    "      \"bad\"\n"
	    "      \"2\"\n"
	    "      ,\n"
	    "      \"bad3\"\n"
	    "\n"
	    "    ];\n"
	    "    options : { text = \"two\nlines \\\" \\\\\"; list = ( \"a\",\n"
	    "      \"b\" ); };\n"
	    "  }\n"
	    "\n"
	    "  ,\n"
	    "  { }\n"
	    ");\n");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 10, "\"bad1\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 12, "\"bad2\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 15, "\"bad3\"");
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 24, "\"name\" is missing");
	ck_assert_uint_eq(settings->user_origin.line, 2);
	ck_assert_uint_eq(settings->listeners[0].origin.line, 6);
	done(settings);
}
END_TEST

START_TEST(broken_syntax_names_the_line)
{
	one_mistake("workers = 1;\nuser \"x\";\n", 2, "syntax error");
	one_mistake("workers = 1;\n\nworkers = 2;\n", 3, "duplicate");
	one_mistake("workers = 1;\nuser = \"x;\nlog = 5;\n", 2,
	    "this string has no end");
	one_mistake("workers = 1;\n/* no end\n\n", 2,
	    "this comment has no end");
	one_mistake("\nlisteners = (\n { name = \"x\"; \n\n", 3,
	    "this \"{\" is never closed");
	one_mistake("listeners = (\n { name = \"x\"; )\n;", 2,
	    "\")\" does not close the \"{\" of line 2");
	one_mistake("workers = 1;\n}\n", 2, "closes nothing");
	one_mistake("workers = yes;\n", 1, "syntax error");
	/* A byte order mark is skipped. */
	done(good("\xef\xbb\xbfworkers = 1;\n" LISTENERS));
	one_listener_mistake("options : { a = [ 1, \"x\" ]; };", "mismatched");
	one_listener_mistake("options : { a = \"x\\x00y\"; };", "\\x00");
}
END_TEST

START_TEST(a_binary_file_is_refused_as_binary)
{
	struct settings *settings;

	settings = conf_read(fixture_file("sluice.conf", "a = 1;\nb\0c", 10),
	    &problems);
	ck_assert_ptr_null(settings);
	expect(LOG_LEVEL_ERROR, "/sluice.conf", 2, "NUL");
	done(settings);
}
END_TEST

START_TEST(at_include_is_refused_and_include_suggested)
{
	one_mistake("workers = 1;\n@include \"/etc\"\n", 2,
	    "@include is not supported; write include =");
	one_mistake("workers = 1;\n  \t@include \"/etc\"\n", 2, "@include");
	done(good("// @include \"/etc\"\n/* @include \"/etc\" */\n" LISTENERS));
}
END_TEST

START_TEST(depth_and_width_have_limits)
{
	char *text = calloc(1, 1 << 20);
	size_t len = 0;
	int i;

	ck_assert_ptr_nonnull(text);
	for (i = 0; i < 100; i++)
		len += (size_t)sprintf(text + len, "a = (");
	one_mistake(text, 1, "brackets are nested more than");
	for (i = 0, len = 0; i < 50000; i++)
		len += (size_t)sprintf(text + len, "k%d=1;\n", i);
	one_mistake(text, 1025, "more than 1024 settings");
	free(text);
}
END_TEST

/* Whatever a file contains, the reader must not crash or hang. */
START_TEST(mutated_files_do_no_harm)
{
	static const char base[] =
	    "workers = 3; user = \"root\";\n"
	    "log : { level = \"debug\"; access = false; };\n"
	    "drain_timeout = 5.5; /* c */ // d\n"
	    "listeners = ( { name = \"a\"; plugin = \"./x.so\";\n"
	    "  listen = ( \"127.0.0.1:1\", \"[::1]:2\", \"unix:/tmp/x\" );\n"
	    "  limits = { connections = 7; write_queue = 4294967296L; };\n"
	    "  options : { a = [ \"x\", \"y\" ]; b : { c = 0x1F; }; };\n"
	    "} );\n";
	static const char bytes[] = "\"\\(){}[]=:;,/*#@L0x9-+. \nax\0\xff";
	char text[sizeof(base)];
	int edits;

	srandom(1);
	for (int i = 0; i < 3000; i++) {
		memcpy(text, base, sizeof(base));
		edits = 1 + (int)(random() % 4);
		for (int j = 0; j < edits; j++)
			text[(size_t)random() % (sizeof(base) - 1)] =
			    bytes[(size_t)random() % (sizeof(bytes) - 1)];
		done(conf_read(fixture_file("f", text, sizeof(text) - 1),
		    &problems));
	}
	for (int i = 0; i < (int)sizeof(base); i++)
		done(conf_read(fixture_file("f", base, (size_t)i), &problems));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		integers_that_would_wrap_are_refused,
		strings_keep_their_lines,
		broken_syntax_names_the_line,
		a_binary_file_is_refused_as_binary,
		at_include_is_refused_and_include_suggested,
		depth_and_width_have_limits,
		mutated_files_do_no_harm,
		NULL,
	};

	return fixture_run("conf_text", tests);
}
