/* bundle.c: settings in a sealed memfd. */

#include "config/bundle.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/memfd.h"
#include "base/pack.h"
#include "config/bundle_format.h"
#include "config/settings.h"

#define BUNDLE_SIZE_MAX (256 << 20) /* more than any configuration makes */

int
bundle_write(const struct settings *settings, struct error *err)
{
	struct packer out = { 0 };
	int fd = -1;

	bundle_pack(&out, settings);
	if (out.failed) {
		error_set(err, "out of memory for the bundle");
		goto out;
	}
	if (out.len > BUNDLE_SIZE_MAX) {
		error_set(err,
		    "the configuration is too large: its bundle would have %zu "
		    "bytes",
		    out.len);
		goto out;
	}
	fd = memfd_new("sluice-bundle", false);
	if (fd == -1) {
		error_sys(err, "cannot make a memfd for the bundle");
		goto out;
	}
	if (memfd_append(fd, out.data, out.len) == -1 || memfd_seal(fd) == -1) {
		error_sys(err, "cannot fill the bundle");
		close(fd);
		fd = -1;
	}
out:
	free(out.data);
	return fd;
}

static struct settings *
decode(const char *data, size_t len, struct error *err)
{
	struct unpacker in = { .data = data, .len = len };
	struct settings *settings = settings_new();

	if (settings == NULL) {
		error_sys(err, "cannot read the bundle");
		return NULL;
	}
	bundle_unpack(&in, settings);
	if (!in.failed)
		return settings;
	settings_free(settings);
	error_set(err, "the bundle is damaged near byte %zu of %zu", in.at,
	    len);
	return NULL;
}

struct settings *
bundle_read(int fd, struct error *err)
{
	struct settings *settings = NULL;
	struct stat st;
	char *data;

	/* Unsealed, it could change while it is read. */
	if (!memfd_is_sealed(fd) || fstat(fd, &st) == -1) {
		error_set(err, "the bundle is not a sealed memfd");
		return NULL;
	}
	if (st.st_size < 1 || st.st_size > BUNDLE_SIZE_MAX) {
		error_set(err, "a bundle cannot have %lld bytes",
		    (long long)st.st_size);
		return NULL;
	}
	data = malloc((size_t)st.st_size);
	if (data == NULL || memfd_read(fd, data, (size_t)st.st_size, 0) == -1)
		error_sys(err, "cannot read the bundle");
	else
		settings = decode(data, (size_t)st.st_size, err);
	free(data);
	return settings;
}
