/*
 * plain_float.h: numbers with a fraction are rounded to the nearest, and none of
 * them raises a signal.  Both belong to a thread, and a plugin can change them
 * with fesetround(3) and feenableexcept(3).
 */

#ifndef SLUICE_PLAIN_FLOAT_H
#define SLUICE_PLAIN_FLOAT_H

/*
 * Undo such changes.  Required before we compute with such numbers in a process
 * with plugins, and never during a callback, whose numbers would change.
 */
void plain_float(void);

#endif
