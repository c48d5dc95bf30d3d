/* worker.h: what the rest of a worker asks of its master. */

#ifndef SLUICE_WORKER_H
#define SLUICE_WORKER_H

#include <stdbool.h>

/* 0, or -1 with errno. */
int worker_ask_reload(void);
int worker_ask_stop_listener(const char *name, const char *plugin,
    bool close_active);

#endif
