/*
 * inherited.h: listening sockets from systemd: LISTEN_FDS, LISTEN_FDNAMES,
 * LISTEN_PID.
 */

#ifndef SLUICE_MASTER_INHERITED_H
#define SLUICE_MASTER_INHERITED_H

struct error;

struct inherited {
	unsigned int count;
	struct inherited_socket {
		int fd;
		char *name;
	} * sockets;
};

/*
 * Take what is for us, and these variables out of the environment; close all
 * other descriptors above 2.  0, or -1: no memory.
 */
int inherited_take(struct inherited *ret);
void inherited_done(struct inherited *inherited);

unsigned int inherited_count(const struct inherited *inherited,
    const char *name);

/*
 * Number `number` of that name, borrowed; -1: none, or not a listening stream
 * socket.
 */
int inherited_fd(const struct inherited *inherited, const char *name,
    unsigned int number, struct error *err);

#endif
