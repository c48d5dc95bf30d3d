/* time_text.c: times as text. */

#include "base/time_text.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

static unsigned int
days_of(unsigned int year)
{
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return leap ? 366 : 365;
}

struct date {
	unsigned int year, month, day;
};

/* By hand, since gmtime_r(3) takes a lock, which a crashed thread may hold. */
static struct date
date_of(unsigned int day)
{
	unsigned int months[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30,
		31 };
	struct date date = { 1970, 1, 1 };

	for (; day >= days_of(date.year); date.year++)
		day -= days_of(date.year);
	months[1] = days_of(date.year) - 337;
	for (; day >= months[date.month - 1]; date.month++)
		day -= months[date.month - 1];
	date.day += day;
	return date;
}

const char *
time_text(uint64_t ms, char text[TIME_TEXT_MAX])
{
	struct date date = date_of((unsigned int)(ms / 86400000));
	unsigned int second = (unsigned int)(ms / 1000 % 86400);

	snprintf(text, TIME_TEXT_MAX, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
	    date.year % 10000, date.month % 100, date.day % 100, second / 3600,
	    second / 60 % 60, second % 60, (unsigned int)(ms % 1000));
	return text;
}

const char *
date_text(int64_t s, char text[TIME_TEXT_MAX])
{
	time_t time = (time_t)s;
	struct tm tm;

	if (gmtime_r(&time, &tm) == NULL ||
	    strftime(text, TIME_TEXT_MAX, "%Y-%m-%d %H:%M:%S UTC", &tm) == 0)
		snprintf(text, TIME_TEXT_MAX, "an unknown day");
	return text;
}

const char *
duration_text(uint64_t ms, char text[TIME_TEXT_MAX])
{
	if (ms % 1000 == 0)
		snprintf(text, TIME_TEXT_MAX, "%" PRIu64 " s", ms / 1000);
	else
		snprintf(text, TIME_TEXT_MAX, "%" PRIu64 " ms", ms);
	return text;
}
