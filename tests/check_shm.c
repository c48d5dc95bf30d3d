/* check_shm.c: counts that all workers share. */

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "fixture.h"
#include "shm.h"

#define WORKERS 4
#define NOT_COUNTED UINT32_MAX

static struct shm *shm;
static int shm_fd = -1;

static void
make(void)
{
	shm = shm_new(WORKERS, &shm_fd);
	ck_assert_ptr_nonnull(shm);
}

static void
unmake(void)
{
	shm_unmap(shm);
	close(shm_fd);
}

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

START_TEST(ids_begin_at_1_and_never_repeat)
{
	struct shm *other;

	make();
	other = shm_map(shm_fd, WORKERS);
	ck_assert_ptr_nonnull(other);
	ck_assert_uint_eq(shm_next_id(shm), 1);
	ck_assert_uint_eq(shm_next_id(other), 2);
	shm_clear_worker(shm, 0);
	ck_assert_uint_eq(shm_next_id(shm), 3);
	shm_unmap(other);
	unmake();
}
END_TEST

START_TEST(a_limit_holds_for_all_workers_together)
{
	make();
	ck_assert(shm_connection_in(shm, 0, 7, 2));
	ck_assert(shm_connection_in(shm, 1, 7, 2));
	ck_assert(!shm_connection_in(shm, 0, 7, 2));
	ck_assert(!shm_connection_in(shm, 2, 7, 2));
	ck_assert(shm_connection_in(shm, 2, 8, 2));
	ck_assert_uint_eq(shm_connections(shm, 7), 2);
	shm_connection_out(shm, 1, 7);
	ck_assert(shm_connection_in(shm, 3, 7, 2));
	ck_assert(shm_connection_in(shm, 3, 7, 0));
	ck_assert_uint_eq(shm_connections(shm, 7), 3);
	unmake();
}
END_TEST

START_TEST(the_counts_of_a_dead_worker_are_cleared)
{
	uint32_t entry;

	make();
	ck_assert(shm_connection_in(shm, 0, 7, 0));
	ck_assert(shm_connection_in(shm, 1, 7, 0));
	ck_assert(shm_address_in(shm, 1, 7, peer("192.0.2.1"), 1, &entry));
	ck_assert(!shm_address_in(shm, 0, 7, peer("192.0.2.1"), 1, &entry));
	shm_clear_worker(shm, 1);
	ck_assert_uint_eq(shm_connections(shm, 7), 1);
	ck_assert(shm_address_in(shm, 0, 7, peer("192.0.2.1"), 1, &entry));
	unmake();
}
END_TEST

START_TEST(an_address_is_limited_for_each_listener)
{
	uint32_t first, second, entry;

	make();
	ck_assert(shm_address_in(shm, 0, 7, peer("192.0.2.1"), 2, &first));
	ck_assert(shm_address_in(shm, 1, 7, peer("192.0.2.1"), 2, &second));
	ck_assert(!shm_address_in(shm, 2, 7, peer("192.0.2.1"), 2, &entry));
	ck_assert_uint_eq(entry, NOT_COUNTED);
	ck_assert(shm_address_in(shm, 2, 7, peer("192.0.2.2"), 2, &entry));
	ck_assert(shm_address_in(shm, 2, 8, peer("192.0.2.1"), 2, &entry));
	shm_address_out(shm, 0, first);
	ck_assert(shm_address_in(shm, 2, 7, peer("192.0.2.1"), 2, &entry));
	shm_address_out(shm, 1, second);
	shm_address_out(shm, 2, entry);
	shm_address_out(shm, 2, NOT_COUNTED);
	ck_assert(shm_address_in(shm, 2, 7, peer("192.0.2.1"), 1, &entry));
	unmake();
}
END_TEST

START_TEST(ipv6_counts_by_64_and_mapped_ipv4_is_ipv4)
{
	uint32_t entry;

	make();
	ck_assert(shm_address_in(shm, 0, 7, peer("2001:db8::1"), 1, &entry));
	ck_assert(!shm_address_in(shm, 1, 7, peer("2001:db8::2:3"), 1, &entry));
	ck_assert(shm_address_in(shm, 1, 7, peer("2001:db8:0:1::1"), 1, &entry));
	ck_assert(shm_address_in(shm, 0, 7, peer("192.0.2.1"), 1, &entry));
	ck_assert(
	    !shm_address_in(shm, 0, 7, peer("::ffff:192.0.2.1"), 1, &entry));
	ck_assert(shm_address_in(shm, 0, 7, peer("::ffff:192.0.2.2"), 1, &entry));
	unmake();
}
END_TEST

START_TEST(unix_peers_are_never_limited)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	uint32_t entry = 0;
	int i;

	make();
	for (i = 0; i < 3; i++)
		ck_assert(shm_address_in(shm, 0, 7,
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
	uint32_t i, entry;

	make();
	for (i = 0; i < 100000; i++) {
		in.sin_addr.s_addr = htonl(0x0a000000 + i);
		ck_assert(
		    shm_address_in(shm, i % WORKERS, 7, sa, 1, &entries[i]));
		ck_assert_uint_ne(entries[i], NOT_COUNTED);
	}
	for (i = 0; i < 100000; i += 97) {
		in.sin_addr.s_addr = htonl(0x0a000000 + i);
		ck_assert(!shm_address_in(shm, 3, 7, sa, 1, &entry));
	}
	for (i = 0; i < 100000; i++)
		shm_address_out(shm, i % WORKERS, entries[i]);
	for (i = 0; i < 100000; i++) {
		in.sin_addr.s_addr = htonl(0x0b000000 + i);
		ck_assert(shm_address_in(shm, 0, 7, sa, 1, &entry));
		ck_assert_uint_ne(entry, NOT_COUNTED);
	}
	unmake();
}
END_TEST

START_TEST(processes_that_race_never_exceed_the_limit)
{
	int i, k, status;
	bool holds;
	pid_t pids[WORKERS];

	make();
	for (i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		ck_assert_int_ne(pids[i], -1);
		if (pids[i] != 0)
			continue;
		holds = false;
		for (k = 0; k < 20000 && !holds; k++) {
			if (!shm_connection_in(shm, (unsigned int)i, 7, 3))
				continue;
			/* Those that are being turned away may be seen, too. */
			if (shm_connections(shm, 7) > 3 + WORKERS)
				_exit(1);
			holds = k % 1000 == 999;
			if (!holds)
				shm_connection_out(shm, (unsigned int)i, 7);
		}
		_exit(0);
	}
	for (i = 0; i < WORKERS; i++) {
		ck_assert_int_eq(waitpid(pids[i], &status, 0), pids[i]);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_le(shm_connections(shm, 7), 3);
	unmake();
}
END_TEST

START_TEST(what_is_out_of_range_is_refused)
{
	uint32_t entry;
	int fd;

	make();
	ck_assert(!shm_connection_in(shm, WORKERS, 0, 0));
	ck_assert(!shm_connection_in(shm, 0, SHM_LISTENERS_MAX, 0));
	ck_assert(!shm_address_in(shm, WORKERS, 0, peer("192.0.2.1"), 0, &entry));
	shm_connection_out(shm, WORKERS, 0);
	shm_address_out(shm, 0, UINT32_MAX - 1);
	shm_clear_worker(shm, WORKERS);
	ck_assert_ptr_null(shm_map(shm_fd, WORKERS + 1));
	ck_assert_ptr_null(shm_map(shm_fd, 0));
	ck_assert_ptr_null(shm_new(SHM_WORKERS_MAX + 1, &fd));
	/* A worker cannot pull the ground away from the others. */
	ck_assert_int_eq(ftruncate(shm_fd, 0), -1);
	unmake();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		ids_begin_at_1_and_never_repeat,
		a_limit_holds_for_all_workers_together,
		the_counts_of_a_dead_worker_are_cleared,
		an_address_is_limited_for_each_listener,
		ipv6_counts_by_64_and_mapped_ipv4_is_ipv4,
		unix_peers_are_never_limited,
		a_hundred_thousand_addresses_are_told_apart,
		processes_that_race_never_exceed_the_limit,
		what_is_out_of_range_is_refused,
		NULL,
	};

	return fixture_run("shm", tests);
}
