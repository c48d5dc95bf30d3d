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

void
workers_hand_over(const struct workers *workers, const struct bygones *bygones,
    struct handover *handover)
{
	const struct worker_row *row;

	pack_u32(&handover->packer,
	    workers_alive(workers) + bygones_count(bygones));
	bygones_hand_over(bygones, handover);
	for (uint32_t i = 0; i < workers->places; i++) {
		row = &workers->row[i];
		if (row->child != NULL)
			bygone_hand_over(handover, row->number, row->pid,
			    child_channel_fd(row->child));
	}
}

void
workers_hand_over_numbers(const struct workers *workers,
    struct handover *handover)
{
	pack_u64(&handover->packer, shm_ids_given(workers->shm));
	handover_fd(handover, tickets_fd(workers->tickets));
}

void
workers_take_over(struct workers *workers, struct taken *taken)
{
	int fd;

	shm_skip_ids(workers->shm, unpack_u64(&taken->unpacker));
	fd = taken_fd(taken);
	if (fd == -1)
		return;
	tickets_take_over(workers->tickets, fd);
	close(fd);
}
