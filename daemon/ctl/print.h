/* print.h: the daemon's answers as text for people. */

#ifndef SLUICE_CTL_PRINT_H
#define SLUICE_CTL_PRINT_H

#include <jansson.h>
#include <stdint.h>

#include "ipc/control_words.h"

/* A good answer; what is wrong in it goes to stderr. */
void print_answer(enum control_command command, const json_t *answer);

/* print_status.c: that of `status`, for print_answer(). */
void print_status(const json_t *answer);
/* What was counted between two of them, by the second. */
void print_rates(const json_t *before, const json_t *after, uint64_t ms);

/* The sentence of a bad one, or its lines, to stderr. */
void print_failure(const json_t *answer);

#endif
