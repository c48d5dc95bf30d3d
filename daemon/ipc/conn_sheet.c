/* conn_sheet.c: the sheet, by its two ends. */

#include "ipc/conn_sheet.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memfd.h"

static const char *const states[CONN_STATES] = {
	[CONN_STATE_ANY] = "any",
	[CONN_STATE_CONNECTING] = "connecting",
	[CONN_STATE_HANDSHAKE] = "handshake",
	[CONN_STATE_OPEN] = "open",
	[CONN_STATE_READ_CLOSED] = "read-closed",
	[CONN_STATE_WRITE_CLOSED] = "write-closed",
	[CONN_STATE_CLOSING] = "closing",
};

static const char *const sorts[CONN_SORTS] = {
	[CONN_SORT_AGE] = "age",
	[CONN_SORT_IDLE] = "idle",
	[CONN_SORT_IN] = "in",
	[CONN_SORT_OUT] = "out",
	[CONN_SORT_QUEUE] = "queue",
	[CONN_SORT_RATE] = "rate",
};

/* The place of the word; count: it is not there. */
static unsigned int
find(const char *const *words, unsigned int count, const char *word)
{
	unsigned int i = 0;

	while (i < count && strcmp(words[i], word) != 0)
		i++;
	return i;
}

const char *
conn_state_word(uint32_t state)
{
	return states[state < CONN_STATES ? state : CONN_STATE_ANY];
}

enum conn_state
conn_state_of(const char *word)
{
	return find(states, CONN_STATES, word);
}

enum conn_sort
conn_sort_of(const char *word)
{
	return find(sorts, CONN_SORTS, word);
}

uint64_t
conn_rate(uint64_t bytes, uint64_t age_ms)
{
	if (age_ms < 1000)
		age_ms = 1000;
	return bytes / age_ms * 1000 + bytes % age_ms * 1000 / age_ms;
}

int
conn_sheet_new(const struct conn_query *query)
{
	int fd = memfd_new("sluice-conns", false), error;

	if (fd == -1)
		return -1;
	if (ftruncate(fd, (off_t)CONN_SHEET_SIZE(query->most)) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) == 0 &&
	    memfd_write(fd, query, sizeof(*query), 0) == 0)
		return fd;
	error = errno;
	close(fd);
	errno = error;
	return -1;
}

struct conn_sheet *
conn_sheet_map(int fd)
{
	struct conn_query query;
	struct stat st;
	void *sheet;

	if (memfd_read(fd, &query, sizeof(query), 0) == -1 ||
	    fstat(fd, &st) == -1)
		return NULL;
	if (query.most > CONN_SHEET_ROWS_MAX ||
	    query.id_count > CONN_SHEET_IDS_MAX ||
	    (size_t)st.st_size != CONN_SHEET_SIZE(query.most)) {
		errno = EINVAL;
		return NULL;
	}
	sheet = mmap(NULL, CONN_SHEET_SIZE(query.most), PROT_READ | PROT_WRITE,
	    MAP_SHARED, fd, 0);
	return sheet != MAP_FAILED ? sheet : NULL;
}

int
conn_sheet_result(int fd, uint32_t most, uint32_t *ret_rows,
    uint64_t *ret_matched)
{
	struct conn_sheet head;

	if (memfd_read(fd, &head, sizeof(head), 0) == -1 || head.rows > most ||
	    head.rows > head.matched)
		return -1;
	*ret_rows = head.rows;
	*ret_matched = head.matched;
	return 0;
}

int
conn_sheet_row(int fd, uint32_t i, struct conn_row *ret)
{
	if (memfd_read(fd, ret, sizeof(*ret), (off_t)CONN_SHEET_SIZE(i)) == -1)
		return -1;
	ret->listener[sizeof(ret->listener) - 1] = '\0';
	ret->peer[sizeof(ret->peer) - 1] = '\0';
	ret->tls[sizeof(ret->tls) - 1] = '\0';
	ret->plugin[sizeof(ret->plugin) - 1] = '\0';
	ret->version[sizeof(ret->version) - 1] = '\0';
	return 0;
}
