/*
 * plain_locale.h: numbers and messages are those of the locale "C", whatever the
 * plugins of a process do.  Each thread may have a locale of its own, which
 * setlocale(3) does not change; a plugin can still leave another one behind with
 * uselocale(3).
 */

#ifndef SLUICE_PLAIN_LOCALE_H
#define SLUICE_PLAIN_LOCALE_H

#include <locale.h>

/* Give this thread the locale "C", before any plugin is loaded. */
void plain_locale_init(void);

/*
 * Around what reads or writes numbers, or has words for an errno: a callback may
 * be running, whose locale comes back.
 */
locale_t plain_locale_begin(void);
void plain_locale_end(locale_t before);

/* strtod(3) of a number as it stands in a configuration. */
double plain_number(const char *text, char **ret_end);

#endif
