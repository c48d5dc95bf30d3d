/* usage.h: what sluicectl says about its command line. */

#ifndef SLUICE_CTL_USAGE_H
#define SLUICE_CTL_USAGE_H

#include <stdio.h>

#include "ipc/control_words.h"

/* All commands. */
void usage_print(FILE *out);
/* These, and the options of all of them, on standard output. */
void usage_help(void);
/* One command. */
void usage_print_command(FILE *out, enum control_command command);
/* On standard error: there is no such command, and which was meant, perhaps. */
void usage_unknown(const char *name);

#endif
