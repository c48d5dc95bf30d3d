/*
 * packet.h: messages over a SOCK_SEQPACKET pair: one in each packet, with at
 * most one descriptor.
 */

#ifndef SLUICE_PACKET_H
#define SLUICE_PACKET_H

struct error;
struct msg;
struct packet;

/*
 * Send one.  A child gets its end blocking, so a simple child may just send and
 * receive; on a non-blocking one -1 with EAGAIN means: try again when writable.
 * Returns 0, or -1 with errno (ETOOMANYREFS: too many descriptors are under
 * way; or as msg_encode()).
 */
int packet_send(int channel, const struct msg *msg);
/* The same for an encoded message; fd is borrowed, -1: none. */
int packet_put(int channel, const struct packet *packet, int fd);

/*
 * Receive one into room, where its texts are.  Returns 1; 0 at end of file; -1
 * with errno: EAGAIN, or EBADMSG for what is not a valid message (already
 * dropped, with its descriptors), and err says why.  A message whose descriptor
 * has no room in this process comes without it.
 */
int packet_recv(int channel, struct packet *room, struct msg *ret,
    struct error *err);

#endif
