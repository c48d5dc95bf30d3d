/*
 * shm_fixture.h: a master and some workers that share memory, all in this
 * process.  Each program includes it once.
 */

#ifndef SLUICE_TESTS_SHM_FIXTURE_H
#define SLUICE_TESTS_SHM_FIXTURE_H

#include <check.h>

#include "ipc/shm.h"

#define WORKERS 4

static struct shm *master, *worker[WORKERS];

static inline int
row_fd(unsigned int of)
{
	uint32_t serial;

	return shm_row_fd(master, of, &serial);
}

/* What the master does for a new process, before it shows the row to others. */
static inline void
start(unsigned int i)
{
	ck_assert_int_eq(shm_begin_row(master, i), 0);
	worker[i] = shm_map(WORKERS, shm_head_fd(master), i, row_fd(i));
	ck_assert_ptr_nonnull(worker[i]);
	ck_assert(shm_row_sealed(master, i));
	shm_give_slot(master, i, 7);
	shm_give_slot(master, i, 8);
}

static inline void
see(unsigned int to, unsigned int of)
{
	uint32_t serial;
	int fd = shm_row_fd(master, of, &serial);

	ck_assert_int_eq(shm_see_row(worker[to], of, serial, fd), 0);
}

static inline void
show(unsigned int of)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		if (i != of && worker[i] != NULL)
			see(i, of);
	shm_show_row(master, of);
}

static inline void
make(void)
{
	master = shm_new(WORKERS);
	ck_assert_ptr_nonnull(master);
	for (unsigned int i = 0; i < WORKERS; i++)
		start(i);
	for (unsigned int i = 0; i < WORKERS; i++)
		show(i);
	for (unsigned int i = 0; i < WORKERS; i++)
		ck_assert(shm_ready(worker[i]));
}

static inline void
die(unsigned int i)
{
	shm_free(worker[i]);
	worker[i] = NULL;
	shm_end_row(master, i);
}

static inline void
unmake(void)
{
	for (unsigned int i = 0; i < WORKERS; i++)
		shm_free(worker[i]);
	shm_free(master);
}

#endif
