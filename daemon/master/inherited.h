/*
 * inherited.h: listening sockets from systemd: LISTEN_FDS, LISTEN_FDNAMES,
 * LISTEN_PID.
 */

#ifndef SLUICE_MASTER_INHERITED_H
#define SLUICE_MASTER_INHERITED_H

struct error;
struct handover;
struct taken;

struct inherited {
	unsigned int count;
	struct inherited_socket {
		int fd;
		char *name;
	} * sockets;
};

/*
 * Take the sockets that are for us, remove these variables from the
 * environment, and close all other descriptors above 2.  0, or -1: no memory.
 */
int inherited_take(struct inherited *ret);
/* The same over an upgrade: pack them, and take them in place of the above. */
void inherited_hand_over(const struct inherited *inherited,
    struct handover *handover);
int inherited_take_over(struct inherited *ret, struct taken *taken);
void inherited_done(struct inherited *inherited);

unsigned int inherited_count(const struct inherited *inherited,
    const char *name);

/*
 * The socket with number `number` among those of that name, borrowed; -1: there
 * is none, or it is not a listening stream socket.
 */
int inherited_fd(const struct inherited *inherited, const char *name,
    unsigned int number, struct error *err);

#endif
