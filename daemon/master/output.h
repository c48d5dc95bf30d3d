/*
 * output.h: standard output and standard error of a process and its children,
 * so that the children can only write to them.
 */

#ifndef SLUICE_MASTER_OUTPUT_H
#define SLUICE_MASTER_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Does a child need a relay process in front of this descriptor?  Yes for a
 * terminal, since whoever has it can change its settings, and for a socket,
 * such as the journal's, which one process could shut down for all.
 */
bool output_needs_relay(int fd);

/*
 * Open what a descriptor leads to once more, to write to: O_NONBLOCK, for
 * example, belongs to the open file, and a plugin may set it.  -1: errno.
 */
int output_open_anew(int fd);

/*
 * In a child: make 0 empty, and 1 and 2 write-only.  relays, by number: what to
 * write to instead, or -1.  0 or -1.
 */
int output_place(const int relays[3]);

/* Write all of it to standard output.  0, or -1: the other end is gone. */
int output_show(const char *bytes, size_t length);

/*
 * Copy what comes from a descriptor to standard output, until its end or an
 * error.
 */
void output_relay(int from);

/*
 * If standard output or error is a file, it is shared with our children and
 * with whoever started us.  From now on all writes go to the end of the file,
 * and at exit the shared offset is moved there, so that whoever writes next
 * continues there.
 */
void output_append(void);

#endif
