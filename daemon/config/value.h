/*
 * value.h: durations and sizes, as people write them: in the configuration, in
 * a plugin's options, in logs.
 */

#ifndef SLUICE_VALUE_H
#define SLUICE_VALUE_H

#include <stdint.h>

struct error;

#define VALUE_DURATION_MAX (3650ull * 24 * 3600 * 1000) /* ms; ten years */
#define VALUE_SIZE_MAX (1ull << 50) /* bytes; far above any memory */
#define VALUE_TEXT_MAX 32

/*
 * "250ms", "10s", "1.5m", "1h", "7d", or "0".  Returns 0, or -1 with a
 * sentence in err that quotes the text.
 */
int value_duration(const char *text, uint64_t *ret_ms, struct error *err);

/* A number without a unit is seconds. */
int value_duration_seconds(double seconds, uint64_t *ret_ms, struct error *err);

/* "512", "512B", "64KiB", "1.5MiB", "1GiB"; K, M and G mean the same. */
int value_size(const char *text, uint64_t *ret_bytes, struct error *err);

/*
 * Back to text, in the largest unit that is exact: "90s", "64KiB".  Return
 * text.
 */
const char *value_duration_text(uint64_t ms, char text[VALUE_TEXT_MAX]);
const char *value_size_text(uint64_t bytes, char text[VALUE_TEXT_MAX]);

#endif
