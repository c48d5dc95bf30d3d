/*
 * check_survey.c: what the master is told about connections, and which ones
 * it ends.
 */

#include "conn_plugin.h"
#include "ipc/conn_sheet.h"
#include "worker/gen.h"
#include "worker/survey.h"

#define PEERS 20

static int peers[PEERS];

/* PEERS connections; number i has sent i bytes. */
static void
begin_many(void)
{
	begin(&full);
	LIST_INSERT_HEAD(&listeners, worker_listener(), link);
	for (int i = 0; i < PEERS; i++) {
		peers[i] = worker_connect();
		if (i > 0)
			peer_write(peers[i], bytes, (size_t)i);
	}
}

static void
end_many(void)
{
	for (int i = 0; i < PEERS; i++)
		close(peers[i]);
	worker_idle();
	LIST_REMOVE(worker_listener(), link);
	worker_end();
	survey_done();
}

/* The sheet with the answer; close it. */
static int
ask(const struct conn_query *query)
{
	int fd = conn_sheet_new(query);

	ck_assert_int_ne(fd, -1);
	survey_ask(fd, 1);
	while (survey_go_on())
		;
	return fd;
}

static void
expect(int fd, const struct conn_query *query, uint32_t rows, uint64_t matched)
{
	uint64_t got_matched;
	uint32_t got;

	ck_assert_int_eq(conn_sheet_result(fd, query->most, &got, &got_matched),
	    0);
	ck_assert_uint_eq(got, rows);
	ck_assert_uint_eq(got_matched, matched);
}

START_TEST(rows_come_in_the_order_that_was_asked_for)
{
	const struct conn_query oldest = { .most = 5 },
				most = { .most = 5, .sort = CONN_SORT_IN };
	struct conn_row row, before;
	int fd;

	begin_many();
	fd = ask(&oldest);
	expect(fd, &oldest, 5, PEERS);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(conn_sheet_row(fd, i, &row), 0);
		ck_assert_uint_eq(row.bytes_in, i);
		ck_assert_uint_eq(row.state, CONN_STATE_OPEN);
		ck_assert_str_eq(row.listener, "test");
		if (i > 0)
			ck_assert_uint_lt(before.id, row.id);
		before = row;
	}
	close(fd);
	fd = ask(&most);
	expect(fd, &most, 5, PEERS);
	for (uint32_t i = 0; i < 5; i++) {
		ck_assert_int_eq(conn_sheet_row(fd, i, &row), 0);
		ck_assert_uint_eq(row.bytes_in, PEERS - 1 - i);
	}
	close(fd);
	end_many();
}
END_TEST

START_TEST(only_those_that_match_are_told)
{
	struct conn_query ids = { .most = 5 },
			  elsewhere = { .most = 5, .listener = "other" },
			  closing = { .most = 5, .state = CONN_STATE_CLOSING },
			  network = { .most = 5, .has_network = true };
	struct error err;
	int fd;

	begin_many();
	ids.ids[ids.id_count++] = plugin.conn->id.id;
	ids.ids[ids.id_count++] = UINT64_MAX;
	fd = ask(&ids);
	expect(fd, &ids, 1, 1);
	close(fd);
	fd = ask(&elsewhere);
	expect(fd, &elsewhere, 0, 0);
	close(fd);
	ck_assert_int_eq(network_parse("10.0.0.0/8", &network.network, &err),
	    0);
	fd = ask(&network);
	expect(fd, &network, 0, 0);
	close(fd);
	ck_assert_int_eq(network_parse("unix", &network.network, &err), 0);
	fd = ask(&network);
	expect(fd, &network, 5, PEERS);
	close(fd);
	worker_settings()->timeouts.linger_ms = 60000;
	sl_close(plugin.conn);
	worker_pass(false);
	fd = ask(&closing);
	expect(fd, &closing, 1, 1);
	close(fd);
	end_many();
}
END_TEST

START_TEST(those_that_match_are_ended)
{
	struct conn_query query = { .kill = true };
	char byte;
	int fd;

	begin_many();
	query.ids[query.id_count++] = plugin.conn->id.id;
	fd = ask(&query);
	expect(fd, &query, 0, 1);
	close(fd);
	worker_idle();
	ck_assert_ptr_null(plugin.conn);
	ck_assert_uint_eq(plugin.why, SL_WHY_KILLED);
	ck_assert_int_le(recv(peers[PEERS - 1], &byte, 1, 0), 0);
	ck_assert_uint_eq(conn_count(), PEERS - 1);
	query.id_count = 0;
	fd = ask(&query);
	expect(fd, &query, 0, PEERS - 1);
	close(fd);
	worker_idle();
	ck_assert_uint_eq(conn_count(), 0);
	end_many();
}
END_TEST

/* A question is answered over several passes, while connections come and go. */
START_TEST(a_connection_that_ends_meanwhile_is_skipped)
{
	struct conn_query query = { .most = 5 };
	struct sl_conn *conn;
	int fd;

	begin_many();
	fd = conn_sheet_new(&query);
	survey_ask(fd, 1);
	/* It has begun with the first one, which ends. */
	conn = TAILQ_FIRST(&worker_listener()->conns);
	sl_terminate(conn);
	worker_idle();
	while (survey_go_on())
		;
	expect(fd, &query, 5, PEERS - 1);
	close(fd);
	end_many();
}
END_TEST

START_TEST(a_listener_that_ends_meanwhile_is_skipped)
{
	struct conn_query query = { .most = 5 };
	int fd;

	begin_many();
	fd = conn_sheet_new(&query);
	survey_ask(fd, 1);
	survey_skip_listener(worker_listener());
	while (survey_go_on())
		;
	expect(fd, &query, 0, 0);
	close(fd);
	end_many();
}
END_TEST

START_TEST(questions_are_answered_one_after_the_other)
{
	struct conn_query all = { .most = 5 }, none = { .most = 0 };
	int first, second;

	begin_many();
	first = conn_sheet_new(&all);
	second = conn_sheet_new(&none);
	survey_ask(first, 1);
	survey_ask(second, 2);
	while (survey_go_on())
		;
	expect(first, &all, 5, PEERS);
	expect(second, &none, 0, PEERS);
	close(first);
	close(second);
	end_many();
}
END_TEST

START_TEST(a_sheet_that_cannot_be_is_refused)
{
	struct conn_sheet head = { .rows = 6, .matched = 10 };
	struct conn_query query = { .most = 5 };
	struct conn_row row;
	uint64_t matched;
	uint32_t rows;
	int fd = conn_sheet_new(&query);

	/* What a worker has written is looked at. */
	ck_assert_int_eq(pwrite(fd, &head, sizeof(head), 0), sizeof(head));
	ck_assert_int_eq(conn_sheet_result(fd, 5, &rows, &matched), -1);
	memset(&row, 'x', sizeof(row));
	ck_assert_int_eq(pwrite(fd, &row, sizeof(row), CONN_SHEET_SIZE(2)),
	    sizeof(row));
	ck_assert_int_eq(conn_sheet_row(fd, 2, &row), 0);
	ck_assert_uint_eq(strlen(row.peer), sizeof(row.peer) - 1);
	ck_assert_int_eq(conn_sheet_row(fd, 5, &row), -1);
	/* Nobody can cut it short under the other one. */
	ck_assert_int_eq(ftruncate(fd, 0), -1);
	/* A query that does not fit its size is none. */
	query.most = 4;
	ck_assert_int_eq(pwrite(fd, &query, sizeof(query), 0), sizeof(query));
	ck_assert_ptr_null(conn_sheet_map(fd));
	close(fd);
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		rows_come_in_the_order_that_was_asked_for,
		only_those_that_match_are_told,
		those_that_match_are_ended,
		a_connection_that_ends_meanwhile_is_skipped,
		a_listener_that_ends_meanwhile_is_skipped,
		questions_are_answered_one_after_the_other,
		a_sheet_that_cannot_be_is_refused,
		NULL,
	};

	return conn_run("survey", tests);
}
