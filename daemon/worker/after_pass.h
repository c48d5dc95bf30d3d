/*
 * after_pass.h: the work that connections, services, listeners and plugins have
 * left for the end of a pass of the event loop, done in the right order.
 */

#ifndef SLUICE_AFTER_PASS_H
#define SLUICE_AFTER_PASS_H

/*
 * Do that work.  `commit` is called at the point where the generation may
 * change because the pending connections have been settled.  Sets
 * engine.after_pass_due if there is work left for the end of the next pass.
 */
void after_pass(void (*commit)(void));

#endif
