/* hello.h: the first thing a child hears. */

#ifndef SLUICE_HELLO_H
#define SLUICE_HELLO_H

struct answers;
struct hello;

/*
 * Wait for MSG_HELLO on the (blocking) channel, and open the way to answer.
 * ret_fd, unless NULL, gets its descriptor, owned, or -1.  0, or -1: said in
 * the log unless the master is simply gone.
 */
int hello_receive(struct hello *ret, int *ret_fd, struct answers **ret_answers);

#endif
