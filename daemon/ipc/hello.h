/* hello.h: the first message that a child gets from the master. */

#ifndef SLUICE_HELLO_H
#define SLUICE_HELLO_H

struct answers;
struct hello;

/*
 * Wait for MSG_HELLO on the (blocking) channel, and open the way to answer.
 * ret_fd, unless NULL, gets its descriptor, owned, or -1.  Returns 0, or -1;
 * that is logged, unless the master is simply gone.
 */
int hello_receive(struct hello *ret, int *ret_fd, struct answers **ret_answers);

#endif
