/*
 * survey.h: answers the master's questions about connections (conn_sheet.h),
 * and ends those that it wants ended.  A few thousand connections are looked at
 * in each pass of the event loop, so that traffic goes on meanwhile.
 */

#ifndef SLUICE_SURVEY_H
#define SLUICE_SURVEY_H

#include <stdbool.h>
#include <stdint.h>

struct listener;
struct sl_conn;

/* One more question; borrows fd.  The answer is uplink_listed(serial). */
void survey_ask(int fd, uint32_t serial);
/* After a pass: go on.  Returns true if there is more to do. */
bool survey_go_on(void);
/* The connection, or the listener, is about to leave its list. */
void survey_skip_conn(const struct sl_conn *conn);
void survey_skip_listener(const struct listener *listener);
/* No question will be answered any more. */
void survey_done(void);

#endif
