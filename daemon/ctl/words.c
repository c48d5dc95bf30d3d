/* words.c: commands, their options, and the values that an option may have. */

#include "ctl/words.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "ipc/control_words.h"

/* "age|idle|in": one on each line.  Other values, such as NAME, are free. */
static void
print_values(const char *values)
{
	size_t length;

	if (strchr(values, '|') == NULL)
		return;
	for (;; values += length + 1) {
		length = strcspn(values, "|");
		printf("%.*s\n", (int)length, values);
		if (values[length] == '\0')
			return;
	}
}

static void
print_commands(void)
{
	for (int i = 0; i < CONTROL_COMMANDS; i++)
		puts(control_words[i].name);
}

/* Those that are not given yet. */
static void
print_options(const struct control_word *word, char *const *given)
{
	const struct control_option *option;
	bool known;

	for (int i = 0; i < CONTROL_OPTIONS_MAX; i++) {
		option = &word->options[i];
		known = option->name == NULL;
		for (char *const *one = given; !known && *one != NULL; one++)
			known = strncmp(*one, "--", 2) == 0 &&
			    strcmp(*one + 2, option->name) == 0;
		if (known)
			continue;
		if (option->bare)
			print_values(option->value);
		else
			printf("--%s\n", option->name);
	}
	if (word == &control_words[CONTROL_STATUS] ||
	    word == &control_words[CONTROL_CONNS])
		puts("--rates"); /* our own, not the daemon's */
	if (!word->ours)
		puts("--json");
}

/* The option that the last word names and that wants a value, or NULL. */
static const struct control_option *
wants_value(enum control_command command, const char *last)
{
	int place = strncmp(last, "--", 2) == 0
	    ? control_option(command, last + 2)
	    : -1;
	const struct control_option *option;

	if (place == -1)
		return NULL;
	option = &control_words[command].options[place];
	return option->kind != CONTROL_FLAG && !option->bare ? option : NULL;
}

void
print_words(char *const *before)
{
	const struct control_option *option;
	enum control_command command;
	char *const *last;

	/* Our own options stand in front of the command. */
	for (; *before != NULL && **before == '-'; before++)
		if (strcmp(*before, "-s") == 0 && *++before == NULL)
			return; /* any file */
	if (*before == NULL) {
		print_commands();
		puts("help\n--json\n-s");
		return;
	}
	if (strcmp(*before, "help") == 0) {
		if (before[1] == NULL)
			print_commands();
		return;
	}
	command = control_command(*before);
	if (command == CONTROL_COMMANDS)
		return;
	for (last = before++; last[1] != NULL;)
		last++;
	option = wants_value(command, *last);
	if (option != NULL)
		print_values(option->value);
	else
		print_options(&control_words[command], before);
}
