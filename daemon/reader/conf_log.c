/* conf_log.c: checks where the log is to go. */

#include <limits.h>
#include <string.h>

#include "base/error.h"
#include "base/log_file.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

/*
 * The log process opens the file with the same rights, when the generation
 * begins.  This leaves no trace, since it may only be a test.
 */
void
conf_log(struct conf *conf)
{
	const struct log_settings *log = &conf->settings->log;
	struct error err;

	if (log->file == NULL)
		return;
	if (strlen(log->file) >= PATH_MAX)
		problem_error(conf->problems, &log->file_origin,
		    "log.file: the path has %zu bytes, and may have %d",
		    strlen(log->file), PATH_MAX - 1);
	else if (log_file_check(log->file, &err) == -1)
		problem_error(conf->problems, &log->file_origin, "log.file: %s",
		    err.text);
}
