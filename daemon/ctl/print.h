/* print.h: the daemon's answers as text for people. */

#ifndef SLUICE_CTL_PRINT_H
#define SLUICE_CTL_PRINT_H

#include <jansson.h>
#include <stdint.h>

#include "ipc/control_client.h"

/* Print a good answer; problems in it go to stderr. */
void print_answer(const struct control_request *request, const json_t *answer);

/* print_status.c: prints the answer to `status`, for print_answer(). */
void print_status(const json_t *answer);
/* Print what was counted between two answers, per second. */
void print_rates(const json_t *before, const json_t *after, uint64_t ms);

/* print_peers.c: tables of it, or nothing. */
void print_connectors(const json_t *connectors);
void print_upstreams(const json_t *answer);

/* print_config.c: the same for `config`: as a configuration. */
void print_config(const json_t *answer);

/* print_conns.c: the same for `conns` and `kill`. */
void print_conns(const json_t *answer);
void print_kill(const json_t *answer);

/* print_events.c: one line of the answer to `events`, but for the first. */
void print_event(const json_t *event);

/* Print the error of a bad answer, one line or several, to stderr. */
void print_failure(const json_t *answer);

#endif
