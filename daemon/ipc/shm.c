/*
 * shm.c: who maps what, and how rows come and go.  No process waits for
 * another: there is no lock, and each word has one writer.
 *
 * F_SEAL_FUTURE_WRITE keeps others from writing.  Mappings that exist stay
 * writable, but there can be no new writable one, and no write(2), even if the
 * file is opened anew.  The size is sealed from the beginning: a file that is
 * cut short kills the processes that have it mapped.
 */

#include "ipc/shm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memfd.h"
#include "ipc/shm_internal.h"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010 /* Linux 5.1 */
#endif

#define SIZE_SEALS (F_SEAL_SHRINK | F_SEAL_GROW)
#define OWNER_SEALS (F_SEAL_FUTURE_WRITE | F_SEAL_SEAL)

static const struct board_row empty_row;

static bool
has_seals(int fd, int wanted)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return seals != -1 && (seals & wanted) == wanted;
}

/* Of fixed size, full of zeros.  -1: errno. */
static int
make_file(const char *name, size_t size)
{
	int fd = memfd_new(name, false), saved;

	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)size) == 0 &&
	    fcntl(fd, F_ADD_SEALS, SIZE_SEALS) == 0)
		return fd;
	saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

/* NULL: errno. */
static void *
map_file(int fd, size_t size, int protection)
{
	struct stat st;
	void *memory;

	if (fstat(fd, &st) == -1 || (size_t)st.st_size != size ||
	    !has_seals(fd, SIZE_SEALS)) {
		errno = EINVAL;
		return NULL;
	}
	memory = mmap(NULL, size, protection, MAP_SHARED, fd, 0);
	return memory == MAP_FAILED ? NULL : memory;
}

static struct shm *
new_shm(unsigned int workers)
{
	struct shm *shm;

	if (workers == 0 || workers > SHM_PLACES_MAX) {
		errno = EINVAL;
		return NULL;
	}
	shm = calloc(1, sizeof(*shm) + workers * sizeof(shm->view[0]));
	if (shm == NULL)
		return NULL;
	shm->workers = shm->own = workers;
	shm->head_fd = -1;
	for (unsigned int i = 0; i < workers; i++)
		shm->view[i].fd = -1;
	return shm;
}

uint64_t
shm_ids_given(const struct shm *shm)
{
	return shm->offered;
}

void
shm_skip_ids(struct shm *shm, uint64_t first)
{
	if (first > shm->offered)
		shm->offered = first;
}

struct shm *
shm_new(unsigned int workers)
{
	struct shm *shm = new_shm(workers);
	int saved;

	if (shm == NULL)
		return NULL;
	shm->offered = 1;
	ticks_mark(&shm->mark);
	shm->retired = calloc(LISTENERS_MAX, sizeof(*shm->retired));
	shm->head_fd = make_file("sluice-head", sizeof(*shm->head));
	if (shm->head_fd != -1)
		shm->head = map_file(shm->head_fd, sizeof(*shm->head),
		    PROT_READ | PROT_WRITE);
	if (shm->head != NULL && shm->retired != NULL &&
	    fcntl(shm->head_fd, F_ADD_SEALS, OWNER_SEALS) == 0 &&
	    getrandom(shm->head->secret, sizeof(shm->head->secret), 0) ==
		(ssize_t)sizeof(shm->head->secret))
		return shm;
	saved = errno;
	shm_free(shm);
	errno = saved;
	return NULL;
}

struct shm *
shm_map(unsigned int workers, int head, unsigned int own, int row)
{
	struct shm *shm = own < workers ? new_shm(workers) : NULL;
	int saved;

	if (shm == NULL) {
		errno = EINVAL;
		return NULL;
	}
	shm->own = own;
	shm->used = own + 1;
	shm->head = map_file(head, sizeof(*shm->head), PROT_READ);
	if (shm->head != NULL)
		shm->own_row = map_file(row, sizeof(*shm->own_row),
		    PROT_READ | PROT_WRITE);
	shm->view[own].row = shm->own_row;
	/*
	 * A process that a plugin forks is not this worker, and must not write
	 * here.
	 */
	if (shm->own_row != NULL &&
	    madvise(shm->own_row, sizeof(*shm->own_row), MADV_DONTFORK) == 0 &&
	    fcntl(row, F_ADD_SEALS, OWNER_SEALS) == 0)
		return shm;
	saved = errno;
	shm_free(shm);
	errno = saved;
	return NULL;
}

/* There will be a row of that worker. */
static void
use(struct shm *shm, unsigned int worker)
{
	if (shm->used <= worker)
		shm->used = worker + 1;
}

static void
drop_view(struct shm_view *view)
{
	if (view->row != NULL)
		munmap(view->row, sizeof(*view->row));
	if (view->fd != -1)
		close(view->fd);
	view->row = NULL;
	view->fd = -1;
}

void
shm_free(struct shm *shm)
{
	if (shm == NULL)
		return;
	for (unsigned int i = 0; i < shm->workers; i++)
		drop_view(&shm->view[i]);
	if (shm->head != NULL)
		munmap(shm->head, sizeof(*shm->head));
	if (shm->head_fd != -1)
		close(shm->head_fd);
	free(shm->retired);
	upstreams_free(&shm->retired_upstreams);
	free(shm);
}

int
shm_head_fd(const struct shm *shm)
{
	return shm->head_fd;
}

static void
change(struct shm *shm, _Atomic uint32_t *word, uint32_t value)
{
	atomic_store(word, value);
	atomic_fetch_add(&shm->head->changes, 1);
}

/* Replace an offer, since it is not known whether it was used. */
static void
offer(struct shm *shm, unsigned int worker)
{
	atomic_store(&shm->head->offer[worker], shm->offered);
	shm->offered += SHM_ID_BLOCK;
}

int
shm_begin_row(struct shm *shm, unsigned int worker)
{
	struct shm_view *view = &shm->view[worker];
	int saved;

	use(shm, worker);
	drop_view(view);
	view->fd = make_file("sluice-row", sizeof(*view->row));
	if (view->fd == -1)
		return -1;
	view->row = map_file(view->fd, sizeof(*view->row), PROT_READ);
	if (view->row == NULL) {
		saved = errno;
		drop_view(view);
		errno = saved;
		return -1;
	}
	view->serial++;
	/*
	 * Measured only once: sums of ticks become time by it, and must not
	 * fall.
	 */
	if (atomic_load(&shm->head->tick_scale) == 0)
		atomic_store(&shm->head->tick_scale, ticks_measure(&shm->mark));
	offer(shm, worker);
	return 0;
}

int
shm_row_fd(const struct shm *shm, unsigned int worker, uint32_t *ret_serial)
{
	*ret_serial = shm->view[worker].serial;
	return shm->view[worker].fd;
}

bool
shm_row_sealed(const struct shm *shm, unsigned int worker)
{
	return has_seals(shm->view[worker].fd, SIZE_SEALS | OWNER_SEALS);
}

void
shm_show_row(struct shm *shm, unsigned int worker)
{
	change(shm, &shm->head->shown[worker], shm->view[worker].serial);
}

void
shm_end_row(struct shm *shm, unsigned int worker)
{
	shm_retire(shm, worker);
	upstreams_retire(shm, worker);
	drop_view(&shm->view[worker]);
	memset(shm->head->given[worker], 0, sizeof(shm->head->given[worker]));
	change(shm, &shm->head->ended[worker], shm->view[worker].serial);
}

void
shm_give_slot(struct shm *shm, unsigned int worker, unsigned int slot)
{
	if (worker < shm->workers && slot < LISTENERS_MAX)
		atomic_fetch_or(&shm->head->given[worker][slot / 32],
		    UINT32_C(1) << slot % 32);
}

bool
shm_slot_given(const struct shm *shm, unsigned int worker, unsigned int slot)
{
	uint32_t bits = atomic_load_explicit(
	    &shm->head->given[worker][slot / 32], memory_order_relaxed);

	return (bits & UINT32_C(1) << slot % 32) != 0;
}

void
shm_take_slot(struct shm *shm, unsigned int slot)
{
	if (slot >= LISTENERS_MAX)
		return;
	shm_begin_tenancy(shm, slot);
	for (unsigned int i = 0; i < shm->workers; i++)
		atomic_fetch_and(&shm->head->given[i][slot / 32],
		    ~(UINT32_C(1) << slot % 32));
}

void
shm_offer_ids(struct shm *shm)
{
	for (unsigned int i = 0; i < shm->used; i++)
		if (shm->view[i].row != NULL &&
		    atomic_load(&shm->view[i].row->taken) ==
			atomic_load(&shm->head->offer[i]))
			offer(shm, i);
}

int
shm_see_row(struct shm *shm, unsigned int worker, uint32_t serial, int fd)
{
	struct shm_view *view;

	if (worker >= shm->workers || worker == shm->own) {
		errno = EINVAL;
		return -1;
	}
	use(shm, worker);
	view = &shm->view[worker];
	drop_view(view); /* of a process that is dead */
	view->serial = serial;
	view->row = map_file(fd, sizeof(*view->row), PROT_READ);
	return view->row != NULL ? 0 : -1;
}

/*
 * Release the rows of dead processes.  Returns whether all rows that count are
 * here.
 */
static bool
refresh(struct shm *shm)
{
	/* Read first: any later change makes us look again. */
	uint32_t changes = atomic_load(&shm->head->changes), shown, ended, i;
	struct shm_view *view;

	for (i = 0; i < shm->workers; i++) {
		view = &shm->view[i];
		if (i == shm->own)
			continue;
		ended = atomic_load(&shm->head->ended[i]);
		shown = atomic_load(&shm->head->shown[i]);
		if (view->serial <= ended)
			drop_view(view);
		if (shown > ended && shown > view->serial)
			return false;
	}
	shm->changes = changes;
	return true;
}

/* Take the block of ids on offer, unless we have it already. */
static bool
take_ids(struct shm *shm)
{
	uint64_t first = atomic_load(&shm->head->offer[shm->own]);

	if (first == atomic_load(&shm->own_row->taken))
		return false;
	atomic_store(&shm->own_row->taken, first);
	shm->id = first;
	shm->ids_end = first + SHM_ID_BLOCK;
	return true;
}

bool
shm_ready(struct shm *shm)
{
	if (shm->changes != atomic_load(&shm->head->changes) && !refresh(shm))
		return false;
	return shm->id != shm->ids_end || take_ids(shm);
}

uint64_t
shm_next_id(struct shm *shm)
{
	if (shm->id == shm->ids_end && !take_ids(shm))
		return 0;
	return shm->id++;
}

const struct board_row *
shm_row(const struct shm *shm, unsigned int worker)
{
	const struct shm_row *row = shm->view[worker].row;

	return row != NULL ? &row->board : &empty_row;
}

void
shm_ring(struct shm *shm, unsigned int worker)
{
	atomic_fetch_add_explicit(&shm->head->bell[worker], 1,
	    memory_order_release);
}

const _Atomic uint32_t *
shm_bell(const struct shm *shm)
{
	return &shm->head->bell[shm->own];
}

struct board_row *
shm_own_row(struct shm *shm)
{
	return &shm->own_row->board;
}
