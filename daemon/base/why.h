/* why.h: the table of reasons for which connections end. */

#ifndef SLUICE_WHY_H
#define SLUICE_WHY_H

#include <sluice.h>
#include <stdbool.h>

#define WHY_ROWS (SL_WHY_LIFETIME + 1)

/* One row; `why` is an enum sl_why, out of range reads as SL_WHY_NONE. */
const char *why_word(unsigned int why); /* for logs: "input-limit" */
const char *why_text(unsigned int why); /* for people: a short sentence */
bool why_is_error(unsigned int why);	/* `error` comes before `close` */
bool why_is_wanted(unsigned int why); /* the peer or the plugin asked for it */

/* An enum sl_stage, for logs: "connect". */
const char *why_stage_word(unsigned int stage);

#endif
