/* error.h: an error as a sentence, for the caller that decides what to do. */

#ifndef SLUICE_ERROR_H
#define SLUICE_ERROR_H

#define ERROR_TEXT_MAX 512

struct error {
	char text[ERROR_TEXT_MAX]; /* one line, no newline */
};

/* Set the text.  Returns -1, so that a caller can `return error_set(...)`. */
int error_set(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* The same, followed by ": " and error_text(errno).  Keeps errno. */
int error_sys(struct error *err, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * strerror(3), with advice where that says too little.  Static, good until the
 * next call.
 */
const char *error_text(int error);

#endif
