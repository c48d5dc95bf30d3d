/*
 * elf_file.h: an ELF shared object, read with pread(2), without trusting
 * anything in it: an offset outside the file is an error, not a crash.
 */

#ifndef SLUICE_ELF_FILE_H
#define SLUICE_ELF_FILE_H

#include <link.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct error;

#define ELF_STRING_MAX 4096 /* a longer name means damage */

struct elf_file {
	const char *path; /* borrowed, for messages */
	int fd;		  /* borrowed */
	uint64_t size;
	ElfW(Ehdr) head;
	ElfW(Phdr) *segments; /* head.e_phnum */
	ElfW(Dyn) *dynamic;   /* without the DT_NULL at its end */
	size_t dynamic_count;
};

/*
 * Read the header, the segments and the dynamic section.  Refuses what is not a
 * shared object for this machine, and what is cut short.  Returns 0, or -1 with
 * one sentence that begins with path; elf_file_done() may be called then, too.
 */
int elf_file_read(struct elf_file *elf, const char *path, int fd, uint64_t size,
    struct error *err);
void elf_file_done(struct elf_file *elf);

/* Does this range lie in the file? */
bool elf_file_within(const struct elf_file *elf, uint64_t offset, uint64_t len);
int elf_file_cut_short(const struct elf_file *elf, const char *what,
    struct error *err); /* -1 */

/* The last entry of this tag in the dynamic section, which is what counts. */
bool elf_file_dynamic(const struct elf_file *elf, ElfW(Sxword) tag,
    uint64_t *ret_value);

/* The offset in the file of what is loaded at this address. false: none. */
bool elf_file_find(const struct elf_file *elf, uint64_t address, uint64_t len,
    uint64_t *ret_offset);
/* The same, and read it. */
bool elf_file_load(const struct elf_file *elf, uint64_t address, void *to,
    size_t len);

/* A string of the dynamic section, owned by the caller; NULL: none. */
char *elf_file_string(const struct elf_file *elf, uint64_t at);

#endif
