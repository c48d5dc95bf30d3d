/*
 * build.c: the reader, then the probe.  Each reports what is wrong, answers
 * PREPARED or REFUSED, and exits.  A child that ends without an answer counts
 * as one that refused, and we say what it was working on: a configuration
 * library may exit on a strange file, and a plugin may do anything.
 */

#include "master/build.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "config/settings.h"
#include "ipc/msg.h"
#include "master/child.h"
#include "master/gen.h"

#define READ_MS 60000	  /* it may have to wait for a slow resolver of names */
#define SOURCES_MAX 4096  /* files of one configuration */
#define PROBLEMS_MAX 1000 /* of one child; nobody reads more */

enum stage { STAGE_READ, STAGE_PROBE };
enum answer { ANSWER_NONE, ANSWER_PREPARED, ANSWER_REFUSED };

static const struct stage_row {
	const char *role;
	unsigned int limit_ms;
} stages[] = {
	[STAGE_READ] = { "reader", READ_MS },
	[STAGE_PROBE] = { "probe", PROBE_MS },
};

struct build {
	struct children *children;
	const char *config;
	const struct build_ops *ops;
	void *arg;
	enum stage stage;
	struct child *child;
	enum answer answer;
	unsigned int problems;	/* errors it has reported */
	unsigned int told;	/* all problems it has reported */
	unsigned int sources;	/* files it has named */
	enum progress progress; /* of the probe */
	uint32_t at;		/* image or listener */
	struct gen *gen;
};

static int start_stage(struct build *build, enum stage stage, bool check_only,
    struct error *err);

static void
tell(struct build *build, int level, const char *file, uint32_t line,
    const char *text)
{
	if (level <= LOG_LEVEL_ERROR)
		build->problems++;
	if (build->told++ < PROBLEMS_MAX)
		build->ops->on_problem(build->arg, level, file, line, text);
}

static void
finish(struct build *build, bool good)
{
	const struct build_ops *ops = build->ops;
	struct gen *gen = build->gen;
	void *arg = build->arg;

	if (!good) {
		gen_unref(gen);
		gen = NULL;
	}
	child_free(build->child);
	free(build);
	ops->on_done(arg, gen);
}

/* A child that breaks the protocol counts as one that refused. */
static void
misbehaved(struct build *build, const char *what)
{
	char text[ERROR_TEXT_MAX + 64];

	if (build->answer != ANSWER_REFUSED) {
		snprintf(text, sizeof(text), "the %s sent %s",
		    stages[build->stage].role, what);
		tell(build, LOG_LEVEL_ERROR, "", 0, text);
	}
	build->answer = ANSWER_REFUSED;
	child_kill(build->child, "broke the protocol");
}

static void
on_problem(struct build *build, const struct msg *msg)
{
	tell(build, (int)msg->problem.level, msg->problem.file,
	    msg->problem.line, msg->problem.text);
}

static void
on_source(struct build *build, const struct msg *msg)
{
	if (build->ops->on_source != NULL && build->sources++ < SOURCES_MAX)
		build->ops->on_source(build->arg, msg->source.pattern);
}

static void
on_log_format(struct build *build, const struct msg *msg)
{
	if (build->ops->on_log_format != NULL)
		build->ops->on_log_format(build->arg,
		    (enum log_format)msg->log.format);
}

static int
on_progress(struct build *build, const struct msg *msg, struct error *err)
{
	const struct settings *settings = build->gen->settings;
	uint32_t count = msg->progress.step == PROGRESS_LOAD
	    ? settings->image_count
	    : settings_endpoints(settings);

	if (msg->progress.index >= count)
		return error_set(err,
		    "progress on something that does not exist");
	build->progress = (enum progress)msg->progress.step;
	build->at = msg->progress.index;
	return 0;
}

static void
on_answer(struct build *build, const struct msg *msg)
{
	bool whole = build->stage == STAGE_READ
	    ? gen_complete(build->gen)
	    : gen_facts_known(build->gen) == build->gen->settings->image_count;

	if (msg->type == MSG_PREPARED && !whole)
		misbehaved(build, "its answer before it had finished");
	else if (msg->type == MSG_PREPARED)
		build->answer = ANSWER_PREPARED;
	else
		build->answer = ANSWER_REFUSED;
}

static void
on_message(void *arg, struct msg *msg)
{
	struct build *build = arg;
	struct error err;
	int result = 0;

	if (build->answer != ANSWER_NONE)
		result = error_set(&err, "more after its answer");
	else if (msg->type == MSG_PROBLEM)
		on_problem(build, msg);
	else if (msg->type == MSG_PREPARED || msg->type == MSG_REFUSED)
		on_answer(build, msg);
	else if (msg->type == MSG_SOURCE && build->stage == STAGE_READ)
		on_source(build, msg);
	else if (msg->type == MSG_LOG_FORMAT && build->stage == STAGE_READ)
		on_log_format(build, msg);
	else if (msg->type == MSG_BUNDLE && build->stage == STAGE_READ)
		result = gen_take_bundle(build->gen, msg, &err);
	else if (msg->type == MSG_IMAGE && build->stage == STAGE_READ)
		result = gen_take_image(build->gen, msg, &err);
	else if (msg->type == MSG_SECRET && build->stage == STAGE_READ)
		result = gen_take_secret(build->gen, msg, &err);
	else if (msg->type == MSG_FACTS && build->stage == STAGE_PROBE)
		result = gen_take_facts(build->gen, msg, &err);
	else if (msg->type == MSG_PROGRESS && build->stage == STAGE_PROBE)
		result = on_progress(build, msg, &err);
	else
		result = error_set(&err,
		    "a message of a kind that it may not "
		    "send (%s)",
		    msg_name(msg->type));
	if (msg->fd != -1)
		close(msg->fd);
	if (result == -1)
		misbehaved(build, err.text);
}

/* The origin of the first listener that uses this image. */
static const struct origin *
image_origin(const struct settings *settings, uint32_t index)
{
	static const struct origin nowhere = { "", 0 };

	for (uint32_t i = 0; i < settings_endpoints(settings); i++)
		if (settings_endpoint(settings, i)->image == index)
			return &settings_endpoint(settings, i)->plugin_origin;
	return &nowhere;
}

/*
 * "reader was killed by SIGSEGV while reading /etc/sluice/sluice.conf"; the end
 * of the probe is reported at the place in the configuration that names the
 * plugin it was loading.
 */
static void
tell_end(struct build *build, const char *how)
{
	char text[ERROR_TEXT_MAX];
	const struct settings *settings = build->gen->settings;
	const struct listener_settings *listener;
	struct origin origin = { "", 0 };

	if (build->stage == STAGE_READ) {
		snprintf(text, sizeof(text), "reader %s while reading %s", how,
		    build->config);
	} else if (build->progress == PROGRESS_LOAD) {
		origin = *image_origin(settings, build->at);
		snprintf(text, sizeof(text), "probe %s while loading %s", how,
		    settings->images[build->at].path);
	} else if (build->progress == PROGRESS_CHECK) {
		listener = settings_endpoint(settings, build->at);
		origin = listener->plugin_origin;
		snprintf(text, sizeof(text),
		    "probe %s while plugin \"%s\" checked the options of "
		    "%s \"%s\"",
		    how, listener->plugin, endpoint_kind(listener),
		    listener->name);
	} else {
		snprintf(text, sizeof(text),
		    "probe %s before it loaded anything", how);
	}
	tell(build, LOG_LEVEL_ERROR, origin.file == NULL ? "" : origin.file,
	    origin.line, text);
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct build *build = arg;
	struct error err;

	build->child = NULL;
	if (build->answer == ANSWER_NONE)
		tell_end(build, how);
	else if (!clean && build->answer == ANSWER_PREPARED)
		log_warnx("%s %s after it had accepted the generation",
		    stages[build->stage].role, how);
	if (build->answer == ANSWER_REFUSED && build->problems == 0)
		tell(build, LOG_LEVEL_ERROR, "", 0,
		    build->stage == STAGE_READ
			? "the reader refused the configuration without "
			  "giving a reason"
			: "the probe refused the configuration without "
			  "giving a reason");
	if (build->answer != ANSWER_PREPARED) {
		finish(build, false);
	} else if (build->stage == STAGE_PROBE) {
		finish(build, true);
	} else if (start_stage(build, STAGE_PROBE, true, &err) == -1) {
		tell(build, LOG_LEVEL_ERROR, "", 0, err.text);
		finish(build, false);
	}
}

static const struct child_ops child_ops = {
	.on_message = on_message,
	.on_gone = on_gone,
};

static int
start_stage(struct build *build, enum stage stage, bool check_only,
    struct error *err)
{
	const struct settings *settings = build->gen->settings;
	struct hello hello = {
		.uid = (uint32_t)-1,
		.gid = (uint32_t)-1,
		.check_only = check_only,
		.config = stage == STAGE_READ ? build->config : NULL,
	};
	const struct msg prepare = {
		.type = MSG_PREPARE,
		.generation = build->gen->number,
	};

	if (stage == STAGE_PROBE && settings->drop) {
		hello.uid = (uint32_t)settings->uid;
		hello.gid = (uint32_t)settings->gid;
	}
	if (stage == STAGE_PROBE)
		hello.workers = (uint32_t)settings->workers;
	build->stage = stage;
	build->answer = ANSWER_NONE;
	build->progress = PROGRESS_BEGIN;
	build->problems = build->told = 0;
	log_debug("build: %s", stages[stage].role);
	build->child = child_spawn(build->children, stages[stage].role, &hello,
	    -1, &child_ops, build, err);
	if (build->child == NULL)
		return -1;
	child_deadline(build->child, stages[stage].limit_ms);
	if (stage == STAGE_PROBE &&
	    (gen_send_images(build->gen, build->child) == -1 ||
		child_send(build->child, &prepare) == -1) &&
	    errno != EPIPE) {
		error_sys(err, "cannot talk to the probe");
		return -1;
	}
	/* EPIPE: it is dead already, and its end will be reported. */
	return 0;
}

struct build *
build_start(struct children *children, const char *config, uint32_t number,
    bool check_only, const struct build_ops *ops, void *arg, struct error *err)
{
	struct build *build = calloc(1, sizeof(*build));

	if (build == NULL || (build->gen = gen_new(number)) == NULL) {
		free(build);
		error_sys(err, "cannot begin");
		return NULL;
	}
	build->children = children;
	build->config = config;
	build->ops = ops;
	build->arg = arg;
	if (start_stage(build, STAGE_READ, check_only, err) == -1) {
		gen_unref(build->gen);
		free(build);
		return NULL;
	}
	return build;
}

void
build_cancel(struct build *build)
{
	if (build == NULL)
		return;
	child_free(build->child);
	gen_unref(build->gen);
	free(build);
}
