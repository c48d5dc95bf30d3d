/* time_text.h: times as text: in the log, in answers and in sentences. */

#ifndef SLUICE_TIME_TEXT_H
#define SLUICE_TIME_TEXT_H

#include <stdint.h>

#define TIME_TEXT_MAX 32

/*
 * "2026-11-20T05:00:00.123Z", of milliseconds since 1970.  The handler of a
 * fault may call it.  Returns text.
 */
const char *time_text(uint64_t ms, char text[TIME_TEXT_MAX]);

/* "2026-11-20 05:00:00 UTC", of seconds since 1970, for people. */
const char *date_text(int64_t s, char text[TIME_TEXT_MAX]);

/* "30 s", "1500 ms".  Returns text. */
const char *duration_text(uint64_t ms, char text[TIME_TEXT_MAX]);

#endif
