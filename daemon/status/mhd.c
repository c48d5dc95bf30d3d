/* mhd.c: finds the functions of libmicrohttpd. */

#include "status/mhd.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#include "base/error.h"
#include "base/status_library.h"

#define ROW(name)                                        \
	{                                                \
		"MHD_" #name, offsetof(struct mhd, name) \
	}

struct mhd mhd;

static const struct {
	const char *name;
	size_t offset;
} functions[] = {
	ROW(add_connection),
	ROW(add_response_header),
	ROW(create_response_from_buffer),
	ROW(create_response_from_fd),
	ROW(destroy_response),
	ROW(get_connection_info),
	ROW(get_daemon_info),
	ROW(get_timeout),
	ROW(lookup_connection_value),
	ROW(queue_response),
	ROW(resume_connection),
	ROW(run),
	ROW(start_daemon),
	ROW(stop_daemon),
	ROW(suspend_connection),
};

int
mhd_load(struct error *err)
{
	void *library = dlopen(STATUS_LIBRARY, RTLD_NOW | RTLD_LOCAL),
	     *function;

	if (library == NULL)
		return error_set(err,
		    "cannot load libmicrohttpd: %s; on Debian it is in the "
		    "package " STATUS_LIBRARY_PACKAGE,
		    dlerror());
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
		function = dlsym(library, functions[i].name);
		if (function == NULL)
			return error_set(err,
			    "%s: %s; sluice was built with version %x",
			    STATUS_LIBRARY, dlerror(), MHD_VERSION);
		memcpy((char *)&mhd + functions[i].offset, &function,
		    sizeof(function));
	}
	return 0;
}
