/*
 * workers_upgrade.c: workers go over to the next program as processes that it
 * has not started: see bygones.h.
 */

#include <unistd.h>

#include "ipc/shm.h"
#include "master/bygones.h"
#include "master/child.h"
#include "master/handover.h"
#include "master/tickets.h"
#include "master/worker_row.h"
#include "master/workers.h"

/* One that has nothing to serve sees its channel end, and leaves. */
static bool
goes_over(const struct worker_row *row)
{
	return row->child != NULL && row->state != WORKER_IDLE;
}

static void
hand_over_dying(void *arg, uint32_t number, pid_t pid)
{
	bygone_hand_over_dying(arg, number, pid);
}

void
workers_hand_over(const struct workers *workers, const struct bygones *bygones,
    struct handover *handover)
{
	const struct worker_row *row;

	bygones_hand_over(bygones, handover);
	for (uint32_t i = 0; workers != NULL && i < workers->places; i++) {
		row = &workers->row[i];
		if (goes_over(row))
			bygone_hand_over(handover, row->number, row->pid,
			    child_channel_fd(row->child),
			    shm_worker_connections(workers->shm, i));
	}
	if (workers != NULL)
		workers_each_dying(workers, hand_over_dying, handover);
	bygones_hand_over_end(handover);
}

void
workers_hand_over_numbers(const struct workers *workers,
    struct handover *handover)
{
	pack_u64(&handover->packer, shm_ids_given(workers->shm));
	handover_fd(handover, tickets_fd(workers->tickets));
}

void
workers_pass_on_numbers(struct taken *taken, struct handover *handover)
{
	pack_u64(&handover->packer, unpack_u64(&taken->unpacker));
	handover_fd(handover, taken_fd(taken));
}

void
workers_take_over(struct workers *workers, struct taken *taken)
{
	int fd;

	shm_skip_ids(workers->shm, unpack_u64(&taken->unpacker));
	fd = taken_fd(taken);
	if (fd != -1)
		tickets_take_over(workers->tickets, fd);
}

void
workers_close_numbers(struct taken *taken)
{
	int fd;

	unpack_u64(&taken->unpacker); /* the ids */
	fd = taken_fd(taken);
	if (fd != -1)
		close(fd);
}
