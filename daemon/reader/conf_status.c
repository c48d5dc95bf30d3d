/* conf_status.c: can the status page be served here? */

#include <stdlib.h>

#include "base/status_library.h"
#include "config/settings.h"
#include "image/system_libraries.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

/*
 * Only its process loads the library, with the code that a library runs then.
 * So this looks for the file, as the loader will.
 */
static bool
library_is_there(void)
{
	const char *dirs = getenv("LD_LIBRARY_PATH");
	struct system_libraries libraries;
	char *path;

	if (dirs != NULL && *dirs != '\0')
		return true; /* perhaps: it may be there */
	system_libraries_open(&libraries);
	path = system_libraries_find(&libraries, STATUS_LIBRARY);
	system_libraries_close(&libraries);
	free(path);
	return path != NULL;
}

void
conf_status_library(struct conf *conf)
{
	/* Connections are served without the page, so it is no error. */
	if (conf->settings->status_on && !library_is_there())
		problem_warn(conf->problems, &conf->settings->status.origin,
		    "status: the page cannot be served: the library %s is "
		    "missing; on Debian it is in the package %s",
		    STATUS_LIBRARY, STATUS_LIBRARY_PACKAGE);
}
