/*
 * conduct.h: checks what the constructors of an image have done to the process:
 * whether they closed descriptors that are not their own, changed signals, or
 * forked.  For the probe, where nothing else runs.
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
	int spare[2]; /* copies of the descriptors to the master */
	struct conduct_file *files; /* owned: the open descriptors */
	uint32_t file_count;
	struct sigaction actions[_NSIG];
	sigset_t mask;
};

/* Once, before anything is loaded.  Returns 0, or -1 with err. */
int conduct_init(struct conduct *conduct, struct error *err);
void conduct_done(struct conduct *conduct);

/* Note the state before an image is loaded.  Returns 0, or -1 with err. */
int conduct_note(struct conduct *conduct, struct error *err);

/*
 * Compare with the noted state, after the image was loaded or could not be
 * loaded.  `closed` is its descriptor if it could not be loaded, else -1.
 * Returns 0, or -1 with what the image did in err: "its constructor ...".
 * After -1 the master can hear us again, no child is left, and the process
 * should end.  In a child that a constructor forked, this does not return.
 */
int conduct_check(struct conduct *conduct, int closed, struct error *err);

#endif
