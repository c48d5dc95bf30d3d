/*
 * control_words.h: the commands of the control socket, as the daemon takes
 * them and sluicectl offers them.  To add one, add it here, give it its place
 * in the daemon (master/control_commands.c) and its text for people
 * (ctl/print.c), and describe it in man/sluicectl.8.
 *
 * A client sends one line, a JSON object, and gets one line, a JSON object:
 *	{"command": "reload", "wait": true}
 *	{"ok": true, "generation": 4, "verdict": "generation 4 ready: ..."}
 * What goes wrong is {"ok": false, "error": "a sentence"}, with "busy": true
 * when there were too many clients and the same may work a little later, or
 * with "denied": true when this user may not ask.
 */

#ifndef SLUICE_CONTROL_WORDS_H
#define SLUICE_CONTROL_WORDS_H

#include <stdbool.h>

#define CONTROL_REQUEST_MAX 4096 /* with its newline */
#define CONTROL_OPTIONS_MAX 6
#define CONTROL_NUMBERS_MAX 200

enum control_command {
	CONTROL_STATUS,
	CONTROL_RELOAD,
	CONTROL_CONFIG,
	CONTROL_DIFF,
	CONTROL_EVENTS,
	CONTROL_GENERATIONS,
	CONTROL_ROLLBACK,
	CONTROL_CRASHES,
	CONTROL_CONNS,
	CONTROL_KILL,
	CONTROL_METRICS, /* the same answer as to `status` */
	CONTROL_LOG_LEVEL,
	CONTROL_TOP,
	CONTROL_DRAIN,
	CONTROL_UNDRAIN,
	CONTROL_WORKERS,
	CONTROL_UPGRADE,
	CONTROL_COMMANDS
};

/* How the value of an option looks in the request. */
enum control_kind {
	CONTROL_FLAG,	 /* true, or the option is absent */
	CONTROL_TEXT,	 /* a string */
	CONTROL_NUMBER,	 /* not negative */
	CONTROL_NUMBERS, /* a list of these, up to CONTROL_NUMBERS_MAX */
};

struct control_option {
	const char *name; /* of the member; --NAME in sluicectl */
	enum control_kind kind;
	/* What the value is called in the usage: "NAME"; NULL for a flag. */
	const char *value;
	bool bare;   /* it is written without --NAME */
	bool needed; /* it may not be left out */
};

struct control_word {
	const char *name;
	const char *help; /* one line */
	/* The status process may ask it, though it reads foreign input. */
	bool ours; /* of sluicectl alone: the daemon does not know it */
	bool on_page;
	struct control_option options[CONTROL_OPTIONS_MAX];
};

extern const struct control_word control_words[CONTROL_COMMANDS];

/* Places among the options. */
enum { CONTROL_RELOAD_WAIT, CONTROL_RELOAD_FORCE };
enum {
	CONTROL_CONNS_LISTENER,
	CONTROL_CONNS_ADDRESS,
	CONTROL_CONNS_STATE,
	CONTROL_CONNS_SORT,
	CONTROL_CONNS_LIMIT,
};
enum { CONTROL_CONFIG_LISTENER, CONTROL_CONFIG_SET };
enum { CONTROL_EVENTS_KIND };
enum { CONTROL_METRICS_OPEN };
enum { CONTROL_WORKERS_ACTION, CONTROL_WORKERS_WORKER };
enum { CONTROL_DRAIN_LISTENER }; /* the same of undrain */
enum { CONTROL_LOG_LEVEL_LEVEL };
enum { CONTROL_KILL_IDS, CONTROL_KILL_LISTENER, CONTROL_KILL_ADDRESS };

/*
 * What is asked of a command: text by the place of the option, NULL where it is
 * not given.  That of a flag is any, of a number its digits, of several numbers
 * their digits with commas between.
 */
struct control_values {
	const char *of[CONTROL_OPTIONS_MAX];
};

/* The command of that name, or CONTROL_COMMANDS. */
enum control_command control_command(const char *name);

/* The place of an option of the command; -1: it has none of that name. */
int control_option(enum control_command command, const char *name);

/*
 * Is the answer a verdict, which takes as long as a reload?  All others come at
 * once.
 */
bool control_waits(enum control_command command,
    const struct control_values *values);

#endif
