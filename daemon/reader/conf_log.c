/* conf_log.c: checks where the log is to go. */

#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "base/error.h"
#include "base/log_file.h"
#include "config/settings.h"
#include "reader/conf_internal.h"
#include "reader/problems.h"

/*
 * The log process opens the file with the same rights, when the generation
 * begins.  This leaves no trace, since it may only be a test.
 */
static void
check_file(struct conf *conf, const struct log_settings *log)
{
	struct error err;

	if (strlen(log->file) >= PATH_MAX)
		problem_error(conf->problems, &log->file_origin,
		    "log.file: the path has %zu bytes, and may have %d",
		    strlen(log->file), PATH_MAX - 1);
	else if (log_file_check(log->file, &err) == -1)
		problem_error(conf->problems, &log->file_origin, "log.file: %s",
		    err.text);
	else if (log_file_trust(log->file, &err) == -1)
		problem_warn(conf->problems, &log->file_origin, "log.file: %s",
		    err.text);
}

/*
 * It need not be there: a syslog daemon may be started after us, or again.  But
 * what is there has to be a socket.
 */
static void
check_syslog(struct conf *conf, const struct log_settings *log)
{
	const size_t most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	const struct origin *at = &log->syslog_socket_origin;
	struct stat st;

	if (log->file != NULL)
		problem_error(conf->problems, &log->syslog_origin,
		    "log.syslog: the log has one place, and log.file is set "
		    "(line %u); remove one of them: a syslog daemon can write "
		    "files as well",
		    (unsigned int)log->file_origin.line);
	if (at->line == 0)
		at = &log->syslog_origin;
	if (strlen(log->syslog_socket) > most)
		problem_error(conf->problems, at,
		    "log.syslog_socket: the path has %zu bytes, and that of a "
		    "socket may have %zu",
		    strlen(log->syslog_socket), most);
	else if (stat(log->syslog_socket, &st) == 0 && !S_ISSOCK(st.st_mode))
		problem_error(conf->problems, at,
		    "log.syslog_socket: \"%s\" is not a socket: name the one "
		    "on which the syslog daemon listens",
		    log->syslog_socket);
}

/* sluicectl config prints all keys, so a default is never a mistake. */
void
conf_log(struct conf *conf)
{
	const struct log_settings *log = &conf->settings->log;

	if (log->file != NULL)
		check_file(conf, log);
	if (log->syslog != SYSLOG_OFF)
		check_syslog(conf, log);
	else if (strcmp(log->syslog_socket, LOG_SYSLOG_SOCKET) != 0)
		problem_error(conf->problems, &log->syslog_socket_origin,
		    "log.syslog_socket: nothing is sent there; set log.syslog, "
		    "such as syslog = \"daemon\"");
}
