/* control_words.c: what can be asked of a running sluiced. */

#include "ipc/control_words.h"

#include <string.h>

const struct control_word control_words[CONTROL_COMMANDS] = {
	[CONTROL_STATUS] = { .name = "status",
	    .help = "what is served, by whom, and how the last reload went" },
	[CONTROL_RELOAD] = { .name = "reload",
	    .help = "read configuration and plugins again",
	    .options = { [CONTROL_RELOAD_WAIT] = { .name = "wait" },
		[CONTROL_RELOAD_FORCE] = { .name = "force" } } },
	[CONTROL_GENERATIONS] = { .name = "generations",
	    .help = "which generations still have connections" },
	[CONTROL_ROLLBACK] = { .name = "rollback",
	    .help = "go back to the generation before this one" },
	[CONTROL_CRASHES] = { .name = "crashes",
	    .help = "how the last workers died" },
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

int
control_option(enum control_command command, const char *name)
{
	const struct control_option *options = control_words[command].options;

	for (int i = 0; i < CONTROL_OPTIONS_MAX; i++)
		if (options[i].name != NULL &&
		    strcmp(options[i].name, name) == 0)
			return i;
	return -1;
}

bool
control_waits(enum control_command command, const struct control_values *values)
{
	return command == CONTROL_ROLLBACK ||
	    (command == CONTROL_RELOAD &&
		values->of[CONTROL_RELOAD_WAIT] != NULL);
}
