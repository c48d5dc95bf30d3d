/*
 * doing.h: what a worker is doing, in words, for the log and for sluicectl.  It
 * is known from the board, which workers write, and from the kernel.
 */

#ifndef SLUICE_MASTER_DOING_H
#define SLUICE_MASTER_DOING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gen;
struct worker_row;

#define DOING_MAX 512

/*
 * "callback data of plugin chat (listener room)", "loading of /lib/chat.so":
 * the meaning of `callback` and `code` on the board.  next: what is being
 * prepared, or NULL.
 */
void doing_name(const struct worker_row *worker, const struct gen *next,
    uint32_t callback, uint64_t code, char *text, size_t size);

/*
 * "plugin chat (listener room)": whose the last callback was, while none runs.
 * Returns false when that is not known.
 */
bool doing_last(const struct worker_row *worker, uint64_t code, char *text,
    size_t size);

/*
 * Why it does not answer: "it is stopped by a debugger (process 7)", "callback
 * data of plugin chat (listener room) has been running for 900 ms".
 */
void doing_text(const struct worker_row *worker, const struct gen *next,
    char text[DOING_MAX]);

#endif
