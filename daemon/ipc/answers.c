/*
 * answers.c: messages in shared memory, one after the other in a ring.  With
 * the usual ways a child could hold up the master.  A unix socket brings
 * descriptors, and the child can make it slow to close one.  A pipe has a lock,
 * and its writer holds it while it waits for its own memory.
 *
 * The bytes in the ring are not trusted, and may change at any time.  So they
 * are copied out once, and only the copy is used.
 */

#include "ipc/answers.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/memfd.h"
#include "ipc/msg.h"

#define RING_SIZE 65536 /* bytes; a power of two, and several messages */
#define FULL_MS 10	/* between two tries while the ring is full */

/* The counts are of bytes since the beginning, and wrap. */
struct ring {
	_Atomic uint32_t put; /* written by the child */
	_Atomic uint32_t got; /* written by the master */
	char bytes[RING_SIZE];
};

struct answers {
	struct ring *ring;
	/*
	 * The master's own count of what it got, which nobody else can change.
	 */
	uint32_t at;
	int memory, bell;
};

static struct answers *
answers_map(int memory, int bell)
{
	struct answers *answers = calloc(1, sizeof(*answers));
	void *ring;

	if (answers == NULL)
		return NULL;
	ring = mmap(NULL, sizeof(struct ring), PROT_READ | PROT_WRITE,
	    MAP_SHARED, memory, 0);
	if (ring == MAP_FAILED) {
		free(answers);
		return NULL;
	}
	/* A process that a plugin forks must not answer for the worker. */
	madvise(ring, sizeof(struct ring), MADV_DONTFORK);
	answers->ring = ring;
	answers->memory = memory;
	answers->bell = bell;
	return answers;
}

struct answers *
answers_new(void)
{
	struct answers *answers = NULL;
	int memory, bell, saved;

	memory = memfd_new("sluice-answers", false);
	bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	/*
	 * Seal its size: a process dies when memory that it reads is cut short.
	 */
	if (memory != -1 && bell != -1 &&
	    ftruncate(memory, sizeof(struct ring)) == 0 &&
	    fcntl(memory, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		answers = answers_map(memory, bell);
	if (answers != NULL)
		return answers;
	saved = errno;
	if (memory != -1)
		close(memory);
	if (bell != -1)
		close(bell);
	errno = saved;
	return NULL;
}

struct answers *
answers_open(int memory, int bell)
{
	struct answers *answers = NULL;
	struct stat st;

	if (fcntl(bell, F_SETFD, FD_CLOEXEC) == 0 && fstat(memory, &st) == 0 &&
	    st.st_size == sizeof(struct ring))
		answers = answers_map(memory, bell);
	close(memory);
	if (answers != NULL)
		answers->memory = -1;
	return answers;
}

void
answers_free(struct answers *answers)
{
	if (answers == NULL)
		return;
	munmap(answers->ring, sizeof(*answers->ring));
	if (answers->memory != -1)
		close(answers->memory);
	close(answers->bell);
	free(answers);
}

int
answers_take_memory(struct answers *answers)
{
	int memory = answers->memory;

	answers->memory = -1;
	return memory;
}

int
answers_bell(const struct answers *answers)
{
	return answers->bell;
}

static void
copy_in(struct ring *ring, uint32_t at, const void *from, size_t length)
{
	size_t offset = at % RING_SIZE, first = RING_SIZE - offset;

	if (length == 0)
		return;
	if (first > length)
		first = length;
	memcpy(ring->bytes + offset, from, first);
	memcpy(ring->bytes, (const char *)from + first, length - first);
}

static void
copy_out(const struct ring *ring, uint32_t at, void *to, size_t length)
{
	size_t offset = at % RING_SIZE, first = RING_SIZE - offset;

	if (first > length)
		first = length;
	memcpy(to, ring->bytes + offset, first);
	memcpy((char *)to + first, ring->bytes, length - first);
}

int
answers_put(struct answers *answers, const struct packet *packet)
{
	struct ring *ring = answers->ring;
	uint32_t at = atomic_load(&ring->put);
	size_t size = msg_size(packet);

	if (RING_SIZE - (at - atomic_load(&ring->got)) < size)
		return fail(EAGAIN);
	copy_in(ring, at, packet, size);
	atomic_store(&ring->put, at + (uint32_t)size);
	/* EAGAIN: another process has filled it.  Then it has rung already. */
	if (eventfd_write(answers->bell, 1) == -1 && errno != EAGAIN)
		return -1;
	return 0;
}

int
answers_say(struct answers *answers, const struct msg *msg)
{
	struct packet packet;
	int result;

	if (msg_encode(msg, &packet) == -1)
		return -1;
	while (
	    (result = answers_put(answers, &packet)) == -1 && errno == EAGAIN)
		poll(NULL, 0, FULL_MS);
	return result;
}

/* Copy the next message out.  0, or -1 with err. */
static int
take(struct answers *answers, uint32_t there, struct packet *ret,
    struct error *err)
{
	const size_t size = sizeof(ret->head);

	if (there < size || there > RING_SIZE)
		return error_set(err, "what is not a message (%u bytes)",
		    there);
	copy_out(answers->ring, answers->at, &ret->head, size);
	if (msg_check_head(&ret->head, err) == -1)
		return -1;
	if (there - size < ret->head.length)
		return error_set(err, "a message (%s) that is not all there",
		    msg_name(ret->head.type));
	copy_out(answers->ring, answers->at + (uint32_t)size, ret->payload,
	    ret->head.length);
	return 0;
}

int
answers_get(struct answers *answers, struct packet *room, struct msg *ret,
    struct error *err)
{
	uint32_t there = atomic_load(&answers->ring->put) - answers->at;

	if (there == 0)
		return fail(EAGAIN);
	if (take(answers, there, room, err) == -1 ||
	    msg_decode(room, -1, ret, err) == -1)
		return fail(EBADMSG);
	answers->at += (uint32_t)msg_size(room);
	atomic_store(&answers->ring->got, answers->at);
	return 1;
}
