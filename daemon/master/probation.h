/*
 * probation.h: counts the crashes of a new generation, and remembers the one
 * that was rolled back.
 */

#ifndef SLUICE_MASTER_PROBATION_H
#define SLUICE_MASTER_PROBATION_H

#include <stdbool.h>
#include <stdint.h>

struct gen;

#define PROBATION_CRASHES 3 /* this many are too many */

struct probation {
	uint64_t length_ms;
	uint64_t begun_ms; /* of the monotonic clock */
	unsigned int crashes;
	bool on;
	int refused; /* the bundle of the one that was rolled back; -1: none */
	uint32_t refused_number;
};

void probation_init(struct probation *probation);
void probation_done(struct probation *probation);

/* A generation begins its service; length_ms 0: without probation. */
void probation_begin(struct probation *probation, uint64_t length_ms);
void probation_end(struct probation *probation);
/* It goes on, and crashes until now no longer count. */
void probation_go_on(struct probation *probation);

/*
 * It crashed once more.  Returns true when that was too often; the probation is
 * then over.
 */
bool probation_crash(struct probation *probation);

/* Remember that this one was rolled back, in place of an earlier one. */
void probation_remember(struct probation *probation, const struct gen *gen);
void probation_forget(struct probation *probation);
/* Is it the same as the one rolled back, byte for byte, images included? */
bool probation_knows(const struct probation *probation, const struct gen *gen);
/* Are these two the same? */
bool probation_same(const struct gen *a, const struct gen *b);

#endif
