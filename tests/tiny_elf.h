/* tiny_elf.h: a file that the checks of image.h accept, made on the spot. */

#ifndef SLUICE_TESTS_TINY_ELF_H
#define SLUICE_TESTS_TINY_ELF_H

#include <elf.h>
#include <link.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The smallest file that passes: a loadable, a dynamic and a stack segment, and
 * a section table at the end.  It needs no compiler, and a test can change any
 * field.
 */
struct tiny {
	ElfW(Ehdr) head;
	ElfW(Phdr) segments[3];
	char names[16];
	char strings[64];
	ElfW(Dyn) dynamic[12];
	ElfW(Sym) symbols[2];
	uint32_t hash[5];     /* DT_HASH: 1 bucket, 2 chains */
	uint32_t gnu_hash[8]; /* 1 bucket, from symbol 1, 1 word of filter */
	ElfW(Rela) relocation;
	ElfW(Shdr) sections[2];
};

extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

static inline struct tiny
tiny(void)
{
	struct tiny t;

	memset(&t, 0, sizeof(t));
	t.head = __ehdr_start;
	t.head.e_type = ET_DYN;
	t.head.e_phoff = offsetof(struct tiny, segments);
	t.head.e_phentsize = sizeof(t.segments[0]);
	t.head.e_phnum = 3;
	t.head.e_shoff = offsetof(struct tiny, sections);
	t.head.e_shentsize = sizeof(t.sections[0]);
	t.head.e_shnum = 2;
	t.head.e_shstrndx = 1;
	t.segments[0].p_type = PT_LOAD;
	t.segments[0].p_filesz = sizeof(t);
	t.segments[1].p_type = PT_DYNAMIC;
	t.segments[1].p_offset = offsetof(struct tiny, dynamic);
	t.segments[1].p_filesz = sizeof(t.dynamic);
	t.segments[2].p_type = PT_GNU_STACK;
	t.segments[2].p_flags = PF_R | PF_W;
	t.sections[1].sh_type = SHT_STRTAB;
	t.sections[1].sh_offset = offsetof(struct tiny, names);
	t.sections[1].sh_size = sizeof(t.names);
	return t;
}

/* Set, or add, an entry of the dynamic section; the last one stays DT_NULL. */
static inline void
tiny_dynamic(struct tiny *t, ElfW(Sxword) tag, ElfW(Xword) value)
{
	size_t i;

	for (i = 0; i < sizeof(t->dynamic) / sizeof(t->dynamic[0]) - 2; i++)
		if (t->dynamic[i].d_tag == tag ||
		    t->dynamic[i].d_tag == DT_NULL)
			break;
	t->dynamic[i].d_tag = tag;
	t->dynamic[i].d_un.d_val = value;
}

/* Add an entry of a kind that may be there several times. */
static inline void
tiny_dynamic_more(struct tiny *t, ElfW(Sxword) tag, ElfW(Xword) value)
{
	size_t i = 0;

	while (t->dynamic[i].d_tag != DT_NULL)
		i++;
	t->dynamic[i].d_tag = tag;
	t->dynamic[i].d_un.d_val = value;
}

/* Add a string to the string table.  Returns its offset. */
static inline ElfW(Xword)
tiny_string(struct tiny *t, const char *string)
{
	size_t at = 1;

	while (t->strings[at] != '\0')
		at += strlen(t->strings + at) + 1;
	strcpy(t->strings + at, string);
	tiny_dynamic(t, DT_STRTAB, offsetof(struct tiny, strings));
	tiny_dynamic(t, DT_STRSZ, sizeof(t->strings));
	return at;
}

/* Define a symbol, which is found by DT_HASH or DT_GNU_HASH. */
static inline void
tiny_symbol(struct tiny *t, const char *name, unsigned int binding,
    ElfW(Sxword) table)
{
	const uint32_t hash[] = { 1, 2, 1, 0, 0 };
	const uint32_t gnu_hash[] = { 1, 1, 1, 0, 0, 0, 1, 1 };

	memcpy(t->hash, hash, sizeof(hash));
	memcpy(t->gnu_hash, gnu_hash, sizeof(gnu_hash));
	t->symbols[1].st_name = (ElfW(Word))tiny_string(t, name);
	t->symbols[1].st_info = ELF64_ST_INFO(binding, STT_OBJECT);
	t->symbols[1].st_shndx = 1;
	tiny_dynamic(t, DT_SYMTAB, offsetof(struct tiny, symbols));
	tiny_dynamic(t, table,
	    table == DT_HASH ? offsetof(struct tiny, hash)
			     : offsetof(struct tiny, gnu_hash));
}

#endif
