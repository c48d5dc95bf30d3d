/*
 * trial.c: `sluiced --child trial FILE`: the binary that would take over says
 * so, and checks the configuration as `sluiced -t` does.
 */

#include <stdio.h>
#include <stdlib.h>

#include "base/libc_data.h"
#include "base/roles.h"
#include "master/handover.h"
#include "master/master.h"
#include "master/upgrade_trial.h"

int
trial_main(const char *config)
{
	printf(TRIAL_FIRST "%d: sluiced " PACKAGE_VERSION "\n",
	    HANDOVER_FORMAT);
	fflush(stdout);
	if (check_main(config, false) != EXIT_SUCCESS)
		return EXIT_FAILURE;
	puts(TRIAL_LAST);
	return fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
