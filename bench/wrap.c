/*
 * wrap.c: for LD_PRELOAD.  Runs sluiced's worker under another program, so that
 * bench/run can count its instructions.  valgrind cannot follow the daemon into
 * /proc/self/exe, which under valgrind is valgrind itself.
 *
 * BENCH_WRAP	the program and its arguments, separated by spaces
 * BENCH_EXE	the path of sluiced
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ARGS_MAX 32 /* some for the wrapper, three for the worker */

extern char **environ;

static char *words, *exe;

/* At execv(3) the environment is already gone. */
__attribute__((constructor)) static void
remember(void)
{
	const char *wrap = getenv("BENCH_WRAP"), *path = getenv("BENCH_EXE");

	words = wrap != NULL ? strdup(wrap) : NULL;
	exe = path != NULL ? strdup(path) : NULL;
}

__attribute__((visibility("default"))) int
execv(const char *path, char *const argv[])
{
	char *args[ARGS_MAX], *word, *rest;
	int n = 0;

	if (words == NULL || exe == NULL || argv[0] == NULL ||
	    argv[1] == NULL || argv[2] == NULL ||
	    strcmp(argv[2], "worker") != 0)
		return execve(path, argv, environ);
	unsetenv("LD_PRELOAD");
	for (word = strtok_r(words, " ", &rest); word != NULL;
	     word = strtok_r(NULL, " ", &rest))
		if (n < ARGS_MAX / 2)
			args[n++] = word;
	args[n++] = exe;
	for (int i = 1; argv[i] != NULL && n < ARGS_MAX - 1; i++)
		args[n++] = argv[i];
	args[n] = NULL;
	if (n < 2) {
		errno = EINVAL;
		return -1;
	}
	return execvp(args[0], args);
}
