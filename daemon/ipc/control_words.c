/* control_words.c: what can be asked of a running sluiced. */

#include "ipc/control_words.h"

#include <string.h>

const struct control_word control_words[CONTROL_COMMANDS] = {
	[CONTROL_STATUS] = { .name = "status",
	    .on_page = true,
	    .help = "what is served, by whom, and how the last reload went" },
	[CONTROL_RELOAD] = { .name = "reload",
	    .help = "read configuration and plugins again",
	    .options = { [CONTROL_RELOAD_WAIT] = { .name = "wait" },
		[CONTROL_RELOAD_FORCE] = { .name = "force" } } },
	[CONTROL_CONFIG] = { .name = "config",
	    .help = "the configuration in force, with defaults and lines",
	    .options = { [CONTROL_CONFIG_LISTENER] = { .name = "listener",
			     .kind = CONTROL_TEXT,
			     .value = "NAME" },
		[CONTROL_CONFIG_SET] = { .name = "set" } } },
	[CONTROL_DIFF] = { .name = "diff",
	    .help = "what a reload would change" },
	[CONTROL_EVENTS] = { .name = "events",
	    .help = "follow what happens, until it is interrupted",
	    .options = { [CONTROL_EVENTS_KIND] = { .name = "kind",
			     .kind = CONTROL_TEXT,
			     .value = "verdict|rollback|canary|crash|hang|slow|"
				      "certificate|listener|command|stop" } } },
	[CONTROL_GENERATIONS] = { .name = "generations",
	    .help = "which generations still have connections" },
	[CONTROL_ROLLBACK] = { .name = "rollback",
	    .help = "go back to the generation before this one" },
	[CONTROL_CRASHES] = { .name = "crashes",
	    .on_page = true,
	    .help = "how the last workers died" },
	[CONTROL_CONNS] = { .name = "conns",
	    .help = "the open connections",
	    .options = { [CONTROL_CONNS_LISTENER] = { .name = "listener",
			     .kind = CONTROL_TEXT,
			     .value = "NAME" },
		[CONTROL_CONNS_ADDRESS] = { .name = "address",
		    .kind = CONTROL_TEXT,
		    .value = "CIDR" },
		[CONTROL_CONNS_STATE] = { .name = "state",
		    .kind = CONTROL_TEXT,
		    .value = "connecting|handshake|open|read-closed|"
			     "write-closed|closing" },
		[CONTROL_CONNS_SORT] = { .name = "sort",
		    .kind = CONTROL_TEXT,
		    .value = "age|idle|in|out|queue|rate" },
		[CONTROL_CONNS_LIMIT] = { .name = "limit",
		    .kind = CONTROL_NUMBER,
		    .value = "N" } } },
	[CONTROL_KILL] = { .name = "kill",
	    .help = "end connections at once",
	    .options = { [CONTROL_KILL_IDS] = { .name = "ids",
			     .kind = CONTROL_NUMBERS,
			     .value = "ID",
			     .bare = true },
		[CONTROL_KILL_LISTENER] = { .name = "listener",
		    .kind = CONTROL_TEXT,
		    .value = "NAME" },
		[CONTROL_KILL_ADDRESS] = { .name = "address",
		    .kind = CONTROL_TEXT,
		    .value = "CIDR" } } },
	[CONTROL_METRICS] = { .name = "metrics",
	    .help = "all counts, as Prometheus reads them",
	    .options = { [CONTROL_METRICS_OPEN] = { .name = "openmetrics" } } },
	[CONTROL_TOP] = { .name = "top",
	    .help = "a screen of what happens now",
	    .ours = true },
	[CONTROL_LOG_LEVEL] = { .name = "log-level",
	    .help = "what is logged until the next reload",
	    .options = { [CONTROL_LOG_LEVEL_LEVEL] = { .name = "level",
			     .kind = CONTROL_TEXT,
			     .value = "error|warn|info|debug",
			     .bare = true,
			     .needed = true } } },
	[CONTROL_DRAIN] = { .name = "drain",
	    .help = "let a listener accept no more, and serve what it has",
	    .options = { [CONTROL_DRAIN_LISTENER] = { .name = "listener",
			     .kind = CONTROL_TEXT,
			     .value = "NAME",
			     .bare = true,
			     .needed = true } } },
	[CONTROL_UNDRAIN] = { .name = "undrain",
	    .help = "let it accept again",
	    .options = { [CONTROL_DRAIN_LISTENER] = { .name = "listener",
			     .kind = CONTROL_TEXT,
			     .value = "NAME",
			     .bare = true,
			     .needed = true } } },
	[CONTROL_WORKERS] = { .name = "workers",
	    .help = "replace a worker, or all one by one; nothing is lost",
	    .options = { [CONTROL_WORKERS_ACTION] = { .name = "action",
			     .kind = CONTROL_TEXT,
			     .value = "recycle",
			     .bare = true,
			     .needed = true },
		[CONTROL_WORKERS_WORKER] = { .name = "worker",
		    .kind = CONTROL_NUMBER,
		    .value = "N",
		    .bare = true } } },
	[CONTROL_UPGRADE] = { .name = "upgrade",
	    .help = "execute the new sluiced in place of the running one" },
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
	return command == CONTROL_ROLLBACK || command == CONTROL_DIFF ||
	    command == CONTROL_DRAIN || command == CONTROL_UNDRAIN ||
	    command == CONTROL_WORKERS || command == CONTROL_UPGRADE ||
	    (command == CONTROL_RELOAD &&
		values->of[CONTROL_RELOAD_WAIT] != NULL);
}
