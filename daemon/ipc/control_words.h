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
#define CONTROL_FLAGS_MAX 3

enum control_command {
	CONTROL_STATUS,
	CONTROL_RELOAD,
	CONTROL_GENERATIONS,
	CONTROL_ROLLBACK,
	CONTROL_CRASHES,
	CONTROL_COMMANDS
};

struct control_word {
	const char *name;
	const char *help; /* one line */
	/* Each true or absent; bit number is the place. */
	const char *flags[CONTROL_FLAGS_MAX];
};

extern const struct control_word control_words[CONTROL_COMMANDS];

/* Bits of the flags. */
#define CONTROL_RELOAD_WAIT 0x1u
#define CONTROL_RELOAD_FORCE 0x2u

/* The command of that name, or CONTROL_COMMANDS. */
enum control_command control_command(const char *name);

/* The bit of a flag of the command; 0: it has none of that name. */
unsigned int control_flag(enum control_command command, const char *flag);

/*
 * Is the answer a verdict, which takes as long as a reload?  All others come at
 * once.
 */
bool control_waits(enum control_command command, unsigned int flags);

#endif
