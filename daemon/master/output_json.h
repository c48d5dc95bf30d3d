/*
 * output_json.h: what plugins print, for a log of objects: each line of it becomes
 * an object, with the role "output".
 */

#ifndef SLUICE_MASTER_OUTPUT_JSON_H
#define SLUICE_MASTER_OUTPUT_JSON_H

#include "base/log.h"

/* In the master, before it forks that process.  0 or -1. */
int output_json_init(void);

/*
 * As output_relay(): copy from a descriptor to standard output until its end or
 * an error.
 */
void output_json_relay(int from);

/* In the master: a reload has changed the format. */
void output_json_format(enum log_format format);

#endif
