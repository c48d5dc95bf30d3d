/* check_admission.c: seats are taken, refused and given back. */

#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "base/log.h"
#include "config/settings.h"
#include "fixture.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "worker/admission.h"
#include "worker/engine.h"
#include "worker/listener.h"
#include "worker_fixture.h"

static const struct sl_handlers handlers = { .size = sizeof(handlers) };
static struct endpoint *endpoint;

static void
begin(uint64_t connections, uint64_t per_address)
{
	worker_begin(&handlers);
	worker_settings()->limits.connections = connections;
	worker_settings()->limits.per_address = per_address;
	endpoint = &worker_listener()->endpoint;
}

static const struct sockaddr *
peer(const char *address)
{
	static struct sockaddr_in in;

	in.sin_family = AF_INET;
	ck_assert_int_eq(inet_pton(AF_INET, address, &in.sin_addr), 1);
	return (const struct sockaddr *)&in;
}

static bool
take(struct seat *seat)
{
	return seat_take(seat, endpoint, peer("192.0.2.1"),
	    sizeof(struct sockaddr_in));
}

static bool
take_address(struct seat *seat, const char *address)
{
	return seat_take_address(seat, endpoint, peer(address),
	    sizeof(struct sockaddr_in));
}

static uint64_t
counted(enum count count)
{
	return endpoint->counts->value[count];
}

START_TEST(a_seat_is_refused_when_the_connections_are_too_many)
{
	struct seat first = SEAT_NONE, second = SEAT_NONE, third = SEAT_NONE;

	begin(2, 0);
	ck_assert(take(&first));
	ck_assert(take(&second));
	ck_assert(!take(&third));
	ck_assert_uint_eq(counted(COUNT_REFUSED_CONNECTIONS), 1);
	ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot), 2);
	seat_release(&third); /* it holds nothing */
	ck_assert(!take(&third));
	seat_release(&first);
	ck_assert(take(&third));
	seat_release(&second);
	seat_release(&third);
	worker_end();
}
END_TEST

START_TEST(each_address_has_its_own_limit)
{
	struct seat first = SEAT_NONE, second = SEAT_NONE, other = SEAT_NONE;

	begin(0, 1);
	ck_assert(take_address(&first, "192.0.2.1"));
	ck_assert(!take_address(&second, "192.0.2.1"));
	ck_assert_uint_eq(counted(COUNT_REFUSED_PER_ADDRESS), 1);
	ck_assert(take_address(&other, "192.0.2.2"));
	seat_release(&first);
	ck_assert(take_address(&second, "192.0.2.1"));
	seat_release(&second);
	seat_release(&other);
	worker_end();
}
END_TEST

START_TEST(the_address_can_be_counted_later)
{
	struct seat first = SEAT_NONE, second = SEAT_NONE;

	begin(2, 1);
	ck_assert(take(&first));
	ck_assert(take(&second));
	ck_assert(take_address(&first, "192.0.2.1"));
	/* It still has its seat among all connections, and gives it back. */
	ck_assert(!take_address(&second, "192.0.2.1"));
	ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot), 2);
	seat_release(&second);
	ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot), 1);
	seat_release(&first);
	worker_end();
}
END_TEST

START_TEST(a_seat_is_given_back_once)
{
	struct seat seat = SEAT_NONE, other = SEAT_NONE, third = SEAT_NONE;

	begin(0, 2);
	ck_assert(take(&seat) && take_address(&seat, "192.0.2.1"));
	ck_assert(take(&other) && take_address(&other, "192.0.2.1"));
	seat_release(&seat);
	seat_release(&seat);
	ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot), 1);
	ck_assert(take_address(&seat, "192.0.2.1"));
	ck_assert(!take_address(&third, "192.0.2.1"));
	seat_release(&seat);
	seat_release(&other);
	worker_end();
}
END_TEST

START_TEST(a_connection_that_ends_gives_its_seat_back)
{
	int fd;

	begin(1, 0);
	for (int i = 0; i < 3; i++) {
		fd = worker_connect();
		ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot),
		    1);
		close(fd);
		worker_idle();
		ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot),
		    0);
	}
	worker_end();
}
END_TEST

/* Here: for lack of an id, once the block from the master is used up. */
START_TEST(a_connection_that_cannot_be_made_gives_its_seat_back)
{
	char byte;
	int fd;

	begin(0, 0);
	while (shm_next_id(engine.shm) != 0)
		continue;
	fd = worker_connect();
	ck_assert_uint_eq(shm_connections(engine.shm, endpoint->slot), 0);
	ck_assert_uint_eq(counted(COUNT_REFUSED_MEMORY), 1);
	ck_assert_int_eq(read(fd, &byte, 1), 0);
	close(fd);
	worker_end();
}
END_TEST

/*
 * Lines that hold one of two refusals each: how many were logged of the first
 * reason and of the second.
 */
static void
count_lines(int from, unsigned int *ret_first, unsigned int *ret_second)
{
	static char text[1 << 16];
	ssize_t got = read(from, text, sizeof(text) - 1);

	text[got > 0 ? got : 0] = '\0';
	*ret_first = *ret_second = 0;
	for (char *line = strtok(text, "\n"); line != NULL;
	     line = strtok(NULL, "\n")) {
		*ret_first += strstr(line, "limits.connections (1)") != NULL;
		*ret_second += strstr(line, "limits.per_address (1)") != NULL;
	}
}

START_TEST(a_flood_of_one_reason_hides_no_other)
{
	struct seat first = SEAT_NONE, second = SEAT_NONE;
	unsigned int many, few;
	int ends[2];

	begin(1, 1);
	ck_assert_int_eq(pipe2(ends, O_NONBLOCK), 0);
	ck_assert_int_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	log_init("worker 1");
	ck_assert(take(&first));
	ck_assert(take_address(&first, "192.0.2.1"));
	for (int i = 0; i < 1000; i++)
		ck_assert(!take(&second));
	ck_assert(!take_address(&second, "192.0.2.1"));
	count_lines(ends[0], &many, &few);
	ck_assert_uint_ge(many, 1);
	ck_assert_uint_eq(few, 1);
	ck_assert_uint_eq(counted(COUNT_REFUSED_CONNECTIONS), 1000);
	ck_assert_uint_eq(counted(COUNT_REFUSED_PER_ADDRESS), 1);
	seat_release(&first);
	worker_end();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		a_seat_is_refused_when_the_connections_are_too_many,
		each_address_has_its_own_limit,
		the_address_can_be_counted_later,
		a_seat_is_given_back_once,
		a_connection_that_ends_gives_its_seat_back,
		a_connection_that_cannot_be_made_gives_its_seat_back,
		a_flood_of_one_reason_hides_no_other,
		NULL,
	};

	return fixture_run("admission", tests);
}
