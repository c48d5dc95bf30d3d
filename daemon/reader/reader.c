/*
 * reader.c: the process that reads the configuration, so that the master need
 * not: if a parser crashes or exits, only this process is lost.  It reports
 * each problem as soon as it is found.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/dumpable.h"
#include "base/error.h"
#include "base/log.h"
#include "base/roles.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "image/image.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "reader/conf.h"
#include "reader/plugin_files.h"
#include "reader/problems.h"
#include "reader/secret_files.h"
#include "reader/tls_files.h"

#define RETRY_MS 10 /* while the master is busy with what we sent before */

struct reader {
	uint32_t generation;
	struct hello hello;
	char *config;
	bool master_gone;
};

/* Send a message, and wait until the master has room for it. */
static void
say(struct reader *reader, struct msg *msg)
{
	struct pollfd pfd = { .fd = CHILD_CHANNEL_FD, .events = POLLOUT };

	msg->generation = reader->generation;
	while (
	    !reader->master_gone && packet_send(CHILD_CHANNEL_FD, msg) == -1) {
		if (errno == EMSGSIZE) /* a path too long to be opened */
			return;
		if (errno == EAGAIN)
			poll(&pfd, 1, -1);
		else if (errno == ETOOMANYREFS || errno == ENOBUFS)
			poll(NULL, 0, RETRY_MS);
		else
			reader->master_gone = true;
	}
}

/* --watch needs to know all files, also those of a refused configuration. */
static void
say_sources(struct reader *reader, const struct settings *settings)
{
	for (uint32_t i = 0; i < settings->source_count; i++)
		say(reader,
		    &(struct msg){
			.type = MSG_SOURCE,
			.source.pattern = settings->sources[i],
		    });
}

static void
on_problem(void *arg, const struct problem *problem)
{
	say(arg,
	    &(struct msg){
		.type = MSG_PROBLEM,
		.problem.level = (uint32_t)problem->level,
		.problem.line = problem->line,
		.problem.file = problem->file,
		.problem.text = problem->text,
	    });
}

static void
on_log_format(void *arg, enum log_format format)
{
	say(arg,
	    &(struct msg){
		.type = MSG_LOG_FORMAT,
		.log.format = (uint32_t)format,
	    });
}

static void
say_prepared(struct reader *reader, int bundle,
    const struct plugin_files *files, const struct secret_files *secrets)
{
	say(reader, &(struct msg){ .type = MSG_BUNDLE, .fd = bundle });
	for (uint32_t i = 0; i < files->count; i++)
		say(reader,
		    &(struct msg){
			.type = MSG_IMAGE,
			.fd = files->images[i].fd,
			.image.index = i,
		    });
	for (uint32_t i = 0; i < secrets->count; i++)
		say(reader,
		    &(struct msg){
			.type = MSG_SECRET,
			.fd = secrets->fds[i],
			.secret.index = i,
		    });
	say(reader, &(struct msg){ .type = MSG_PREPARED });
}

/* Make all the checks that run no plugin code. */
static void
read_all(struct reader *reader, struct problems *problems)
{
	struct plugin_files files = { 0 };
	struct secret_files secrets = { 0 };
	struct settings *settings;
	struct error err;
	int bundle = -1;

	settings = conf_read(reader->config, problems);
	if (settings != NULL) {
		plugin_files_open(reader->config, settings, problems, &files);
		tls_files_open(reader->config, settings, problems, &secrets);
		say_sources(reader, settings);
	}
	if (problems->errors == 0) {
		bundle = bundle_write(settings, &err);
		if (bundle == -1)
			problem_error(problems, NULL, "%s", err.text);
	}
	if (problems->errors > 0) {
		say(reader, &(struct msg){ .type = MSG_REFUSED });
	} else {
		if (!reader->hello.check_only)
			plugin_files_copy(settings, &files, problems);
		say_prepared(reader, bundle, &files, &secrets);
	}
	if (bundle != -1)
		close(bundle);
	plugin_files_close(&files);
	secret_files_close(&secrets);
	settings_free(settings);
}

/* Find out what to read.  -1: the master did not say. */
static int
receive_hello(struct reader *reader)
{
	struct pollfd pfd = { .fd = CHILD_CHANNEL_FD, .events = POLLIN };
	struct packet room;
	struct error err;
	struct msg msg;
	int result;

	while (
	    (result = packet_recv(CHILD_CHANNEL_FD, &room, &msg, &err)) == -1 &&
	    errno == EAGAIN)
		poll(&pfd, 1, -1);
	if (result != 1)
		return -1;
	if (msg.fd != -1)
		close(msg.fd);
	if (msg.type != MSG_HELLO)
		return -1;
	reader->hello = msg.hello;
	reader->generation = msg.generation;
	reader->config = strdup(msg.hello.config);
	return reader->config != NULL ? 0 : -1;
}

/* Each plugin takes a descriptor, and the usual limit is 1024. */
static void
raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int
reader_main(void)
{
	struct reader reader = { 0 };
	struct problems problems = {
		.on_problem = on_problem,
		.on_log_format = on_log_format,
		.arg = &reader,
	};

	/* Without the master nobody needs an answer. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (receive_hello(&reader) == -1) {
		log_errorx("the master did not say what to read");
		return EXIT_FAILURE;
	}
	/* The master may have died before we asked for the signal. */
	if ((uint32_t)getppid() != reader.hello.master_pid) {
		free(reader.config);
		return EXIT_FAILURE;
	}
	/* Our memory has private keys in it, which must not be dumped. */
	prctl(PR_SET_DUMPABLE, DUMPABLE, 0, 0, 0);
	raise_descriptor_limit();
	read_all(&reader, &problems);
	problems_done(&problems);
	free(reader.config);
	return reader.master_gone ? EXIT_FAILURE : EXIT_SUCCESS;
}
