/*
 * handover.c: a number in the environment leads to the memfd.  That variable
 * is removed by the program that takes it, so no other program can see it.
 */

#include "master/handover.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/fail.h"
#include "base/memfd.h"
#include "config/settings.h"

#define VARIABLE "SLUICE_HANDOVER"
#define SIZE_MAX_BYTES (64 << 20)

static void
add_fd(struct handover *handover, int fd)
{
	unsigned int room = handover->room == 0 ? 64 : 2 * handover->room;
	int *larger;

	if (handover->count == handover->room) {
		larger = realloc(handover->fds, room * sizeof(*larger));
		if (larger == NULL) {
			handover->packer.failed = true;
			return;
		}
		handover->fds = larger;
		handover->room = room;
	}
	handover->fds[handover->count++] = fd;
}

void
handover_fd(struct handover *handover, int fd)
{
	pack_u32(&handover->packer, (uint32_t)fd);
	if (fd != -1)
		add_fd(handover, fd);
}

void
handover_path(struct handover *handover, const struct stat *bound,
    const struct unix_rights *rights)
{
	struct packer *packer = &handover->packer;

	pack_u64(packer, bound->st_dev);
	pack_u64(packer, bound->st_ino);
	pack_u32(packer, bound->st_mode);
	pack_u32(packer, bound->st_uid);
	pack_u32(packer, bound->st_gid);
	pack_u32(packer, rights->mode);
	pack_u32(packer, rights->owner.uid);
	pack_u32(packer, rights->owner.gid);
}

int
handover_seal(struct handover *handover)
{
	int fd;

	if (handover->packer.failed)
		return fail(ENOMEM);
	if (handover->packer.len > SIZE_MAX_BYTES)
		return fail(EFBIG);
	fd = memfd_new("sluice-handover", false);
	if (fd == -1)
		return -1;
	if (memfd_append(fd, handover->packer.data, handover->packer.len) ==
		-1 ||
	    memfd_seal(fd) == -1) {
		close(fd);
		return -1;
	}
	return fd;
}

void
handover_keep(const struct handover *handover, bool keep)
{
	for (unsigned int i = 0; i < handover->count; i++)
		fcntl(handover->fds[i], F_SETFD, keep ? 0 : FD_CLOEXEC);
}

void
handover_done(struct handover *handover)
{
	free(handover->packer.data);
	free(handover->fds);
	memset(handover, 0, sizeof(*handover));
}

int
handover_announce(int memfd)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", memfd);
	if (setenv(VARIABLE, text, 1) == -1)
		return -1;
	return fcntl(memfd, F_SETFD, 0);
}

void
handover_take_back(void)
{
	unsetenv(VARIABLE);
}

static int
read_all(struct taken *taken, int fd)
{
	struct stat st;

	if (!memfd_is_sealed(fd) || fstat(fd, &st) == -1 || st.st_size < 1 ||
	    st.st_size > SIZE_MAX_BYTES)
		return fail(EINVAL);
	taken->data = malloc((size_t)st.st_size);
	if (taken->data == NULL ||
	    memfd_read(fd, taken->data, (size_t)st.st_size, 0) == -1)
		return -1;
	taken->unpacker = (struct unpacker){
		.data = taken->data,
		.len = (size_t)st.st_size,
	};
	return 0;
}

int
taken_open(struct taken *taken, struct error *err)
{
	const char *text = getenv(VARIABLE);
	int fd, result;

	memset(taken, 0, sizeof(*taken));
	if (text == NULL)
		return 0;
	fd = atoi(text);
	unsetenv(VARIABLE);
	result = read_all(taken, fd);
	if (result == -1)
		error_sys(err, "cannot read what the program before us left");
	if (result == -1)
		return -1;
	close(fd);
	if (unpack_u32(&taken->unpacker) == HANDOVER_FORMAT &&
	    unpack_u32(&taken->unpacker) == (uint32_t)getpid())
		return 1;
	return error_set(err,
	    "what the program before us left is of another format, or for "
	    "another process");
}

int
taken_fd(struct taken *taken)
{
	int fd = (int)unpack_u32(&taken->unpacker);

	if (taken->unpacker.failed)
		return -1;
	if (fd != -1)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

void
taken_path(struct taken *taken, struct stat *ret_bound,
    struct unix_rights *ret_rights)
{
	struct unpacker *unpacker = &taken->unpacker;

	memset(ret_bound, 0, sizeof(*ret_bound));
	ret_bound->st_dev = unpack_u64(unpacker);
	ret_bound->st_ino = unpack_u64(unpacker);
	ret_bound->st_mode = unpack_u32(unpacker);
	ret_bound->st_uid = unpack_u32(unpacker);
	ret_bound->st_gid = unpack_u32(unpacker);
	ret_rights->mode = unpack_u32(unpacker);
	ret_rights->owner.uid = unpack_u32(unpacker);
	ret_rights->owner.gid = unpack_u32(unpacker);
}

void
taken_close(struct taken *taken)
{
	free(taken->data);
	memset(taken, 0, sizeof(*taken));
}
