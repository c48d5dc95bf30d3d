/* elf_needs.h: the libraries that a shared object asks the loader for. */

#ifndef SLUICE_ELF_NEEDS_H
#define SLUICE_ELF_NEEDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

struct elf_needs {
	char **names; /* DT_NEEDED, in order */
	size_t count;
	char *soname;  /* or NULL */
	char *runpath; /* directories, separated by colons; or NULL */
	/* The older RPATH; NULL if there is a runpath. */
	char *rpath;
};

/*
 * fd has passed elf_check().  Refuses a file that asks for libraries in another
 * way.  0, or -1 with one sentence that begins with path; elf_needs_done() may
 * be called in both cases.
 */
int elf_needs_read(struct elf_needs *needs, const char *path, int fd,
    uint64_t size, struct error *err);
void elf_needs_done(struct elf_needs *needs);

#endif
