/*
 * status_library.h: the library that the status process loads, and the reader
 * looks for.
 */

#ifndef SLUICE_STATUS_LIBRARY_H
#define SLUICE_STATUS_LIBRARY_H

#define STATUS_LIBRARY "libmicrohttpd.so.12"	 /* the ABI of our header */
#define STATUS_LIBRARY_PACKAGE "libmicrohttpd12" /* of Debian */

#endif
