/*
 * chargen.c: sends characters without end.  Shows output driven by `drain`:
 * fill the queue until it takes no more, and go on when `drain` is called.
 */

#include <sluice.h>

#define FIRST ' ' /* the printing characters of ASCII */
#define PRINTING 95
#define LINE_CHARS 72 /* as RFC 864 draws it */
#define LINE_BYTES (LINE_CHARS + 2)
#define PATTERN_BYTES (PRINTING * LINE_BYTES) /* then it repeats */

static char
char_at(size_t at)
{
	size_t line = at / LINE_BYTES, column = at % LINE_BYTES;

	if (column >= LINE_CHARS)
		return column == LINE_CHARS ? '\r' : '\n';
	return (char)(FIRST + (line + column) % PRINTING);
}

/*
 * The only state of a connection is its position in the pattern, which fits
 * into the user pointer itself.
 */
static void
fill(struct sl_conn *c)
{
	size_t at = (uintptr_t)sl_data(c);
	char buf[PATTERN_BYTES];
	ssize_t taken;

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = char_at((at + i) % PATTERN_BYTES);
	/* After each whole buffer the pattern starts again. */
	while ((taken = sl_write(c, buf, sizeof(buf))) == sizeof(buf))
		;
	if (taken > 0)
		at = (at + (size_t)taken) % PATTERN_BYTES;
	sl_set_data(c, (void *)(uintptr_t)at);
}

static int
chargen_open(struct sl_conn *c)
{
	fill(c);
	return 0;
}

/* RFC 864: input is thrown away. */
static ssize_t
chargen_data(struct sl_conn *c, const void *buf, size_t len)
{
	(void)c;
	(void)buf;
	return (ssize_t)len;
}

SL_PLUGIN(.name = "chargen", .version = "1.0",
    .summary = "sends characters without end (RFC 864)",
    .flags = SL_MANY_WORKERS | SL_UNLOADABLE, .state_version = 1,
    .server = SL_HANDLERS(.open = chargen_open, .data = chargen_data,
	.drain = fill));
