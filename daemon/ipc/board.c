/* board.c: the names of callbacks. */

#include "ipc/board.h"

static const char *const names[CALLBACKS] = {
	[CALLBACK_NONE] = "none",
	[CALLBACK_CHECK] = "check",
	[CALLBACK_START] = "start",
	[CALLBACK_RELOAD] = "reload",
	[CALLBACK_STOP] = "stop",
	[CALLBACK_MIGRATE] = "migrate",
	[CALLBACK_TIMER] = "timer",
	[CALLBACK_OPEN] = "open",
	[CALLBACK_DATA] = "data",
	[CALLBACK_DRAIN] = "drain",
	[CALLBACK_END] = "end",
	[CALLBACK_TIMEOUT] = "timeout",
	[CALLBACK_HANDSHAKE] = "handshake",
	[CALLBACK_ERROR] = "error",
	[CALLBACK_CONNECT_ERROR] = "connect_error",
	[CALLBACK_CLOSE] = "close",
	[CALLBACK_LOAD] = "load",
	[CALLBACK_UNLOAD] = "unload",
};

const char *
callback_name(unsigned int callback)
{
	return names[callback < CALLBACKS ? callback : CALLBACK_NONE];
}
