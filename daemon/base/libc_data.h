/*
 * libc_data.h: for whoever uses a variable of the C library.  The program would
 * have a copy of the variable, which the C library then uses as well.  But a
 * plugin that is bound to its own libraries first (RTLD_DEEPBIND) would find
 * the original, with an `environ` of NULL.  Of what may be missing, which
 * nothing here is, no copy is made.
 */

#ifndef SLUICE_LIBC_DATA_H
#define SLUICE_LIBC_DATA_H

#include <stdio.h>
#include <unistd.h>

#pragma weak environ
#pragma weak optarg
#pragma weak optind
#pragma weak stderr
#pragma weak stdout

#endif
