/*
 * ours.c: a bit for each descriptor.  The bits are read in a child that a
 * thread of a plugin may have forked at any moment.  So there are no lists,
 * which could be half changed, and the child calls nothing but close().
 */

#include "worker/ours.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define BITS 64
#define FIRST_MAX 256 /* a worker begins with a dozen descriptors */

static _Atomic uint64_t *words; /* NULL: ours_init() was not called */
static rlim_t limit;		/* all descriptors are below it */
static _Atomic uint32_t used;	/* words[used] and later were never set */

static _Atomic uint64_t *
word_of(int fd)
{
	return words == NULL || fd < 0 || (rlim_t)fd >= limit
	    ? NULL
	    : &words[fd / BITS];
}

void
ours_add(int fd)
{
	_Atomic uint64_t *word = word_of(fd);

	if (word == NULL)
		return;
	atomic_fetch_or_explicit(word, UINT64_C(1) << fd % BITS,
	    memory_order_relaxed);
	if ((uint32_t)(fd / BITS) >= used)
		used = (uint32_t)(fd / BITS) + 1;
}

void
ours_close(int fd)
{
	_Atomic uint64_t *word = word_of(fd);

	if (word != NULL)
		atomic_fetch_and_explicit(word, ~(UINT64_C(1) << fd % BITS),
		    memory_order_relaxed);
	close(fd);
}

/*
 * Only close the descriptors.  The epoll instance is shared with the parent: if
 * a socket were removed from it here, the parent would get no more events of
 * that socket.
 */
static void
in_child(void)
{
	uint64_t bits;

	for (uint32_t i = 0; i < used; i++)
		for (bits = words[i]; bits != 0; bits &= bits - 1)
			close((int)(i * BITS) + __builtin_ctzll(bits));
	used = 0;
}

int
ours_init(void)
{
	struct rlimit files;
	void *memory;
	int fd;

	if (getrlimit(RLIMIT_NOFILE, &files) == -1)
		return -1;
	/* Room for the highest limit; memory that is not used costs nothing. */
	memory = mmap(NULL, files.rlim_max / 8 + sizeof(*words),
	    PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
	    -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	limit = files.rlim_max;
	words = memory;
	for (fd = STDERR_FILENO + 1; fd < FIRST_MAX; fd++)
		if (fcntl(fd, F_GETFD) != -1)
			ours_add(fd);
	return pthread_atfork(NULL, NULL, in_child);
}
