/* check_image.c: which files may become a plugin image. */

#include "fixture.h"
#include "tiny_elf.h"

#include <limits.h>
#include <link.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/error.h"
#include "base/memfd.h"
#include "image/elf_needs.h"
#include "image/image.h"

static void
refused(const void *data, size_t len, const char *part)
{
	struct image image = { .fd = -1 };
	struct error err = { "" };
	const char *path = fixture_file("bad.so", data, len);

	ck_assert_msg(image_open(path, &image, &err) == -1, "accepted: %s",
	    part);
	ck_assert_int_eq(image.fd, -1);
	ck_assert_msg(strstr(err.text, part) != NULL, "%s", err.text);
	ck_assert_msg(strncmp(err.text, path, strlen(path)) == 0, "%s",
	    err.text);
}

START_TEST(an_image_is_sealed_and_known_by_its_hash)
{
	static const uint8_t abc[IMAGE_HASH_SIZE] = { 0xba, 0x78, 0x16, 0xbf };
	struct image a = { .fd = -1 }, b = { .fd = -1 };
	struct tiny t = tiny();
	struct error err = { "" };
	char hash[9];

	ck_assert_msg(
	    image_open(fixture_file("a.so", &t, sizeof(t)), &a, &err) == 0,
	    "%s", err.text);
	ck_assert(memfd_is_sealed(a.fd));
	ck_assert_int_eq(fcntl(a.fd, F_GETFD), FD_CLOEXEC);
	ck_assert_uint_eq(a.size, sizeof(t));
	ck_assert_int_eq(write(a.fd, "x", 1), -1);
	ck_assert_int_eq(ftruncate(a.fd, 1), -1);
	ck_assert_int_eq(
	    image_open(fixture_file("b.so", &t, sizeof(t)), &b, &err), 0);
	ck_assert_mem_eq(a.hash, b.hash, IMAGE_HASH_SIZE);
	image_close(&b);
	image_close(&b);
	t.names[0] = 'x';
	ck_assert_int_eq(
	    image_open(fixture_file("b.so", &t, sizeof(t)), &b, &err), 0);
	ck_assert_mem_ne(a.hash, b.hash, IMAGE_HASH_SIZE);
	image_close(&a);
	image_close(&b);
	ck_assert_str_eq(image_short_hash(abc, hash), "ba7816bf");
}
END_TEST

START_TEST(an_image_can_be_mapped_for_execution)
{
	struct image image = { .fd = -1 };
	struct tiny t = tiny();
	struct error err = { "" };
	void *map;

	ck_assert_int_eq(
	    image_open(fixture_file("a.so", &t, sizeof(t)), &image, &err), 0);
	map = mmap(NULL, sizeof(t), PROT_READ | PROT_EXEC, MAP_PRIVATE,
	    image.fd, 0);
	ck_assert_ptr_ne(map, MAP_FAILED);
	ck_assert_mem_eq(map, &t, sizeof(t));
	munmap(map, sizeof(t));
	image_close(&image);
}
END_TEST

START_TEST(a_real_shared_object_passes)
{
	struct image image = { .fd = -1 };
	struct link_map *map;
	struct error err = { "" };

	/* Libraries of this process.  Not the C library, which has static TLS. */
	for (map = _r_debug.r_map; map != NULL; map = map->l_next) {
		if (strstr(map->l_name, "libcrypto.so") != NULL) {
			ck_assert_msg(image_open(map->l_name, &image, &err) ==
				0,
			    "%s", err.text);
			image_close(&image);
		} else if (strstr(map->l_name, "libc.so") != NULL) {
			ck_assert_int_eq(image_open(map->l_name, &image, &err),
			    -1);
			ck_assert_ptr_nonnull(strstr(err.text, "thread-local"));
		}
	}
}
END_TEST

START_TEST(what_is_not_a_regular_file_is_refused_at_once)
{
	struct image image = { .fd = -1 };
	struct error err;

	ck_assert_int_eq(image_open(fixture_path("missing"), &image, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "missing: No such file"));
	ck_assert_int_eq(image_open(fixture_dir, &image, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "directory"));
	ck_assert_int_eq(image_open("/dev/zero", &image, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
	ck_assert_int_eq(mkfifo(fixture_path("fifo"), 0644), 0);
	ck_assert_int_eq(image_open(fixture_path("fifo"), &image, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "not a regular file"));
	ck_assert_int_eq(
	    truncate(fixture_text("large", ""), (off_t)IMAGE_SIZE_MAX + 1), 0);
	ck_assert_int_eq(image_open(fixture_path("large"), &image, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "at most"));
	ck_assert_int_eq(image.fd, -1);
}
END_TEST

/* A rename into place does not disturb a reader of the old file. */
START_TEST(a_file_that_is_replaced_while_it_is_read_is_whole)
{
	struct image image = { .fd = -1 };
	struct error err = { "" };
	struct tiny t = tiny();
	char from[PATH_MAX], path[PATH_MAX];
	pid_t pid;

	snprintf(path, sizeof(path), "%s", fixture_file("a.so", &t, sizeof(t)));
	snprintf(from, sizeof(from), "%s", fixture_path("new.so"));
	pid = fork();
	ck_assert_int_ne(pid, -1);
	while (pid == 0) {
		int fd = open(from, O_CREAT | O_WRONLY | O_CLOEXEC, 0700);

		if (fd == -1 || write(fd, &t, sizeof(t)) != sizeof(t) ||
		    close(fd) == -1 || rename(from, path) == -1)
			_exit(1);
	}
	for (int i = 0; i < 2000; i++) {
		ck_assert_msg(image_open(path, &image, &err) == 0, "%s",
		    err.text);
		image_close(&image);
	}
	kill(pid, SIGKILL);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
}
END_TEST

START_TEST(text_and_empty_files_have_their_own_error)
{
	refused("", 0, "is empty");
	refused("#!/bin/sh\n", 10, "not a shared object");
	refused("\x7f", 1, "not a shared object");
	refused("\x7f"
		"ELF",
	    4, "is cut short");
}
END_TEST

START_TEST(other_kinds_of_elf_are_refused)
{
	struct tiny t = tiny();

	t.head.e_machine = EM_S390;
	refused(&t, sizeof(t), "another machine");
	t = tiny();
	t.head.e_ident[EI_CLASS] ^= 3;
	refused(&t, sizeof(t), "another machine");
	t = tiny();
	t.head.e_ident[EI_DATA] ^= 3;
	refused(&t, sizeof(t), "another machine");
	t = tiny();
	t.head.e_type = ET_REL;
	refused(&t, sizeof(t), "object file");
	t = tiny();
	t.head.e_type = ET_EXEC;
	refused(&t, sizeof(t), "-shared");
	t = tiny();
	t.segments[1].p_type = PT_NOTE;
	refused(&t, sizeof(t), "nothing to load");
}
END_TEST

START_TEST(an_executable_stack_is_refused)
{
	struct tiny t = tiny();

	t.segments[2].p_flags |= PF_X;
	refused(&t, sizeof(t), "executable stack");
	t = tiny();
	t.segments[2].p_type = PT_NULL;
	refused(&t, sizeof(t), "executable stack");
}
END_TEST

START_TEST(static_tls_is_refused)
{
	struct image image = { .fd = -1 };
	struct tiny t = tiny();
	struct error err;

	tiny_dynamic(&t, DT_FLAGS, DF_BIND_NOW);
	ck_assert_msg(
	    image_open(fixture_file("a.so", &t, sizeof(t)), &image, &err) == 0,
	    "%s", err.text);
	image_close(&image);
	tiny_dynamic(&t, DT_FLAGS, DF_BIND_NOW | DF_STATIC_TLS);
	refused(&t, sizeof(t), "static thread-local storage");
#ifdef __x86_64__
	t = tiny();
	tiny_dynamic(&t, DT_RELA, offsetof(struct tiny, relocation));
	tiny_dynamic(&t, DT_RELASZ, sizeof(t.relocation));
	t.relocation.r_info = ELF64_R_INFO(0, R_X86_64_TPOFF64);
	refused(&t, sizeof(t), "static thread-local storage");
#endif
}
END_TEST

/* The symbol in the copy. */
static ElfW(Sym)
copied_symbol(const struct tiny *t)
{
	struct image image = { .fd = -1 };
	struct error err = { "" };
	struct tiny copy;

	ck_assert_msg(
	    image_open(fixture_file("a.so", t, sizeof(*t)), &image, &err) == 0,
	    "%s", err.text);
	ck_assert_int_eq(memfd_read(image.fd, &copy, sizeof(copy), 0), 0);
	ck_assert_uint_eq(image.size, sizeof(copy));
	image_close(&image);
	return copy.symbols[1];
}

static unsigned int
copied_binding(const struct tiny *t)
{
	return ELF64_ST_BIND(copied_symbol(t).st_info);
}

START_TEST(a_file_uses_what_it_defines)
{
	struct tiny t = tiny();

	tiny_symbol(&t, "mine", STB_GLOBAL, DT_GNU_HASH);
	t.symbols[1].st_other = STV_DEFAULT;
	ck_assert_uint_eq(copied_symbol(&t).st_other, STV_PROTECTED);
	t.symbols[1].st_other = STV_HIDDEN;
	ck_assert_uint_eq(copied_symbol(&t).st_other, STV_HIDDEN);
	/* Others may define these as well, and one definition is for all. */
	t.symbols[1].st_other = STV_DEFAULT;
	t.symbols[1].st_info = ELF64_ST_INFO(STB_WEAK, STT_OBJECT);
	ck_assert_uint_eq(copied_symbol(&t).st_other, STV_DEFAULT);
	t.symbols[1].st_info = ELF64_ST_INFO(STB_GLOBAL, STT_TLS);
	ck_assert_uint_eq(copied_symbol(&t).st_other, STV_DEFAULT);
	t = tiny();
	tiny_symbol(&t, "free", STB_GLOBAL, DT_GNU_HASH);
	t.symbols[1].st_other = STV_DEFAULT;
	ck_assert_uint_eq(copied_symbol(&t).st_other, STV_DEFAULT);
	/* What it only uses. */
	t = tiny();
	tiny_symbol(&t, "mine", STB_GLOBAL, DT_GNU_HASH);
	t.symbols[1].st_shndx = SHN_UNDEF;
	ck_assert_uint_eq(copied_symbol(&t).st_other, STV_DEFAULT);
}
END_TEST

START_TEST(a_symbol_that_all_images_would_share_is_made_an_ordinary_one)
{
	const ElfW(Sxword) tables[] = { DT_HASH, DT_GNU_HASH };
	struct tiny t;

	for (int i = 0; i < 2; i++) {
		t = tiny();
		tiny_symbol(&t, "mine", STB_GLOBAL, tables[i]);
		ck_assert_uint_eq(copied_binding(&t), STB_GLOBAL);
		t = tiny();
		tiny_symbol(&t, "ours", STB_GNU_UNIQUE, tables[i]);
		ck_assert_uint_eq(copied_binding(&t), STB_WEAK);
		/* Section headers are not needed for it. */
		t.head.e_shoff = 0;
		ck_assert_uint_eq(copied_binding(&t), STB_WEAK);
		/* An undefined symbol may be unique: another file defines it. */
		t.symbols[1].st_shndx = SHN_UNDEF;
		ck_assert_uint_eq(copied_binding(&t), STB_GNU_UNIQUE);
	}
}
END_TEST

START_TEST(damaged_tables_of_symbols_are_refused)
{
	struct tiny t = tiny(), good = tiny();

	tiny_symbol(&good, "mine", STB_GLOBAL, DT_GNU_HASH);
	t = good;
	t.gnu_hash[0] = UINT32_MAX; /* buckets */
	refused(&t, sizeof(t), "table of symbols is damaged");
	t = good;
	t.gnu_hash[2] = UINT32_MAX; /* filter */
	refused(&t, sizeof(t), "table of symbols is damaged");
	t = good;
	t.gnu_hash[1] = 2; /* a bucket before the first symbol */
	refused(&t, sizeof(t), "table of symbols is damaged");
	t = good;
	t.gnu_hash[6] = UINT32_MAX / 2; /* a symbol beyond the file */
	refused(&t, sizeof(t), "table of symbols is damaged");
	good = tiny();
	tiny_symbol(&good, "mine", STB_GLOBAL, DT_HASH);
	t = good;
	t.hash[0] = UINT32_MAX;
	refused(&t, sizeof(t), "table of symbols is damaged");
	t = good;
	t.hash[1] = UINT32_MAX;
	refused(&t, sizeof(t), "table of symbols is damaged");
	t = good;
	t.hash[2] = 2; /* a bucket without a symbol */
	refused(&t, sizeof(t), "table of symbols is damaged");
}
END_TEST

START_TEST(what_a_library_needs_is_read_in_order)
{
	struct elf_needs needs;
	struct tiny t = tiny();
	struct error err = { "" };
	const char *path;
	int fd;

	tiny_dynamic_more(&t, DT_NEEDED, tiny_string(&t, "libb.so"));
	tiny_dynamic_more(&t, DT_NEEDED, tiny_string(&t, "liba.so"));
	tiny_dynamic(&t, DT_SONAME, tiny_string(&t, "me"));
	tiny_dynamic(&t, DT_RPATH, tiny_string(&t, "/old"));
	path = fixture_file("a.so", &t, sizeof(t));
	fd = open(path, O_RDONLY);
	ck_assert_msg(elf_needs_read(&needs, path, fd, sizeof(t), &err) == 0,
	    "%s", err.text);
	ck_assert_uint_eq(needs.count, 2);
	ck_assert_str_eq(needs.names[0], "libb.so");
	ck_assert_str_eq(needs.names[1], "liba.so");
	ck_assert_str_eq(needs.soname, "me");
	ck_assert_str_eq(needs.rpath, "/old");
	ck_assert_ptr_null(needs.runpath);
	elf_needs_done(&needs);
	close(fd);
	/* With DT_RUNPATH, DT_RPATH is ignored. */
	tiny_dynamic(&t, DT_RUNPATH, tiny_string(&t, "$ORIGIN"));
	path = fixture_file("a.so", &t, sizeof(t));
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(elf_needs_read(&needs, path, fd, sizeof(t), &err), 0);
	ck_assert_str_eq(needs.runpath, "$ORIGIN");
	ck_assert_ptr_null(needs.rpath);
	elf_needs_done(&needs);
	close(fd);
}
END_TEST

static void
needs_refused(const struct tiny *t, const char *words)
{
	const char *path = fixture_file("a.so", t, sizeof(*t));
	struct elf_needs needs;
	struct error err = { "" };
	int fd = open(path, O_RDONLY);

	ck_assert_int_eq(elf_needs_read(&needs, path, fd, sizeof(*t), &err),
	    -1);
	ck_assert_msg(strstr(err.text, words) != NULL, "%s", err.text);
	elf_needs_done(&needs);
	close(fd);
}

START_TEST(damaged_names_and_filters_are_refused)
{
	struct tiny t = tiny();

	tiny_dynamic_more(&t, DT_NEEDED, UINT32_MAX);
	needs_refused(&t, "are damaged"); /* no strings at all */
	tiny_string(&t, "x");
	needs_refused(&t, "are damaged"); /* beyond the strings */
	t = tiny();
	tiny_dynamic_more(&t, DT_NEEDED, tiny_string(&t, "liba.so"));
	tiny_dynamic(&t, DT_STRSZ, 4); /* the string does not end */
	needs_refused(&t, "are damaged");
	t = tiny();
	tiny_dynamic(&t, DT_FILTER, tiny_string(&t, "libc.so.6"));
	needs_refused(&t, "stands in for another library");
}
END_TEST

START_TEST(every_truncation_is_refused)
{
	struct tiny t = tiny();
	size_t len;

	for (len = 4; len < sizeof(t); len++)
		refused(&t, len, "cut short");
}
END_TEST

START_TEST(a_file_with_a_hole_at_its_end_is_refused)
{
	struct tiny t = tiny();

	memset(t.sections, 0, sizeof(t.sections));
	refused(&t, sizeof(t), "not whole");
}
END_TEST

START_TEST(offsets_beyond_all_bounds_are_refused)
{
	struct tiny t = tiny();

	t.head.e_phoff = (ElfW(Off))-1;
	refused(&t, sizeof(t), "cut short");
	t = tiny();
	t.head.e_shoff = (ElfW(Off))-64;
	refused(&t, sizeof(t), "cut short");
	t = tiny();
	t.segments[0].p_offset = (ElfW(Off))-1;
	refused(&t, sizeof(t), "cut short");
	t = tiny();
	t.segments[0].p_filesz = (ElfW(Off))-1;
	refused(&t, sizeof(t), "cut short");
	t = tiny();
	t.head.e_phnum = 0xffff;
	refused(&t, sizeof(t), "cut short");
	t = tiny();
	t.head.e_phentsize = 1;
	refused(&t, sizeof(t), "damaged");
	t = tiny();
	t.sections[1].sh_size = (ElfW(Off))-1;
	refused(&t, sizeof(t), "not whole");
}
END_TEST

START_TEST(mutated_files_do_no_harm)
{
	struct image image = { .fd = -1 };
	struct elf_needs needs;
	struct tiny t;
	struct error err;
	int edits;

	srandom(1);
	for (int i = 0; i < 3000; i++) {
		t = tiny();
		tiny_symbol(&t, "mine", i % 3 == 0 ? STB_GNU_UNIQUE : STB_WEAK,
		    i % 2 == 0 ? DT_HASH : DT_GNU_HASH);
		tiny_dynamic_more(&t, DT_NEEDED, tiny_string(&t, "liba.so"));
		tiny_dynamic(&t, DT_RUNPATH, tiny_string(&t, "$ORIGIN"));
		for (edits = 1 + (int)(random() % 8); edits > 0; edits--)
			((char *)&t)[(size_t)random() % sizeof(t)] =
			    (char)random();
		if (image_open(fixture_file("x.so", &t, sizeof(t)), &image,
			&err) == 0) {
			elf_needs_read(&needs, "x.so", image.fd, image.size,
			    &err);
			elf_needs_done(&needs);
			image_close(&image);
		}
	}
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		an_image_is_sealed_and_known_by_its_hash,
		an_image_can_be_mapped_for_execution,
		a_real_shared_object_passes,
		what_is_not_a_regular_file_is_refused_at_once,
		a_file_that_is_replaced_while_it_is_read_is_whole,
		text_and_empty_files_have_their_own_error,
		other_kinds_of_elf_are_refused,
		an_executable_stack_is_refused,
		static_tls_is_refused,
		a_file_uses_what_it_defines,
		a_symbol_that_all_images_would_share_is_made_an_ordinary_one,
		damaged_tables_of_symbols_are_refused,
		what_a_library_needs_is_read_in_order,
		damaged_names_and_filters_are_refused,
		every_truncation_is_refused,
		a_file_with_a_hole_at_its_end_is_refused,
		offsets_beyond_all_bounds_are_refused,
		mutated_files_do_no_harm,
		NULL,
	};

	return fixture_run("image", tests);
}
