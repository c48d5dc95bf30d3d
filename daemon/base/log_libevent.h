/* log_libevent.h: libevent would print its complaints as they are. */

#ifndef SLUICE_LOG_LIBEVENT_H
#define SLUICE_LOG_LIBEVENT_H

/* From here on libevent logs as we do. */
void log_libevent(void);

#endif
