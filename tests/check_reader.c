/* check_reader.c: what the reader answers to the master. */

#include <limits.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/memfd.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "image/image.h"
#include "reader_fixture.h"
#include "tiny_elf.h"

#define PROBLEMS_MAX 64

static struct {
	struct {
		uint32_t level, line;
		char file[256], text[512];
	} problems[PROBLEMS_MAX];
	uint32_t problem_count;
	uint32_t verdict; /* PREPARED or REFUSED */
	uint32_t images;
	int image_fds[16];
	int bundle;
	unsigned int sources;
	char source[PATH_MAX]; /* the last one */
	int status;	       /* of the process */
} answer;

static void
take(const struct msg *msg)
{
	ck_assert_uint_eq(msg->generation, READER_GENERATION);
	ck_assert_uint_eq(answer.verdict, 0);
	switch (msg->type) {
	case MSG_PROBLEM:
		ck_assert_uint_lt(answer.problem_count, PROBLEMS_MAX);
#define P answer.problems[answer.problem_count]
		P.level = msg->problem.level;
		P.line = msg->problem.line;
		snprintf(P.file, sizeof(P.file), "%s", msg->problem.file);
		snprintf(P.text, sizeof(P.text), "%s", msg->problem.text);
		answer.problem_count++;
		break;
	case MSG_SOURCE:
		snprintf(answer.source, sizeof(answer.source), "%s",
		    msg->source.pattern);
		answer.sources++;
		break;
	case MSG_LOG_FORMAT:
		/* How the problems are logged. */
		ck_assert_uint_eq(answer.problem_count, 0);
		break;
	case MSG_BUNDLE:
		answer.bundle = msg->fd;
		break;
	case MSG_IMAGE:
		ck_assert_int_ne(answer.bundle, -1);
		ck_assert_uint_eq(msg->image.index, answer.images);
		answer.image_fds[answer.images++] = msg->fd;
		break;
	case MSG_PREPARED:
	case MSG_REFUSED:
		answer.verdict = msg->type;
		break;
	default:
		ck_abort_msg("message %s", msg_name(msg->type));
	}
}

static void
read_config(const char *config, bool check_only)
{
	memset(&answer, 0, sizeof(answer));
	answer.bundle = -1;
	answer.status = reader_run(config, check_only, take);
}

static void
expect(uint32_t level, uint32_t line, const char *part)
{
	for (uint32_t i = 0; i < answer.problem_count; i++)
		if (answer.problems[i].level == level &&
		    answer.problems[i].line == line &&
		    strstr(answer.problems[i].text, part) != NULL)
			return;
	for (uint32_t i = 0; i < answer.problem_count; i++)
		fprintf(stderr, "%s:%u: %s\n", answer.problems[i].file,
		    answer.problems[i].line, answer.problems[i].text);
	ck_abort_msg("no problem in line %u with \"%s\"", line, part);
}

START_TEST(a_good_file_becomes_a_bundle_and_images)
{
	struct settings *settings;
	struct tiny t = tiny();
	struct error err = { "" };

	mkdir(fixture_path("plugins"), 0755);
	fixture_file("plugins/a.so", &t, sizeof(t));
	fixture_file("plugins/same.so", &t, sizeof(t));
	t.names[0] = 'x';
	fixture_file("plugins/b.so", &t, sizeof(t));
	read_config(
	    fixture_text("sluice.conf",
		"plugin_dir = \"plugins\";\n"
		"listeners = ( { name = \"1\"; listen = \"*:1\"; plugin = \"a\"; },\n"
		"{ name = \"2\"; listen = \"*:2\"; plugin = \"same\"; },\n"
		"{ name = \"3\"; listen = \"*:3\"; plugin = \"plugins/b.so\"; },\n"
		"{ name = \"4\"; listen = \"*:4\"; plugin = \"a\"; } );\n"),
	    false);
	ck_assert_uint_eq(answer.verdict, MSG_PREPARED);
	ck_assert(WIFEXITED(answer.status) && WEXITSTATUS(answer.status) == 0);
	ck_assert_uint_eq(answer.problem_count, 0);
	ck_assert_uint_eq(answer.images, 2);
	ck_assert_uint_eq(answer.sources, 3); /* each file once */
	ck_assert_str_eq(answer.source, fixture_path("plugins/b.so"));
	settings = bundle_read(answer.bundle, &err);
	ck_assert_msg(settings != NULL, "%s", err.text);
	ck_assert_uint_eq(settings->image_count, 2);
	ck_assert_uint_eq(settings->listeners[0].image, 0);
	ck_assert_uint_eq(settings->listeners[1].image, 0);
	ck_assert_uint_eq(settings->listeners[2].image, 1);
	ck_assert_uint_eq(settings->listeners[3].image, 0);
	ck_assert_str_eq(settings->images[0].path,
	    fixture_path("plugins/a.so"));
	for (uint32_t i = 0; i < 2; i++)
		ck_assert(memfd_is_sealed(answer.image_fds[i]));
	settings_free(settings);
}
END_TEST

START_TEST(each_bad_plugin_is_named_at_its_line)
{
	struct tiny t = tiny();

	mkdir(fixture_path("dir.so"), 0755);
	fixture_text("text.so", "hello\n");
	fixture_file("short.so", &t, sizeof(t) / 2);
	t.head.e_machine ^= 1;
	fixture_file("machine.so", &t, sizeof(t));
	read_config(
	    fixture_text("sluice.conf",
		"backlog = 5;\n"
		"plugin_dir = \"/nowhere\"; listeners = (\n"
		"{ name = \"1\"; listen = \"*:1\"; plugin = \"missing\"; },\n"
		"{ name = \"2\"; listen = \"*:2\"; plugin = \"./text.so\"; },\n"
		"{ name = \"3\"; listen = \"*:3\"; plugin = \"./short.so\"; },\n"
		"{ name = \"4\"; listen = \"*:4\";\n plugin = \"./machine.so\"; },\n"
		"{ name = \"5\"; listen = \"*:5\"; plugin = \"./dir.so\"; } );\n"),
	    false);
	ck_assert_uint_eq(answer.verdict, MSG_REFUSED);
	ck_assert(WIFEXITED(answer.status) && WEXITSTATUS(answer.status) == 0);
	expect(LOG_LEVEL_ERROR, 1, "unknown key \"backlog\"");
	expect(LOG_LEVEL_ERROR, 3, "plugin: /nowhere/missing.so: No such file");
	expect(LOG_LEVEL_ERROR, 4, "not a shared object");
	expect(LOG_LEVEL_ERROR, 5, "cut short");
	expect(LOG_LEVEL_ERROR, 7, "another machine");
	expect(LOG_LEVEL_ERROR, 8, "is a directory");
	ck_assert_uint_eq(answer.problem_count, 6);
	ck_assert_uint_eq(answer.images, 0);
	ck_assert_int_eq(answer.bundle, -1);
}
END_TEST

START_TEST(a_missing_file_is_refused)
{
	read_config(fixture_path("missing.conf"), true);
	ck_assert_uint_eq(answer.verdict, MSG_REFUSED);
	expect(LOG_LEVEL_ERROR, 0, "No such file");
	ck_assert_uint_eq(answer.problem_count, 1);
}
END_TEST

START_TEST(copies_are_kept_for_debuggers)
{
	static const char text[] =
	    "plugin_copies = \"copies\";\n"
	    "listeners = ( { name = \"1\"; listen = \"*:1\";"
	    "plugin = \"./a.so\"; } );\n";
	struct image image;
	struct tiny t = tiny();
	struct error err;
	struct stat st;
	char name[64], hash[9];

	mkdir(fixture_path("copies"), 0755);
	ck_assert_int_eq(
	    image_open(fixture_file("a.so", &t, sizeof(t)), &image, &err), 0);
	snprintf(name, sizeof(name), "copies/a.%s.so",
	    image_short_hash(image.hash, hash));
	image_close(&image);
	/* A check (-t) writes no copies. */
	read_config(fixture_text("sluice.conf", text), true);
	ck_assert_uint_eq(answer.verdict, MSG_PREPARED);
	ck_assert_int_eq(rmdir(fixture_path("copies")), 0);
	mkdir(fixture_path("copies"), 0755);
	read_config(fixture_path("sluice.conf"), false);
	ck_assert_uint_eq(answer.verdict, MSG_PREPARED);
	ck_assert_int_eq(stat(fixture_path(name), &st), 0);
	ck_assert_int_eq(st.st_size, sizeof(t));
	ck_assert_uint_eq(st.st_mode & 0777, 0644);
	ck_assert_uint_eq(answer.problem_count, 0);
	/* There is no other file. */
	unlink(fixture_path(name));
	ck_assert_int_eq(rmdir(fixture_path("copies")), 0);
}
END_TEST

static bool
has_bytes(const char *name, const void *bytes, size_t len)
{
	char *found = calloc(1, len + 1);
	int fd = open(fixture_path(name), O_RDONLY | O_CLOEXEC);
	bool same;

	same = fd != -1 && read(fd, found, len + 1) == (ssize_t)len &&
	    memcmp(found, bytes, len) == 0;
	close(fd);
	free(found);
	return same;
}

/* Eight digits of a hash do not say that the bytes are the same. */
START_TEST(a_copy_is_known_by_its_content)
{
	char name[64], whole[96], digits[2 * IMAGE_HASH_SIZE + 1], hash[9];
	struct tiny t = tiny(), other = t;
	struct image image;
	struct error err;

	mkdir(fixture_path("copies"), 0755);
	ck_assert_int_eq(
	    image_open(fixture_file("a.so", &t, sizeof(t)), &image, &err), 0);
	snprintf(name, sizeof(name), "copies/a.%s.so",
	    image_short_hash(image.hash, hash));
	for (int i = 0; i < IMAGE_HASH_SIZE; i++)
		snprintf(digits + 2 * i, 3, "%02x", image.hash[i]);
	snprintf(whole, sizeof(whole), "copies/a.%s.so", digits);
	image_close(&image);
	other.names[0] = 'x';
	fixture_file(name, &other, sizeof(other));
	fixture_text("sluice.conf",
	    "plugin_copies = \"copies\";\n"
	    "listeners = ( { name = \"1\"; listen = \"*:1\";"
	    "plugin = \"./a.so\"; } );\n");
	/* The other one stays, and a copy that is damaged is replaced. */
	for (int round = 0; round < 3; round++) {
		read_config(fixture_path("sluice.conf"), false);
		ck_assert_uint_eq(answer.verdict, MSG_PREPARED);
		expect(LOG_LEVEL_WARN, 1, "is not a copy of");
		ck_assert_uint_eq(answer.problem_count, 1);
		ck_assert(has_bytes(name, &other, sizeof(other)));
		ck_assert(has_bytes(whole, &t, sizeof(t)));
		if (round == 1)
			fixture_text(whole, "damaged");
	}
	/* The right one is found again. */
	unlink(fixture_path(whole));
	fixture_file(name, &t, sizeof(t));
	read_config(fixture_path("sluice.conf"), false);
	ck_assert_uint_eq(answer.problem_count, 0);
	ck_assert_int_eq(access(fixture_path(whole), F_OK), -1);
}
END_TEST

START_TEST(sixty_mistakes_all_arrive)
{
	char *text = calloc(1, 64 << 10);
	size_t len;

	len = (size_t)sprintf(text, "listeners = (\n");
	for (int i = 0; i < 59; i++)
		len += (size_t)sprintf(text + len, "1,\n");
	sprintf(text + len, "1 );\n");
	read_config(fixture_text("sluice.conf", text), false);
	ck_assert_uint_eq(answer.verdict, MSG_REFUSED);
	ck_assert_uint_eq(answer.problem_count, 60);
	free(text);
}
END_TEST

START_TEST(the_reader_ends_when_the_master_sends_nonsense_or_closes)
{
	const struct msg commit = { .type = MSG_COMMIT, .generation = 1 };
	int channel, status;
	pid_t pid = reader_start(&channel);

	ck_assert_int_eq(packet_send(channel, &commit), 0);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
	close(channel);
	pid = reader_start(&channel);
	close(channel);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 1);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_good_file_becomes_a_bundle_and_images,
		each_bad_plugin_is_named_at_its_line,
		a_missing_file_is_refused,
		copies_are_kept_for_debuggers,
		a_copy_is_known_by_its_content,
		sixty_mistakes_all_arrive,
		the_reader_ends_when_the_master_sends_nonsense_or_closes,
		NULL,
	};

	return fixture_run("reader", tests);
}
