/* descriptors.h: the open files of this process, and its limit of them. */

#ifndef SLUICE_DESCRIPTORS_H
#define SLUICE_DESCRIPTORS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Is there no room for what it takes to open one more thing?  Then whatever comes
 * next would fail in the same way, and one error says it for all.
 */
bool descriptors_used_up(void);

/* How many are open; 0: it is not known, as /proc cannot be read. */
uint32_t descriptors_open(void);
/* How many may be open (RLIMIT_NOFILE); 0: it is not known. */
uint32_t descriptors_max(void);

#endif
