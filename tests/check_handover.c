/* check_handover.c: what one program leaves and the next one takes. */

#include "fixture.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/error.h"
#include "base/memfd.h"
#include "config/settings.h"
#include "master/control_path.h"
#include "master/handover.h"
#include "master/inherited.h"

static struct handover handover;
static struct taken taken;
static struct error err;

/* As upgrade.c begins. */
static void
begin(uint32_t format, uint32_t pid)
{
	pack_u32(&handover.packer, format);
	pack_u32(&handover.packer, pid);
}

static void
leave(void)
{
	int memfd = handover_seal(&handover);

	ck_assert_int_ne(memfd, -1);
	ck_assert_int_eq(handover_announce(memfd), 0);
	handover_done(&handover);
}

START_TEST(nothing_was_left)
{
	ck_assert_int_eq(taken_open(&taken, &err), 0);
}
END_TEST

START_TEST(what_was_left_is_taken_once)
{
	begin(HANDOVER_FORMAT, (uint32_t)getpid());
	pack_text(&handover.packer, "words", 5);
	leave();
	ck_assert_int_eq(taken_open(&taken, &err), 1);
	ck_assert_str_eq(unpack_text(&taken.unpacker), "words");
	taken_close(&taken);
	ck_assert_int_eq(taken_open(&taken, &err), 0);
}
END_TEST

START_TEST(another_format_is_refused)
{
	begin(HANDOVER_FORMAT + 1, (uint32_t)getpid());
	leave();
	ck_assert_int_eq(taken_open(&taken, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "of another format"));
	taken_close(&taken);
}
END_TEST

START_TEST(what_is_for_another_process_is_refused)
{
	begin(HANDOVER_FORMAT, (uint32_t)getppid());
	leave();
	ck_assert_int_eq(taken_open(&taken, &err), -1);
	taken_close(&taken);
}
END_TEST

/* It is found out while the program that writes it can still go on. */
START_TEST(too_much_is_not_left_at_all)
{
	static char much[1 << 20];

	for (int i = 0; i < 64; i++)
		pack_bytes(&handover.packer, much, sizeof(much));
	leave();
	for (int i = 0; i < 64; i++)
		pack_bytes(&handover.packer, much, sizeof(much));
	pack_u32(&handover.packer, 0);
	ck_assert_int_eq(handover_seal(&handover), -1);
	ck_assert_int_eq(errno, EFBIG);
	handover_done(&handover);
}
END_TEST

START_TEST(a_descriptor_stays_open_only_over_the_exec)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	begin(HANDOVER_FORMAT, (uint32_t)getpid());
	handover_fd(&handover, fd);
	handover_fd(&handover, -1);
	handover_keep(&handover, true);
	ck_assert_int_eq(fcntl(fd, F_GETFD), 0);
	handover_keep(&handover, false);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	handover_keep(&handover, true);
	leave();
	ck_assert_int_eq(taken_open(&taken, &err), 1);
	ck_assert_int_eq(taken_fd(&taken), fd);
	ck_assert_int_eq(fcntl(fd, F_GETFD), FD_CLOEXEC);
	ck_assert_int_eq(taken_fd(&taken), -1);
	ck_assert(!taken.unpacker.failed);
	taken_fd(&taken);
	ck_assert(taken.unpacker.failed);
	taken_close(&taken);
	close(fd);
}
END_TEST

static void
make_path(struct control_path *path)
{
	struct settings settings = {
		.control = (char *)(uintptr_t)fixture_path("socket"),
		.control_bits = 0600,
		.control_gid = (gid_t)-1,
	};

	control_path_init(path, &settings);
	ck_assert_int_eq(control_path_open(path, &err), 0);
}

START_TEST(a_path_is_known_again)
{
	struct control_path path, again, other, none = { .fd = -1 };

	make_path(&path);
	begin(HANDOVER_FORMAT, (uint32_t)getpid());
	control_path_hand_over(&none, &handover);
	control_path_hand_over(&path, &handover);
	leave();
	ck_assert_int_eq(taken_open(&taken, &err), 1);
	control_path_take_over(&other, &taken);
	ck_assert_int_eq(other.fd, -1);
	control_path_take_over(&again, &taken);
	ck_assert(!taken.unpacker.failed);
	ck_assert_uint_eq(taken.unpacker.at, taken.unpacker.len);
	ck_assert_int_eq(again.fd, path.fd);
	ck_assert_str_eq(control_path_text(&again), control_path_text(&path));
	ck_assert_uint_eq(again.rights.mode, 0600);
	ck_assert_uint_eq(again.rights.owner.uid, (uid_t)-1);
	ck_assert_uint_eq(again.rights.owner.gid, (gid_t)-1);
	/* By what is known of it, it is ours to remove. */
	control_path_close(&again);
	ck_assert_int_eq(access(fixture_path("socket"), F_OK), -1);
	taken_close(&taken);
}
END_TEST

START_TEST(every_cut_of_it_is_noticed)
{
	struct control_path path, again;
	struct unpacker whole;

	make_path(&path);
	begin(HANDOVER_FORMAT, (uint32_t)getpid());
	control_path_hand_over(&path, &handover);
	leave();
	ck_assert_int_eq(taken_open(&taken, &err), 1);
	whole = taken.unpacker;
	for (size_t len = whole.at; len < whole.len; len++) {
		taken.unpacker = whole;
		taken.unpacker.len = len;
		control_path_take_over(&again, &taken);
		ck_assert(taken.unpacker.failed);
	}
	taken_close(&taken);
	control_path_close(&path);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		nothing_was_left,
		what_was_left_is_taken_once,
		another_format_is_refused,
		what_is_for_another_process_is_refused,
		too_much_is_not_left_at_all,
		a_descriptor_stays_open_only_over_the_exec,
		a_path_is_known_again,
		every_cut_of_it_is_noticed,
		NULL,
	};

	return fixture_run("handover", tests);
}
