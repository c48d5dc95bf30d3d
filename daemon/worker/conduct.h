/*
 * conduct.h: what code that was just loaded has done to the process: to
 * descriptors that are not its own, to signals, and whether it forked.  For
 * the probe, where nothing else runs.
 */

#ifndef SLUICE_CONDUCT_H
#define SLUICE_CONDUCT_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct error;

struct conduct_file {
	int fd;
	dev_t dev;
	ino_t ino;
};

struct conduct {
	pid_t pid;
	int spare[2]; /* what joins us to the master, again, out of the way */
	struct conduct_file *files; /* owned: what is open */
	uint32_t file_count;
	struct sigaction actions[_NSIG];
	sigset_t mask;
};

/* Once, before anything is loaded.  0, or -1 with err. */
int conduct_init(struct conduct *conduct, struct error *err);
void conduct_done(struct conduct *conduct);

/* How things are, before an image is loaded.  0, or -1 with err. */
int conduct_note(struct conduct *conduct, struct error *err);

/*
 * After it was loaded, or failed to, in which case `closed` is its descriptor,
 * else -1.  0, or -1 with what it did in err: "its constructor ...".  Then the
 * master hears us again, no child is left, and the process should end.  In
 * a child that the constructor forked this does not return.
 */
int conduct_check(struct conduct *conduct, int closed, struct error *err);

#endif
