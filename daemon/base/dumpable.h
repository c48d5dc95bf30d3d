/*
 * dumpable.h: the value for prctl(PR_SET_DUMPABLE) in a process that has
 * secrets.
 */

#ifndef SLUICE_DUMPABLE_H
#define SLUICE_DUMPABLE_H

/*
 * A leak checker attaches to its own process at the end, so the process has to
 * be dumpable.
 */
#if defined(__SANITIZE_ADDRESS__)
#define DUMPABLE 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define DUMPABLE 1
#endif
#endif
#ifndef DUMPABLE
#define DUMPABLE 0
#endif

#endif
