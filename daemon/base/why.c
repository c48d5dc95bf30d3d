/* why.c: the table of reasons for which connections end. */

#include "base/why.h"

#include <stddef.h>

/* When you add a reason, change WHY_ROWS too. */
static const struct {
	const char *word;
	const char *text;
	bool error;
} reasons[WHY_ROWS] = {
	[SL_WHY_NONE] = { "none", "no reason", false },
	[SL_WHY_PEER] = { "peer", "the peer finished", false },
	[SL_WHY_LOCAL] = { "local", "closed by the plugin", false },
	[SL_WHY_RESET] = { "reset", "the connection broke", true },
	[SL_WHY_IDLE] = { "idle", "no traffic for the idle timeout", false },
	[SL_WHY_WRITE_STALL] = { "write-stall",
	    "the peer took no output, or too little, for too long", true },
	[SL_WHY_INPUT_LIMIT] = { "input-limit",
	    "a frame does not fit limits.read_buffer", true },
	[SL_WHY_HANDSHAKE] = { "handshake", "the TLS handshake failed", true },
	[SL_WHY_TLS] = { "tls", "a TLS error", true },
	[SL_WHY_TRUNCATED] = { "truncated",
	    "end of file without a TLS close_notify", true },
	[SL_WHY_PLUGIN] = { "plugin", "a callback returned a negative value",
	    false },
	[SL_WHY_RELOAD] = { "reload", "closed by a reload", false },
	[SL_WHY_SHUTDOWN] = { "shutdown", "the daemon is ending", false },
	[SL_WHY_RESOLVE] = { "resolve", "could not look up the name", true },
	[SL_WHY_CONNECT] = { "connect", "could not connect", true },
	[SL_WHY_MEMORY] = { "memory", "out of memory", true },
	[SL_WHY_STOP] = { "stop", "the listener was stopped", false },
	[SL_WHY_UNDELIVERED] = { "undelivered",
	    "ended before the peer had acknowledged all output", true },
	[SL_WHY_PROXY] = { "proxy", "no valid PROXY header", true },
	[SL_WHY_LIMIT] = { "limit", "the client is over a limit, or not let in",
	    false },
	[SL_WHY_KILLED] = { "killed", "ended by the operator", false },
	[SL_WHY_LIFETIME] = { "lifetime", "it was open for max_lifetime",
	    false },
};

const char *
why_word(unsigned int why)
{
	return reasons[why < WHY_ROWS ? why : SL_WHY_NONE].word;
}

const char *
why_text(unsigned int why)
{
	return reasons[why < WHY_ROWS ? why : SL_WHY_NONE].text;
}

bool
why_is_error(unsigned int why)
{
	return reasons[why < WHY_ROWS ? why : SL_WHY_NONE].error;
}

bool
why_is_wanted(unsigned int why)
{
	return why == SL_WHY_PEER || why == SL_WHY_LOCAL || why == SL_WHY_STOP;
}

const char *
why_stage_word(unsigned int stage)
{
	static const char *const words[] = {
		[SL_STAGE_NONE] = "none",
		[SL_STAGE_RESOLVE] = "resolve",
		[SL_STAGE_CONNECT] = "connect",
		[SL_STAGE_TLS] = "tls",
		[SL_STAGE_TIMEOUT] = "timeout",
		[SL_STAGE_READ] = "read",
		[SL_STAGE_WRITE] = "write",
	};
	const size_t count = sizeof(words) / sizeof(words[0]);

	return words[stage < count ? stage : SL_STAGE_NONE];
}
