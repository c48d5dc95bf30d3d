/*
 * probation.c: a count of crashes, and a bundle.  Two generations are the same
 * when their bundles are: all settings, with their places in the files, and the
 * hash of each image.
 */

#include "master/probation.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "master/gen.h"

void
probation_init(struct probation *probation)
{
	memset(probation, 0, sizeof(*probation));
	probation->refused = -1;
}

void
probation_done(struct probation *probation)
{
	probation_forget(probation);
}

void
probation_begin(struct probation *probation, uint64_t length_ms)
{
	probation->length_ms = length_ms;
	probation->begun_ms = clock_ms();
	probation->crashes = 0;
	probation->on = length_ms > 0;
}

void
probation_end(struct probation *probation)
{
	probation->on = false;
}

void
probation_go_on(struct probation *probation)
{
	probation->crashes = 0;
	probation->on = true;
}

bool
probation_crash(struct probation *probation)
{
	if (!probation->on)
		return false;
	if (clock_ms() - probation->begun_ms >= probation->length_ms) {
		probation->on = false;
		return false;
	}
	if (++probation->crashes < PROBATION_CRASHES)
		return false;
	probation->on = false;
	return true;
}

void
probation_remember(struct probation *probation, const struct gen *gen)
{
	probation_forget(probation);
	probation->refused = fcntl(gen->bundle_fd, F_DUPFD_CLOEXEC, 3);
	probation->refused_number = gen->number;
}

void
probation_forget(struct probation *probation)
{
	if (probation->refused != -1)
		close(probation->refused);
	probation->refused = -1;
}

static bool
same_bytes(int a, int b)
{
	char buf_a[4096], buf_b[4096];
	struct stat st_a, st_b;
	ssize_t n;
	off_t at = 0;

	if (fstat(a, &st_a) == -1 || fstat(b, &st_b) == -1 ||
	    st_a.st_size != st_b.st_size)
		return false;
	for (;;) {
		n = pread(a, buf_a, sizeof(buf_a), at);
		if (n <= 0)
			return n == 0;
		if (pread(b, buf_b, (size_t)n, at) != n ||
		    memcmp(buf_a, buf_b, (size_t)n) != 0)
			return false;
		at += n;
	}
}

bool
probation_knows(const struct probation *probation, const struct gen *gen)
{
	return probation->refused != -1 &&
	    same_bytes(probation->refused, gen->bundle_fd);
}

bool
probation_same(const struct gen *a, const struct gen *b)
{
	return same_bytes(a->bundle_fd, b->bundle_fd);
}
