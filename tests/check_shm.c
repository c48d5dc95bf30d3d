/* check_shm.c: the memory that workers share, and who may write to it. */

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "fixture.h"
#include "ipc/shm.h"
#include "ipc/shm_internal.h"
#include "master/slots.h"
#include "shm_fixture.h"

#define NOT_COUNTED UINT32_MAX

static const struct sockaddr *
peer(const char *address)
{
	static struct sockaddr_storage storage;
	struct sockaddr_in *in = (struct sockaddr_in *)&storage;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&storage;

	memset(&storage, 0, sizeof(storage));
	if (inet_pton(AF_INET, address, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
	} else {
		ck_assert_int_eq(inet_pton(AF_INET6, address, &in6->sin6_addr),
		    1);
		in6->sin6_family = AF_INET6;
	}
	return (const struct sockaddr *)&storage;
}

/* Each worker has its own block of ids, and a new process gets a new one. */
START_TEST(ids_begin_at_1_and_never_repeat)
{
	make();
	ck_assert_uint_eq(shm_next_id(worker[0]), 1);
	ck_assert_uint_eq(shm_next_id(worker[0]), 2);
	ck_assert_uint_eq(shm_next_id(worker[1]), SHM_ID_BLOCK + 1);
	die(0);
	start(0);
	ck_assert_uint_eq(shm_next_id(worker[0]), WORKERS * SHM_ID_BLOCK + 1);
	ck_assert_uint_eq(shm_next_id(worker[1]), SHM_ID_BLOCK + 2);
	unmake();
}
END_TEST

START_TEST(ids_go_on_when_a_block_is_used_up)
{
	uint64_t id = 0;

	make();
	for (int i = 0; i < SHM_ID_BLOCK; i++)
		id = shm_next_id(worker[0]);
	ck_assert_uint_eq(id, SHM_ID_BLOCK);
	/* The master has not offered more yet. */
	ck_assert(!shm_ready(worker[0]));
	ck_assert_uint_eq(shm_next_id(worker[0]), 0);
	shm_offer_ids(master);
	shm_offer_ids(master);
	ck_assert(shm_ready(worker[0]));
	ck_assert_uint_eq(shm_next_id(worker[0]), WORKERS * SHM_ID_BLOCK + 1);
	unmake();
}
END_TEST

/* Whatever another worker tries with the descriptor that it was sent. */
static void
cannot_write(int fd, size_t size)
{
	char path[64], *memory;
	int again;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	again = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_ne(again, -1); /* we are its owner, so we may */
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, again, 0);
	ck_assert_ptr_eq(memory, MAP_FAILED);
	ck_assert_int_eq(pwrite(again, "x", 1, 0), -1);
	ck_assert_int_eq(ftruncate(again, 0), -1);
	ck_assert_int_eq(fallocate(again,
			     FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			     4096),
	    -1);
	memory = mmap(NULL, size, PROT_READ, MAP_SHARED, again, 0);
	ck_assert_ptr_ne(memory, MAP_FAILED);
	ck_assert_int_eq(mprotect(memory, size, PROT_READ | PROT_WRITE), -1);
	ck_assert_int_eq(madvise(memory, size, MADV_REMOVE), -1);
	munmap(memory, size);
	close(again);
}

START_TEST(nobody_else_can_write_a_row_or_the_head)
{
	make();
	cannot_write(row_fd(0), sizeof(struct shm_row));
	cannot_write(shm_head_fd(master), sizeof(struct shm_head));
	/* The owner can still write. */
	ck_assert(shm_connection_in(worker[0], 7, 0));
	ck_assert_uint_eq(shm_connections(master, 7), 1);
	unmake();
}
END_TEST

START_TEST(a_row_is_not_shown_before_it_is_sealed)
{
	make();
	die(0);
	ck_assert_int_eq(shm_begin_row(master, 0), 0);
	ck_assert(!shm_row_sealed(master, 0));
	/* But it can never be truncated. */
	ck_assert_int_eq(ftruncate(row_fd(0), 0), -1);
	unmake();
}
END_TEST

START_TEST(a_forked_process_cannot_write_the_row)
{
	int status;
	pid_t pid;

	make();
	pid = fork();
	ck_assert_int_ne(pid, -1);
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		shm_own_row(worker[0])->begun = 1;
		_exit(0);
	}
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFSIGNALED(status));
	ck_assert_uint_eq(board_begun(shm_row(master, 0)), 0);
	unmake();
}
END_TEST

/* A process that a dead worker has left behind may still write its row. */
START_TEST(the_row_of_a_dead_process_does_not_count)
{
	struct shm *left;

	make();
	left = worker[1];
	shm_own_row(left)->begun = 5;
	ck_assert(shm_connection_in(left, 7, 0));
	ck_assert_uint_eq(board_begun(shm_row(master, 1)), 5);
	worker[1] = NULL;
	die(1);
	ck_assert_uint_eq(board_begun(shm_row(master, 1)), 0);
	start(1);
	show(1);
	ck_assert(shm_ready(worker[0]));
	ck_assert(shm_connection_in(left, 7, 0));
	shm_own_row(left)->begun = 6;
	ck_assert_uint_eq(board_begun(shm_row(master, 1)), 0);
	ck_assert_uint_eq(shm_connections(worker[0], 7), 0);
	ck_assert_uint_eq(shm_connections(master, 7), 0);
	shm_free(left);
	unmake();
}
END_TEST

START_TEST(a_worker_is_not_ready_before_it_sees_all_rows)
{
	make();
	die(1);
	ck_assert(shm_ready(worker[0]));
	start(1);
	ck_assert(shm_ready(worker[0])); /* worker 1 does not accept yet */
	see(2, 1);
	see(3, 1);
	shm_show_row(master, 1);
	ck_assert(!shm_ready(worker[0]));
	ck_assert(shm_ready(worker[2]));
	ck_assert(shm_connection_in(worker[1], 7, 1));
	see(0, 1);
	ck_assert(shm_ready(worker[0]));
	ck_assert(!shm_connection_in(worker[0], 7, 1));
	unmake();
}
END_TEST

START_TEST(a_worker_counts_only_where_it_serves)
{
	uint32_t entry;

	make();
	ck_assert(shm_connection_in(worker[1], 9,
	    0)); /* it does not serve listener 9 */
	ck_assert(shm_address_in(worker[1], 9, peer("192.0.2.1"), 0, &entry));
	ck_assert_uint_eq(shm_connections(master, 9), 0);
	ck_assert(shm_connection_in(worker[0], 9, 1));
	ck_assert(shm_address_in(worker[0], 9, peer("192.0.2.1"), 1, &entry));
	shm_connection_out(worker[0], 9);
	shm_give_slot(master, 1, 9);
	ck_assert_uint_eq(shm_connections(master, 9), 1);
	ck_assert(!shm_connection_in(worker[0], 9, 1));
	shm_take_slot(master, 9);
	ck_assert(shm_connection_in(worker[0], 9, 1));
	unmake();
}
END_TEST

START_TEST(a_new_listener_gets_a_slot_whatever_workers_have_written)
{
	struct slots *slots;
	char name[16];
	uint32_t slot;

	make();
	slots = slots_new(master);
	for (uint32_t i = 0; i < LISTENERS_MAX; i++) {
		snprintf(name, sizeof(name), "old%u", i);
		slot = slots_ref(slots, name);
		ck_assert_uint_eq(slot, i);
		slots_give(slots, slot, 1);
		ck_assert(shm_connection_in(worker[1], slot, 0));
	}
	ck_assert_uint_eq(slots_ref(slots, "one too many"), SLOT_NONE);
	slots_unref(slots, 500);
	slot = slots_ref(slots, "new");
	ck_assert_uint_eq(slot, 500);
	ck_assert_uint_eq(shm_connections(master, slot), 0);
	slots_free(slots);
	unmake();
}
END_TEST

START_TEST(a_limit_holds_for_all_workers_together)
{
	make();
	ck_assert(shm_connection_in(worker[0], 7, 2));
	ck_assert(shm_connection_in(worker[1], 7, 2));
	ck_assert(!shm_connection_in(worker[0], 7, 2));
	ck_assert(!shm_connection_in(worker[2], 7, 2));
	ck_assert(shm_connection_in(worker[2], 8, 2));
	ck_assert_uint_eq(shm_connections(worker[0], 7), 2);
	shm_connection_out(worker[1], 7);
	ck_assert(shm_connection_in(worker[3], 7, 2));
	ck_assert(shm_connection_in(worker[3], 7, 0));
	ck_assert_uint_eq(shm_connections(worker[0], 7), 3);
	unmake();
}
END_TEST

START_TEST(the_counts_of_a_dead_worker_are_cleared)
{
	uint32_t entry;

	make();
	ck_assert(shm_connection_in(worker[0], 7, 0));
	ck_assert(shm_connection_in(worker[1], 7, 0));
	ck_assert(shm_address_in(worker[1], 7, peer("192.0.2.1"), 1, &entry));
	ck_assert(!shm_address_in(worker[0], 7, peer("192.0.2.1"), 1, &entry));
	die(1);
	ck_assert(shm_ready(worker[0]));
	ck_assert_uint_eq(shm_connections(worker[0], 7), 1);
	ck_assert(shm_address_in(worker[0], 7, peer("192.0.2.1"), 1, &entry));
	unmake();
}
END_TEST

START_TEST(an_address_is_limited_for_each_listener)
{
	uint32_t first, second, entry;

	make();
	ck_assert(shm_address_in(worker[0], 7, peer("192.0.2.1"), 2, &first));
	ck_assert(shm_address_in(worker[1], 7, peer("192.0.2.1"), 2, &second));
	ck_assert(!shm_address_in(worker[2], 7, peer("192.0.2.1"), 2, &entry));
	ck_assert_uint_eq(entry, NOT_COUNTED);
	ck_assert(shm_address_in(worker[2], 7, peer("192.0.2.2"), 2, &entry));
	ck_assert(shm_address_in(worker[2], 8, peer("192.0.2.1"), 2, &entry));
	shm_address_out(worker[0], first);
	ck_assert(shm_address_in(worker[2], 7, peer("192.0.2.1"), 2, &entry));
	shm_address_out(worker[1], second);
	shm_address_out(worker[2], entry);
	shm_address_out(worker[2], NOT_COUNTED);
	ck_assert(shm_address_in(worker[2], 7, peer("192.0.2.1"), 1, &entry));
	unmake();
}
END_TEST

START_TEST(ipv6_counts_by_64_and_mapped_ipv4_is_ipv4)
{
	uint32_t entry;

	make();
	ck_assert(shm_address_in(worker[0], 7, peer("2001:db8::1"), 1, &entry));
	ck_assert(
	    !shm_address_in(worker[1], 7, peer("2001:db8::2:3"), 1, &entry));
	ck_assert(
	    shm_address_in(worker[1], 7, peer("2001:db8:0:1::1"), 1, &entry));
	ck_assert(shm_address_in(worker[0], 7, peer("192.0.2.1"), 1, &entry));
	ck_assert(
	    !shm_address_in(worker[0], 7, peer("::ffff:192.0.2.1"), 1, &entry));
	ck_assert(
	    shm_address_in(worker[0], 7, peer("::ffff:192.0.2.2"), 1, &entry));
	unmake();
}
END_TEST

START_TEST(unix_peers_are_never_limited)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	uint32_t entry = 0;

	make();
	for (int i = 0; i < 3; i++)
		ck_assert(shm_address_in(worker[0], 7,
		    (const struct sockaddr *)&un, 1, &entry));
	ck_assert_uint_eq(entry, NOT_COUNTED);
	unmake();
}
END_TEST

START_TEST(a_hundred_thousand_addresses_are_told_apart)
{
	static uint32_t entries[100000];
	struct sockaddr_in in = { .sin_family = AF_INET };
	const struct sockaddr *sa = (const struct sockaddr *)&in;
	uint32_t entry;

	make();
	for (uint32_t i = 0; i < 100000; i++) {
		in.sin_addr.s_addr = htonl(0x0a000000 + i);
		ck_assert(
		    shm_address_in(worker[i % WORKERS], 7, sa, 1, &entries[i]));
		ck_assert_uint_ne(entries[i], NOT_COUNTED);
	}
	for (uint32_t i = 0; i < 100000; i += 97) {
		in.sin_addr.s_addr = htonl(0x0a000000 + i);
		ck_assert(!shm_address_in(worker[3], 7, sa, 1, &entry));
	}
	for (uint32_t i = 0; i < 100000; i++)
		shm_address_out(worker[i % WORKERS], entries[i]);
	for (uint32_t i = 0; i < 100000; i++) {
		in.sin_addr.s_addr = htonl(0x0b000000 + i);
		ck_assert(shm_address_in(worker[0], 7, sa, 1, &entry));
		ck_assert_uint_ne(entry, NOT_COUNTED);
	}
	unmake();
}
END_TEST

/* One process of the race. */
static int
race(unsigned int i)
{
	struct shm *own = shm_map(WORKERS, shm_head_fd(master), i, row_fd(i));
	bool holds = false;

	worker[i] = own;
	for (unsigned int k = 0; k < WORKERS; k++)
		if (k != i)
			see(i, k);
	for (unsigned int k = 0; k < 20000 && !holds; k++) {
		if (!shm_connection_in(own, 7, 3))
			continue;
		/* Connections that are just being refused may be counted, too. */
		if (shm_connections(own, 7) > 3 + WORKERS)
			return 1;
		holds = k % 1000 == 999;
		if (!holds)
			shm_connection_out(own, 7);
	}
	return 0;
}

START_TEST(processes_that_race_never_exceed_the_limit)
{
	pid_t pids[WORKERS];
	int status;

	master = shm_new(WORKERS);
	ck_assert_ptr_nonnull(master);
	for (unsigned int i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(shm_begin_row(master, i), 0);
		shm_give_slot(master, i, 7);
	}
	for (unsigned int i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		ck_assert_int_ne(pids[i], -1);
		if (pids[i] == 0)
			_exit(race(i));
	}
	for (unsigned int i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_le(shm_connections(master, 7), 3);
	shm_free(master);
}
END_TEST

START_TEST(what_is_out_of_range_is_refused)
{
	uint32_t entry;
	int head, null = open("/dev/null", O_RDWR | O_CLOEXEC);

	make();
	head = shm_head_fd(master);
	ck_assert(!shm_connection_in(worker[0], LISTENERS_MAX, 0));
	ck_assert(!shm_address_in(worker[0], LISTENERS_MAX, peer("192.0.2.1"),
	    0, &entry));
	shm_connection_out(worker[0], LISTENERS_MAX);
	shm_address_out(worker[0], UINT32_MAX - 1);
	shm_give_slot(master, 0, LISTENERS_MAX);
	shm_give_slot(master, WORKERS, 0);
	shm_take_slot(master, LISTENERS_MAX);
	ck_assert_uint_eq(shm_connections(master, LISTENERS_MAX), 0);
	ck_assert_uint_eq(shm_worker_connections(master, WORKERS), 0);
	ck_assert_ptr_null(shm_map(WORKERS, head, WORKERS, row_fd(0)));
	ck_assert_ptr_null(shm_map(0, head, 0, row_fd(0)));
	ck_assert_ptr_null(shm_map(WORKERS, row_fd(0), 0, head));
	ck_assert_ptr_null(shm_map(WORKERS, null, 0, -1));
	ck_assert_ptr_null(shm_new(SHM_PLACES_MAX + 1));
	ck_assert_int_eq(shm_see_row(worker[0], 0, 2, row_fd(0)), -1);
	ck_assert_int_eq(shm_see_row(worker[0], WORKERS, 2, row_fd(1)), -1);
	/* A row that did not arrive does not keep us from accepting. */
	ck_assert_int_eq(shm_see_row(worker[0], 1, 2, null), -1);
	ck_assert_int_eq(shm_see_row(worker[0], 1, 2, -1), -1);
	ck_assert(shm_ready(worker[0]));
	close(null);
	unmake();
}
END_TEST

START_TEST(a_rate_holds_for_all_workers)
{
	uint64_t t = 100000000;

	make();
	for (int i = 0; i < 5; i++)
		ck_assert(shm_rate_in(worker[i % 2], 7, 5, t + 100));
	ck_assert(!shm_rate_in(worker[0], 7, 5, t + 100));
	ck_assert(!shm_rate_in(worker[1], 7, 5, t + 999));
	ck_assert(shm_rate_in(worker[1], 8, 5, t + 999)); /* another */
	/* A fifth of a second later a fifth of them is forgotten. */
	ck_assert(!shm_rate_in(worker[0], 7, 5, t + 1199));
	ck_assert(shm_rate_in(worker[0], 7, 5, t + 1200));
	ck_assert(!shm_rate_in(worker[1], 7, 5, t + 1200));
	/* A worker whose clock is behind sees what others have counted. */
	for (int i = 0; i < 5; i++)
		ck_assert(shm_rate_in(worker[0], 8, 5, t + 10000));
	ck_assert(!shm_rate_in(worker[1], 8, 5, t + 9999));
	ck_assert(!shm_rate_in(worker[1], 8, 5, t + 8500));
	/* Numbers of seconds wrap after 194 days. */
	for (int i = 0; i < 5; i++)
		ck_assert(
		    shm_rate_in(worker[0], 8, 5, (1u << 24) * 1000ul - 1));
	ck_assert(!shm_rate_in(worker[1], 8, 5, (1u << 24) * 1000ul));
	/* After two seconds nothing is left. */
	for (int i = 0; i < 5; i++)
		ck_assert(shm_rate_in(worker[i % 2], 7, 5, t + 3000));
	ck_assert(!shm_rate_in(worker[0], 7, 5, t + 3000));
	unmake();
}
END_TEST

START_TEST(a_rate_of_an_address_holds_for_all_workers)
{
	struct sockaddr_in a = { .sin_family = AF_INET }, b = a;
	struct sockaddr unix_peer = { .sa_family = AF_UNIX };
	const struct sockaddr *pa = (void *)&a, *pb = (void *)&b;
	uint64_t t = 1000000;

	a.sin_addr.s_addr = htonl(0x7f000001);
	b.sin_addr.s_addr = htonl(0x7f000002);
	make();
	for (int i = 0; i < 4; i++)
		ck_assert(shm_address_rate_in(worker[i % 2], 7, pa, 4, t));
	ck_assert(!shm_address_rate_in(worker[0], 7, pa, 4, t));
	ck_assert(!shm_address_rate_in(worker[1], 7, pa, 4, t));
	ck_assert(shm_address_rate_in(worker[1], 7, pb, 4, t));
	ck_assert(shm_address_rate_in(worker[1], 8, pa, 4, t));
	ck_assert(shm_address_rate_in(worker[0], 7, pa, 4, t + 1250));
	ck_assert(!shm_address_rate_in(worker[0], 7, pa, 4, t + 1250));
	for (int i = 0; i < 100; i++)
		ck_assert(shm_address_rate_in(worker[0], 7, &unix_peer, 1, t));
	/* More addresses than there is room for are let in... */
	for (uint32_t i = 0; i < 200000; i++) {
		b.sin_addr.s_addr = htonl(0x0a000000 + i);
		ck_assert(shm_address_rate_in(worker[0], 7, pb, 1, t + 5000));
	}
	/* ...and do not take the room for ever. */
	b.sin_addr.s_addr = htonl(0x0b000000);
	ck_assert(shm_address_rate_in(worker[0], 7, pb, 1, t + 9000));
	ck_assert(!shm_address_rate_in(worker[0], 7, pb, 1, t + 9000));
	unmake();
}
END_TEST

static uint64_t
paced(unsigned int i)
{
	ck_assert_uint_eq(shm_paced(worker[i], 7, PACE_IN), 0);
	return shm_paced(worker[i], 7, PACE_OUT);
}

static void
move(unsigned int i, uint64_t n)
{
	struct counter *counters;

	count_paced(shm_own_counts(worker[i], 7, &counters), PACE_OUT, n);
}

START_TEST(workers_see_what_all_have_moved_under_a_rate)
{
	make();
	move(0, 1000);
	move(1, 20);
	for (unsigned int i = 0; i < WORKERS; i++)
		ck_assert_uint_eq(paced(i), 1020);
	die(1);
	ck_assert_uint_eq(paced(0), 1000);
	/* A listener that comes later begins with nothing. */
	shm_take_slot(master, 7);
	shm_give_slot(master, 0, 7);
	shm_give_slot(master, 2, 7);
	ck_assert_uint_eq(paced(2), 0);
	move(0, 3);
	ck_assert_uint_eq(paced(2), 3);
	ck_assert_uint_eq(shm_paced(worker[0], LISTENERS_MAX, PACE_IN), 0);
	unmake();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		ids_begin_at_1_and_never_repeat,
		ids_go_on_when_a_block_is_used_up,
		nobody_else_can_write_a_row_or_the_head,
		a_row_is_not_shown_before_it_is_sealed,
		a_forked_process_cannot_write_the_row,
		the_row_of_a_dead_process_does_not_count,
		a_worker_is_not_ready_before_it_sees_all_rows,
		a_worker_counts_only_where_it_serves,
		a_new_listener_gets_a_slot_whatever_workers_have_written,
		a_limit_holds_for_all_workers_together,
		the_counts_of_a_dead_worker_are_cleared,
		an_address_is_limited_for_each_listener,
		ipv6_counts_by_64_and_mapped_ipv4_is_ipv4,
		unix_peers_are_never_limited,
		a_hundred_thousand_addresses_are_told_apart,
		a_rate_holds_for_all_workers,
		a_rate_of_an_address_holds_for_all_workers,
		workers_see_what_all_have_moved_under_a_rate,
		processes_that_race_never_exceed_the_limit,
		what_is_out_of_range_is_refused,
		NULL,
	};

	return fixture_run("shm", tests);
}
