/*
 * master.h: what sluiced does when it is not a child of itself.  Each returns
 * the exit status.
 */

#ifndef SLUICE_MASTER_H
#define SLUICE_MASTER_H

#include <stdbool.h>

struct event_base;

/* Supervise until told to stop. */
int master_main(const char *config, bool verbose, bool watch);

/*
 * -t: read and try the configuration, print what is wrong with it, and a
 * verdict.
 */
int check_main(const char *config, bool verbose);

/* The same for a binary that would take over: see upgrade_trial.h. */
int trial_main(const char *config);

/* --describe: have a child print what a plugin says of itself. */
int describe_file(const char *path, bool json, bool verbose);

/* Our kind of event base; NULL: the reason was logged. */
struct event_base *master_base(void);

#endif
