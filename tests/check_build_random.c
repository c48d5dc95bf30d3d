/*
 * check_build_random.c: the build of a generation when the reader and the probe
 * say anything, at any time, or die.
 */

#include "base/log.h"
#include "base/memfd.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "master/build.h"
#include "master/gen.h"
#include "random_children.h"

#define BUILD_SEEDS 1500
#define BUILD_STEPS 40

static struct {
	unsigned int ends, good;
} built;

static void
on_build_problem(void *arg, int level, const char *file, uint32_t line,
    const char *text)
{
	(void)arg;
	(void)line;
	ck_assert_int_ge(level, LOG_LEVEL_ERROR);
	ck_assert_int_le(level, LOG_LEVEL_DEBUG);
	ck_assert_ptr_nonnull(file);
	ck_assert_ptr_nonnull(text);
}

static void
on_build_done(void *arg, struct gen *gen)
{
	(void)arg;
	built.ends++;
	built.good += gen != NULL;
	gen_unref(gen);
}

static const struct build_ops build_ops = {
	.on_problem = on_build_problem,
	.on_done = on_build_done,
};

/* A generation of one listener and two images. */
static int
some_bundle(void)
{
	struct settings *settings = settings_new();
	struct listener_settings *listener;
	struct error err;
	int fd;

	settings->workers = 1;
	settings->plugin_dir =
	    settings->plugin_dir != NULL ? settings->plugin_dir : strdup("/");
	settings_add_image(settings)->path = strdup("/a.so");
	settings_add_image(settings)->path = strdup("/b.so");
	listener = keys_add(key_find(settings_keys, "listeners"), settings);
	listener->name = strdup("a");
	listener->plugin = strdup("a");
	fd = bundle_write(settings, &err);
	ck_assert_msg(fd != -1, "%s", err.text);
	settings_free(settings);
	return fd;
}

/* Mostly the next message that belongs there, and sometimes any other. */
static void
say_next(struct msg *msg, struct packet *room, unsigned int at, int bundle,
    int image)
{
	static const enum msg_type order[] = { MSG_BUNDLE, MSG_IMAGE, MSG_IMAGE,
		MSG_PREPARED, MSG_PROGRESS, MSG_FACTS, MSG_PROGRESS, MSG_FACTS,
		MSG_PREPARED };

	heard_msg(msg, 1, room);
	if (below(15) != 0) {
		memset(msg, 0, sizeof(*msg));
		msg->type = order[at % 9];
		msg->fd = -1;
	}
	if (msg->type == MSG_IMAGE) {
		msg->image.index = at == 2;
	} else if (msg->type == MSG_PROGRESS) {
		msg->progress.step = PROGRESS_LOAD;
		msg->progress.index = at == 6;
	} else if (msg->type == MSG_FACTS) {
		msg->facts.image = at == 7;
		msg->facts.name = msg->facts.version = odd_text();
	}
	if (msg->type == MSG_BUNDLE && below(20) != 0)
		msg->fd = fcntl(bundle, F_DUPFD_CLOEXEC, 0);
	else if (msg->type == MSG_IMAGE || below(40) == 0)
		msg->fd = fcntl(image, F_DUPFD_CLOEXEC, 0);
}

START_TEST(reader_and_probe_may_say_anything)
{
	static struct packet room;
	unsigned int seed, i, at, before;
	int bundle = some_bundle(), image = memfd_new("image", true);
	struct build *build;
	struct child *child;
	struct error err;
	struct msg msg;

	be_quiet();
	ck_assert_int_eq(memfd_append(image, "x", 1), 0);
	ck_assert_int_eq(memfd_seal(image), 0);
	before = fixture_descriptors();
	for (seed = 1; seed <= BUILD_SEEDS; seed++) {
		srandom(seed);
		built.ends = 0;
		build = build_start(NULL, "sluice.conf", 1, false, &build_ops,
		    NULL, &err);
		if (build == NULL)
			continue;
		for (i = 0, at = 0; i < BUILD_STEPS && built.ends == 0; i++) {
			child = children;
			ck_assert_ptr_nonnull(child);
			say_next(&msg, &room, at++, bundle, image);
			child->ops->on_message(child->arg, &msg);
			/* The child ends after its answer, or at any time. */
			if (at == 4 || at == 9 || child->reason != NULL ||
			    below(30) == 0)
				child_end(child, below(10) != 0);
		}
		if (built.ends == 0)
			build_cancel(build);
		ck_assert_uint_le(built.ends, 1);
		ck_assert_ptr_null(children);
		ck_assert_uint_eq(fixture_descriptors(), before);
	}
	ck_assert_uint_gt(built.good, BUILD_SEEDS / 20);
	close(bundle);
	close(image);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		reader_and_probe_may_say_anything,
		NULL,
	};

	return fixture_run("build_random", tests);
}
