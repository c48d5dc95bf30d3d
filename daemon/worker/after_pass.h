/*
 * after_pass.h: what connections, services, listeners and plugins have left for
 * the end of a pass of the loop, in the one order that is right for all of
 * them.
 */

#ifndef SLUICE_AFTER_PASS_H
#define SLUICE_AFTER_PASS_H

/*
 * `commit` is called where a generation may change: no connection waits to be
 * settled.  Sets engine.after_pass_due when the next pass has to go on with it.
 */
void after_pass(void (*commit)(void));

#endif
