/*
 * mhd.h: libmicrohttpd, loaded by the status process alone.  It brings GnuTLS
 * and eight other libraries, which the master and the plugins' workers are
 * better without: they would be part of every process otherwise.
 */

#ifndef SLUICE_STATUS_MHD_H
#define SLUICE_STATUS_MHD_H

#include <microhttpd.h>

struct error;

#define MHD_FUNCTION(name) __typeof__(MHD_##name) *name

/* Its functions, under their names without "MHD_". */
extern struct mhd {
	MHD_FUNCTION(add_connection);
	MHD_FUNCTION(add_response_header);
	MHD_FUNCTION(create_response_from_buffer);
	MHD_FUNCTION(create_response_from_fd);
	MHD_FUNCTION(destroy_response);
	MHD_FUNCTION(get_connection_info);
	MHD_FUNCTION(get_daemon_info);
	MHD_FUNCTION(get_timeout);
	MHD_FUNCTION(lookup_connection_value);
	MHD_FUNCTION(queue_response);
	MHD_FUNCTION(resume_connection);
	MHD_FUNCTION(run);
	MHD_FUNCTION(start_daemon);
	MHD_FUNCTION(stop_daemon);
	MHD_FUNCTION(suspend_connection);
} mhd;

/* 0, or -1: err says what is missing. */
int mhd_load(struct error *err);

#endif
