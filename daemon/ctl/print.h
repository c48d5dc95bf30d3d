/* print.h: the daemon's answers as text for people. */

#ifndef SLUICE_CTL_PRINT_H
#define SLUICE_CTL_PRINT_H

#include <jansson.h>

#include "ipc/control_words.h"

/* A good answer; what is wrong in it goes to stderr. */
void print_answer(enum control_command command, const json_t *answer);

/* print_status.c: that of `status`, for print_answer(). */
void print_status(const json_t *answer);

/* The sentence of a bad one, or its lines, to stderr. */
void print_failure(const json_t *answer);

#endif
