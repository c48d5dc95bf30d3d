/*
 * reader.c: the process that reads what an operator wrote, so that the master
 * need not: a parser may crash or exit, and then only we are gone.  Says what
 * it knows as soon as it knows it.
 */

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/roles.h"
#include "config/bundle.h"
#include "config/settings.h"
#include "image/image.h"
#include "ipc/msg.h"
#include "reader/conf.h"
#include "reader/plugin_files.h"
#include "reader/problems.h"
#include "reader/secret_files.h"

#define RETRY_MS 10 /* for a master that is busy with what we sent before */

struct reader {
	uint32_t generation;
	struct hello hello;
	char *config;
	bool deaf; /* the master is gone */
};

static void
say(struct reader *reader, uint32_t type, uint32_t arg0, int fd)
{
	const uint32_t arg[4] = { arg0 };
	struct pollfd pfd = { .fd = CHILD_CHANNEL_FD, .events = POLLOUT };

	while (!reader->deaf &&
	    msg_send(CHILD_CHANNEL_FD, type, reader->generation, arg, NULL, 0,
		fd) == -1) {
		if (errno == EAGAIN)
			poll(&pfd, 1, -1);
		else if (errno == ETOOMANYREFS || errno == ENOBUFS)
			poll(NULL, 0, RETRY_MS);
		else
			reader->deaf = true;
	}
}

/* Whoever watches files wants to know them, also of what is refused. */
static void
say_sources(struct reader *reader, const struct settings *settings)
{
	struct pollfd pfd = { .fd = CHILD_CHANNEL_FD, .events = POLLOUT };
	uint32_t i = 0;

	while (!reader->deaf && i < settings->source_count) {
		const char *source = settings->sources[i];

		if (msg_send(CHILD_CHANNEL_FD, MSG_SOURCE, reader->generation,
			NULL, source, strlen(source) + 1, -1) == 0 ||
		    errno == EMSGSIZE)
			i++;
		else if (errno != EAGAIN && errno != ENOBUFS)
			reader->deaf = true;
		else
			poll(&pfd, 1, RETRY_MS);
	}
}

static void
on_problem(void *arg, const struct problem *problem)
{
	struct reader *reader = arg;
	struct pollfd pfd = { .fd = CHILD_CHANNEL_FD, .events = POLLOUT };
	const uint32_t place[4] = { (uint32_t)problem->level, problem->line };
	char payload[MSG_PAYLOAD_MAX];
	size_t length = msg_problem(payload, problem->file, problem->text);

	while (!reader->deaf &&
	    msg_send(CHILD_CHANNEL_FD, MSG_PROBLEM, reader->generation, place,
		payload, length, -1) == -1) {
		if (errno != EAGAIN && errno != ENOBUFS)
			reader->deaf = true;
		else
			poll(&pfd, 1, RETRY_MS);
	}
}

static void
say_prepared(struct reader *reader, int bundle,
    const struct plugin_files *files, const struct secret_files *secrets)
{
	say(reader, MSG_BUNDLE, 0, bundle);
	for (uint32_t i = 0; i < files->count; i++)
		say(reader, MSG_IMAGE, i, files->images[i].fd);
	for (uint32_t i = 0; i < secrets->count; i++)
		say(reader, MSG_SECRET, i, secrets->fds[i]);
	say(reader, MSG_PREPARED, 0, -1);
}

/* All that can be said without running plugin code. */
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
		secret_files_open(settings, problems, &secrets);
		say_sources(reader, settings);
	}
	if (problems->errors == 0) {
		bundle = bundle_write(settings, &err);
		if (bundle == -1)
			problem_error(problems, NULL, "%s", err.text);
	}
	if (problems->errors > 0) {
		say(reader, MSG_REFUSED, 0, -1);
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

/* What to read.  -1: the master did not say. */
static int
receive_hello(struct reader *reader)
{
	struct pollfd pfd = { .fd = CHILD_CHANNEL_FD, .events = POLLIN };
	struct msg msg;
	int result;

	while ((result = msg_recv(CHILD_CHANNEL_FD, &msg)) == -1 &&
	    errno == EAGAIN)
		poll(&pfd, 1, -1);
	if (result != 1)
		return -1;
	if (msg.fd != -1)
		close(msg.fd);
	if (msg.type != MSG_HELLO || msg.length < sizeof(reader->hello))
		return -1;
	memcpy(&reader->hello, msg.payload, sizeof(reader->hello));
	if (reader->hello.config_length > msg.length - sizeof(reader->hello))
		return -1;
	reader->generation = msg.generation;
	reader->config = strndup(msg.payload + sizeof(reader->hello),
	    reader->hello.config_length);
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
	struct problems problems = { .on_problem = on_problem, .arg = &reader };

	/* Nobody waits for an answer when the master is gone. */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (receive_hello(&reader) == -1) {
		log_errorx("the master did not say what to read");
		return EXIT_FAILURE;
	}
	/* It may have gone before we asked for that. */
	if ((uint32_t)getppid() != reader.hello.master_pid) {
		free(reader.config);
		return EXIT_FAILURE;
	}
	raise_descriptor_limit();
	read_all(&reader, &problems);
	problems_done(&problems);
	free(reader.config);
	return reader.deaf ? EXIT_FAILURE : EXIT_SUCCESS;
}
