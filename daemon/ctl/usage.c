/* usage.c: the commands, as texts for people; words.c has them for shells. */

#include "ctl/usage.h"

#include <string.h>

#include "base/nearest.h"
#include "ipc/control_words.h"

#define HELP_COLUMN 26 /* where the help of a command begins */

/* " [--wait] [--listener NAME] ID" */
static void
list_options(const struct control_word *word, char *line, size_t size)
{
	const struct control_option *option;
	size_t used = 0;

	line[0] = '\0';
	for (unsigned int i = 0; i < CONTROL_OPTIONS_MAX && used < size; i++) {
		option = &word->options[i];
		if (option->name == NULL)
			continue;
		if (option->bare)
			used += (size_t)snprintf(line + used, size - used,
			    option->kind == CONTROL_NUMBERS ? " [%s...]"
				: option->needed	    ? " %s"
							    : " [%s]",
			    option->value);
		else
			used += (size_t)snprintf(line + used, size - used,
			    " [--%s%s%s]", option->name,
			    option->value != NULL ? " " : "",
			    option->value != NULL ? option->value : "");
	}
}

void
usage_print(FILE *out)
{
	const struct control_word *word;
	char options[256], line[320];

	fprintf(out,
	    "usage: sluicectl [-s SOCKET] [--json] COMMAND\n"
	    "       sluicectl -V | --help\n"
	    "commands:\n");
	for (word = control_words; word < control_words + CONTROL_COMMANDS;
	     word++) {
		list_options(word, options, sizeof(options));
		snprintf(line, sizeof(line), "%s%s", word->name, options);
		if (strlen(line) <= HELP_COLUMN)
			fprintf(out, "  %-*s %s\n", HELP_COLUMN, line,
			    word->help);
		else
			fprintf(out, "  %s\n  %*s %s\n", line, HELP_COLUMN, "",
			    word->help);
	}
}

void
usage_help(void)
{
	usage_print(stdout);
	printf("\n"
	       "  -s SOCKET  the control socket (default: %s)\n"
	       "  --json     print the answer as it comes, in JSON\n"
	       "  --rates    after status: also print the rates per second;\n"
	       "             after conns: those of the next second\n"
	       "  -V         print the version\n",
	    SLUICE_CONTROL);
}

void
usage_print_command(FILE *out, enum control_command command)
{
	const struct control_word *word = &control_words[command];
	char options[256];

	list_options(word, options, sizeof(options));
	fprintf(out, "usage: sluicectl [-s SOCKET] %s%s%s%s\n  %s\n",
	    word->name, options,
	    command == CONTROL_STATUS || command == CONTROL_CONNS ? " [--rates]"
								  : "",
	    word->ours ? "" : " [--json]", word->help);
}

void
usage_unknown(const char *name)
{
	struct nearest nearest = NEAREST_NONE;

	for (int i = 0; i < CONTROL_COMMANDS; i++)
		nearest_try(&nearest, name, control_words[i].name);
	fprintf(stderr, "sluicectl: there is no command \"%s\"", name);
	if (nearest.word != NULL)
		fprintf(stderr, "; did you mean \"%s\"?", nearest.word);
	fprintf(stderr,
	    "\nusage: sluicectl [-s SOCKET] [--json] COMMAND\n"
	    "       sluicectl --help lists the commands\n");
}
