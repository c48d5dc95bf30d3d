/*
 * output.h: standard output and standard error, for a child and for who has
 * children: what they write, and that they can do no more than write.
 */

#ifndef SLUICE_MASTER_OUTPUT_H
#define SLUICE_MASTER_OUTPUT_H

#include <stdbool.h>

/*
 * Must a process stand between a child and what the descriptor is?  Before a
 * terminal, which whoever has it can set up; and where it could not be had to
 * write only and for itself: a socket, such as the journal's, which one could
 * shut down for all.
 */
bool output_needs_relay(int fd);

/*
 * In a child: nothing to read as 0, and 1 and 2 to write only.  relays, by
 * number: what to write to instead, or -1.  0 or -1.
 */
int output_place(const int relays[3]);

/*
 * Copy what comes from a descriptor to standard output, until nothing more can
 * come.
 */
void output_relay(int from);

/*
 * A daemon or a command shares files with its children and with whoever started
 * it: from here on all of it goes to the end, and at exit the next one
 * continues there.
 */
void output_append(void);

#endif
