/* run.h: what was asked for on the command line, and its answer. */

#ifndef SLUICE_CTL_RUN_H
#define SLUICE_CTL_RUN_H

#include <stdbool.h>

#include "ipc/control_client.h"

#define EXIT_REFUSED 1
#define EXIT_USAGE 2
#define EXIT_UNREACHED 3
/* Of `diff`, as diff(1) has them; it has no other use for 1. */
#define EXIT_DIFFERS 1
#define EXIT_TROUBLE 2

struct call {
	struct control_request request;
	bool json;
	bool rates; /* of status and conns: those of a second */
};

/* Ask, and print the answer.  Returns the exit status. */
int run_call(const struct call *call);

#endif
