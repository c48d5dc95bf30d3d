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

/*
 * The quotation mark that is meant to begin the next string ends this one, and
 * from there on text and the rest have changed places.
 */
START_TEST(a_string_without_end_is_named_where_it_begins)
{
	one_mistake("workers = 1;\nuser = \"root;\n" LISTENERS, 2,
	    "this string has no end");
	one_mistake("user = \"root;\nplugin_dir = \"\";\n" LISTENERS, 1,
	    "this string has no end");
	one_mistake("user = \"root;\nplugin_dir = \"\";\n", 1,
	    "this string has no end");
	/* Two of them have an end each. */
	one_mistake("user = \"root;\ngroup = \"adm;\n" LISTENERS, 1,
	    "this string has no end on its line, and goes on to line 2");
	one_mistake("listeners = (\n { name = \"a\";\n   listen = \"*:7;\n"
		    "   plugin = \"echo\"; },\n\n { name = \"b\"; }\n);\n",
	    3, "this string has no end");
	one_mistake("user = \"x\n\";\nlog = (\n};\n", 4,
	    "does not close the \"(\" of line 3");
}
END_TEST

/* One line, line 2, with a mistake that libconfig calls a syntax error. */
static void
syntax_mistake(const char *line, const char *part)
{
	char text[512];

	snprintf(text, sizeof(text), "# one\n%s\n# three\n", line);
	one_mistake(text, 2, part);
}

START_TEST(syntax_errors_say_what_to_write_instead)
{
	syntax_mistake("user = root;", "marks; write user = \"root\"");
	syntax_mistake("user = 'root';", "marks; write user = \"root\"");
	syntax_mistake("plugin_dir = /opt/x;",
	    "marks; write plugin_dir = \"/opt/x\"");
	syntax_mistake("drain_timeout = 1h;",
	    "marks; write drain_timeout = \"1h\"");
	syntax_mistake("x = ( 1, *:80 );", "marks; write \"*:80\"");
	syntax_mistake("log = { access = yes; };", "write access = true");
	syntax_mistake("log = { access = Off; };", "write access = false");
	syntax_mistake("workers 2;", "write workers = 2;");
	syntax_mistake("user \"x\";", "write user = \"x\";");
	syntax_mistake("user root;", "write user = VALUE;");
	syntax_mistake("log { access = true; };", "write log = { ...");
	syntax_mistake("set workers 2;",
	    "\"set\" and \"workers\" are two words");
	syntax_mistake("export workers=2",
	    "write one key, \"=\" and its value");
	syntax_mistake("workers => 2;",
	    "\">\" is not a value; write workers =");
	syntax_mistake("listeners: - name: e", "\"-\" is not a value; a list");
	syntax_mistake("user = \xe2\x80\x9cx\xe2\x80\x9d;",
	    "plain ones here; write user = \"x\"");
	syntax_mistake("user = \xc2\xabx\xc2\xbb;", "write user = \"x\"");
	syntax_mistake("workers\xc2\xa0= 2;", "cannot be seen is on this line");
	syntax_mistake("workers =\xe2\x80\x8b 2;", "cannot be seen");
	syntax_mistake("workers = 10,000;",
	    "a number is written without commas");
	syntax_mistake("x = ( ( name = \"e\"; ) );",
	    "the key \"name\" cannot stand in the list of line 2");
	syntax_mistake("x = ( \"a\", user = \"x\";",
	    "\")\" missing before it?");
	syntax_mistake("x = ( { a = 1; }; workers = 2;",
	    "a \")\" is missing before this \";\": the list of line 2");
	syntax_mistake("x = ( { a = 1; };\n# the end",
	    "a \")\" is missing before this \";\": the list of line 2 is not "
	    "closed, and no value follows");
	syntax_mistake("x = ( { y = [ 1; } );",
	    "a \"]\" is missing before this \";\"");
	syntax_mistake("workers = ;", "write workers = VALUE;");
	syntax_mistake("workers = = 2;", "\"=\" stands twice");
	syntax_mistake("workers = \nuser = \"x\";", "write workers = VALUE;");
	syntax_mistake("log.level = \"warn\";",
	    "write log = { level = \"warn\"; };");
	syntax_mistake("log.level = warn;",
	    "write log = { level = \"warn\"; };");
	syntax_mistake("a.b.c = 2;", "write a = { b = { c = 2; }; };");
	syntax_mistake("a.b : {};", "write a = { b = ...; };");
	syntax_mistake("\"workers\" = 2;", "write workers = VALUE;");
	syntax_mistake("workers = 2;;", "nothing stands before this \";\"");
	syntax_mistake("x = 0x1F.;", "write x = \"0x1F.\"");
	syntax_mistake("x = +-5;", "write x = \"+-5\"");
	syntax_mistake("x = 1.5L;", "write x = \"1.5L\"");
	syntax_mistake("x = ( 1, = 2 );", "cannot stand in a list");
	syntax_mistake("idle = 1 h;", "\"h\" cannot follow the value of");
	syntax_mistake("x = [ { a = 1; } ];", "write ( ) around groups");
	syntax_mistake("x = [ 1; 2 ];", "a comma stands between values");
	syntax_mistake("x = ( 1,, 2 );", "before this comma");
	syntax_mistake("x = ( 1, );", "behind the last comma");
	syntax_mistake("x = { a = 1; { b = 2; }; };",
	    "is a \"}\" missing before it?");
}
END_TEST

/* The comma belongs on the line where the value before it ends. */
START_TEST(a_missing_comma_is_missing_where_the_value_ends)
{
	one_mistake("listeners = (\n { name = \"a\"; }\n\n { name = \"b\"; }\n"
		    ");\n",
	    2, "a comma is missing after this \"}\", before \"{\" of line 4");
	one_mistake("x = (\n1\n2\n);\n", 2, "a comma is missing");
}
END_TEST

START_TEST(a_duplicate_key_names_both_lines)
{
	one_mistake("workers = 1;\nuser = \"x\";\nlog = { level = \"x\"; };\n"
		    "workers = 2;\n",
	    4, "duplicate key \"workers\": it is already on line 1");
	one_mistake("log = {\n level = \"x\";\n level = \"y\"; };\n", 3,
	    "duplicate key \"level\": it is already on line 2");
	/* The same name in groups beside each other is none. */
	one_mistake("x = ( { a = 1; }, { a = 1; } );\ny = { a = 1; b = 2; };\n"
		    "z { };\n",
	    3, "write z = {");
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
		a_string_without_end_is_named_where_it_begins,
		syntax_errors_say_what_to_write_instead,
		a_missing_comma_is_missing_where_the_value_ends,
		a_duplicate_key_names_both_lines,
		a_binary_file_is_refused_as_binary,
		at_include_is_refused_and_include_suggested,
		depth_and_width_have_limits,
		mutated_files_do_no_harm,
		NULL,
	};

	return fixture_run("conf_text", tests);
}
