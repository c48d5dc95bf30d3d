/* check_secret.c: a secret in memory, and who cannot read it there. */

#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/memfd.h"
#include "secret_fixture.h"

static bool
opens_anew(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_RDONLY | O_CLOEXEC) != -1;
}

/* Becomes another user, and tries to open both through /proc. */
static int
as_nobody(int secret, int other)
{
	if (setresuid(65534, 65534, 65534) == -1 ||
	    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == -1 || !opens_anew(other))
		return 2;
	if (opens_anew(secret) || errno != EACCES)
		return 1;
	is_secret(secret); /* the descriptor itself can be read */
	return 0;
}

START_TEST(a_secret_is_sealed_and_only_its_owner_opens_it)
{
	int fd = sealed(BYTES), other = memfd_new("test", false), status;
	struct stat st;
	pid_t pid;

	is_secret(fd);
	ck_assert(memfd_is_sealed(fd));
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(write(fd, "x", 1), -1);
	ck_assert_int_eq(fstat(fd, &st), 0);
	ck_assert_uint_eq(st.st_mode & 07777, 0400);
	if (geteuid() != 0)
		return;
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		_exit(as_nobody(fd, other));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	close(fd);
	close(other);
}
END_TEST

/* Have the pages at the address this flag in /proc/self/smaps? */
static bool
has_flag(const void *address, const char *flag)
{
	FILE *maps = fopen("/proc/self/smaps", "r");
	unsigned long from, to, at = (unsigned long)(uintptr_t)address;
	bool in = false, has = false;
	char line[512];

	ck_assert_ptr_nonnull(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			in = from <= at && at < to;
		else if (in && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag) != NULL;
	}
	fclose(maps);
	return has;
}

START_TEST(its_memory_is_neither_dumped_nor_forked)
{
	struct error err;
	struct secret *secret;
	int fd = sealed(BYTES), status;
	pid_t pid;

	secret = secret_read(fd, &err);
	ck_assert_ptr_nonnull(secret);
	ck_assert(has_flag(secret->bytes, " dd"));
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0)
		_exit(secret->bytes[0] == '\0' &&
			    memcmp(secret->bytes, secret->bytes + 1,
				secret->len - 1) == 0
			? 0
			: 1);
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(status, 0);
	ck_assert_mem_eq(secret->bytes, BYTES, secret->len);
	secret_free(secret);
	close(fd);
}
END_TEST

START_TEST(what_is_not_a_secret_is_refused)
{
	struct error err;
	int fd = memfd_new("test", false);

	ck_assert_int_eq(memfd_append(fd, "x", 1), 0);
	ck_assert_ptr_null(secret_read(fd, &err));
	ck_assert_ptr_nonnull(strstr(err.text, "sealed"));
	close(fd);
	fd = memfd_new("test", false);
	ck_assert_int_eq(memfd_seal(fd), 0);
	ck_assert_ptr_null(secret_read(fd, &err));
	close(fd);
	fd = memfd_new("test", false);
	ck_assert_int_eq(ftruncate(fd, SECRET_SIZE_MAX + 1), 0);
	ck_assert_int_eq(memfd_seal(fd), 0);
	ck_assert_ptr_null(secret_read(fd, &err));
	close(fd);
	ck_assert_ptr_null(secret_read(-1, &err));
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_secret_is_sealed_and_only_its_owner_opens_it,
		its_memory_is_neither_dumped_nor_forked,
		what_is_not_a_secret_is_refused,
		NULL,
	};

	return fixture_run("secret", tests);
}
