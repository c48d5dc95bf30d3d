/* control_words.c: what can be asked of a running sluiced. */

#include "ipc/control_words.h"

#include <string.h>

const struct control_word control_words[CONTROL_COMMANDS] = {
	[CONTROL_STATUS] = { "status",
	    "what is served, by whom, and how the last reload went", { NULL } },
	[CONTROL_RELOAD] = { "reload", "read configuration and plugins again",
	    { "wait", "force" } },
	[CONTROL_GENERATIONS] = { "generations",
	    "which generations still have connections", { NULL } },
	[CONTROL_ROLLBACK] = { "rollback",
	    "go back to the generation before this one", { NULL } },
	[CONTROL_CRASHES] = { "crashes", "how the last workers died",
	    { NULL } },
};

enum control_command
control_command(const char *name)
{
	enum control_command command;

	for (command = 0; command < CONTROL_COMMANDS; command++)
		if (strcmp(control_words[command].name, name) == 0)
			break;
	return command;
}

unsigned int
control_flag(enum control_command command, const char *flag)
{
	for (unsigned int i = 0; i < CONTROL_FLAGS_MAX; i++)
		if (control_words[command].flags[i] != NULL &&
		    strcmp(control_words[command].flags[i], flag) == 0)
			return 1u << i;
	return 0;
}

bool
control_waits(enum control_command command, unsigned int flags)
{
	return command == CONTROL_ROLLBACK ||
	    (command == CONTROL_RELOAD && flags & CONTROL_RELOAD_WAIT);
}
