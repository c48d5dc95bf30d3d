/*
 * describe.c: `sluiced --describe`.  The file is opened here, with the rights
 * of whoever asks; its code runs in a child that has none.
 */

#include <event2/event.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/escape.h"
#include "base/libc_data.h"
#include "base/log.h"
#include "base/log_line.h"
#include "base/open_file.h"
#include "base/standard.h"
#include "base/title.h"
#include "image/image.h"
#include "image/libraries.h"
#include "ipc/msg.h"
#include "master/build.h"
#include "master/child.h"
#include "master/inherited.h"
#include "master/master.h"
#include "master/output.h"
#include "master/premises.h"

struct describe {
	struct event_base *base;
	const char *path;
	bool told; /* it has said what is wrong */
	bool good;
};

static void
on_message(void *arg, struct msg *msg)
{
	struct describe *describe = arg;
	char plain[LOG_MESSAGE_MAX];

	if (msg->type == MSG_PREPARED) {
		describe->good = true;
	} else if (msg->type == MSG_PROBLEM) {
		fprintf(stderr, "sluiced: %s\n",
		    escape_text(msg->problem.text, plain, sizeof(plain)));
		describe->told = true;
	}
}

static void
on_gone(void *arg, const char *how, bool clean)
{
	struct describe *describe = arg;

	describe->good = describe->good && clean;
	if (!describe->good && !describe->told)
		fprintf(stderr, "sluiced: %s: the process that loaded it %s\n",
		    describe->path, how);
	event_base_loopbreak(describe->base);
}

static const struct child_ops child_ops = {
	.on_message = on_message,
	.on_gone = on_gone,
};

/* The user that the child becomes: describing a plugin needs no rights. */
static int
find_nobody(struct hello *hello, struct error *err)
{
	const struct passwd *nobody;

	hello->uid = hello->gid = (uint32_t)-1;
	if (geteuid() != 0)
		return 0;
	nobody = getpwnam("nobody");
	if (nobody == NULL)
		return error_set(err,
		    "cannot load it: there is no user \"nobody\" to run "
		    "it as");
	hello->uid = nobody->pw_uid;
	hello->gid = nobody->pw_gid;
	return 0;
}

static int
open_library(void *arg, const char *path, struct error *err)
{
	int file = open_file(AT_FDCWD, path, 0);

	(void)arg;
	return file != -1 ? file : error_sys(err, "%s", path);
}

static const struct library_ops library_ops = { .open = open_library };

/* The file, and the libraries that belong to it. */
static int
open_plugin(const char *path, struct image *image, struct libraries *libraries,
    struct error *err)
{
	int file = open_library(NULL, path, err), result = -1;

	if (file == -1)
		return -1;
	if (image_copy(file, path, image, err) == 0) {
		result = libraries_find(path, file, image, &library_ops, NULL,
		    libraries, err);
		if (result == -1)
			image_close(image);
	}
	close(file);
	return result;
}

/* If sending fails the child is dead already, and its end says why. */
static void
send_parts(struct child *child, const char *path, const struct image *image,
    const struct libraries *libraries)
{
	for (uint32_t i = 0; i < libraries->count; i++)
		child_send(child,
		    &(struct msg){
			.type = MSG_FILE,
			.fd = libraries->list[i].image.fd,
			.file.is_library = true,
			.file.name = libraries->list[i].name,
			.file.path = libraries->list[i].path,
		    });
	child_send(child,
	    &(struct msg){
		.type = MSG_FILE,
		.fd = image->fd,
		.file.path = path,
	    });
}

static int
run(struct describe *describe, struct children *children, bool json,
    struct error *err)
{
	struct hello hello = { .json = json };
	struct libraries libraries = { 0 };
	struct child *child = NULL;
	struct image image;
	int result = -1;

	if (open_plugin(describe->path, &image, &libraries, err) == -1)
		return -1;
	if (find_nobody(&hello, err) == -1)
		goto out;
	child = child_spawn(children, "describe", &hello, -1, &child_ops,
	    describe, err);
	if (child == NULL)
		goto out;
	child_deadline(child, PROBE_MS);
	send_parts(child, describe->path, &image, &libraries);
	event_base_dispatch(describe->base);
	result = 0;
out:
	libraries_done(&libraries);
	image_close(&image);
	return result;
}

int
describe_file(const char *path, bool json, bool verbose)
{
	struct describe describe = { .path = path };
	struct children *children = NULL;
	struct inherited inherited;
	struct error err;

	title_set("describe %s", path);
	if (inherited_take(&inherited) == -1)
		return EXIT_FAILURE;
	output_append();
	log_init("master");
	if (premises_check(&err) == -1) {
		fprintf(stderr, "sluiced: %s\n", err.text);
		inherited_done(&inherited);
		return EXIT_FAILURE;
	}
	describe.base = master_base();
	if (describe.base != NULL)
		children = children_new(describe.base);
	if (children != NULL) {
		if (verbose)
			children_verbose(children);
		if (run(&describe, children, json, &err) == -1)
			fprintf(stderr, "sluiced: %s\n", err.text);
	}
	children_free(children);
	if (describe.base != NULL)
		event_base_free(describe.base);
	inherited_done(&inherited);
	/* The child has printed, and knows only of its own errors. */
	if (!describe.good || standard_printed("sluiced") == -1)
		return EXIT_FAILURE;
	return EXIT_SUCCESS;
}
