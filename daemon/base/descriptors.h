/* descriptors.h: has this process used up its limit of open files? */

#ifndef SLUICE_DESCRIPTORS_H
#define SLUICE_DESCRIPTORS_H

#include <stdbool.h>

/*
 * Is there no room for what it takes to open one more thing?  Then whatever comes
 * next would fail in the same way, and one error says it for all.
 */
bool descriptors_used_up(void);

#endif
