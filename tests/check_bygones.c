/*
 * check_bygones.c: workers of the program before, as processes: what they are
 * told, and when.  The clock is the test's.
 */

#include "log_fixture.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "base/clock.h"
#include "base/error.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "master/bygones.h"
#include "master/child.h"
#include "master/handover.h"

#define DRAIN_MS 60000
#define GRACE_MS 1000 /* as bygones.c has them */
#define STOP_MS 3000
#define RETRY_MS 100

static struct event_base *base;
static struct children *children;
static struct bygones *bygones;
static bool all_gone;
static pid_t worker;
static int channel; /* the worker's end */
static uint64_t now_ms = 1000000;
static struct bygone_facts facts;
static unsigned int seen;

/* Replaces the C library's, also for libevent: time passes only by after(). */
__attribute__((visibility("default"))) int
clock_gettime(clockid_t id, struct timespec *ret)
{
	if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)
		return (int)syscall(SYS_clock_gettime, id, ret);
	ret->tv_sec = (time_t)(now_ms / 1000);
	ret->tv_nsec = (long)(now_ms % 1000) * 1000000;
	return 0;
}

static void
on_all_gone(void *arg)
{
	ck_assert_ptr_eq(arg, &all_gone);
	all_gone = true;
}

/* A process that does nothing, and ends with the test. */
static pid_t
start_worker(void)
{
	int alive[2];
	pid_t pid;
	char byte;

	ck_assert_int_eq(pipe(alive), 0);
	pid = fork();
	if (pid == 0) {
		close(alive[1]);
		_exit(read(alive[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(alive[0]);
	fcntl(alive[1], F_SETFD, FD_CLOEXEC);
	return pid;
}

static void
take(struct handover *handover)
{
	struct taken taken;
	struct error err;
	int memfd;

	bygones_hand_over_end(handover);
	memfd = handover_seal(handover);
	ck_assert_int_ne(memfd, -1);
	ck_assert_int_eq(handover_announce(memfd), 0);
	handover_done(handover);
	ck_assert_int_eq(taken_open(&taken, &err), 1);
	bygones = bygones_new(base, children, on_all_gone, &all_gone);
	ck_assert_ptr_nonnull(bygones);
	ck_assert_int_eq(bygones_take(bygones, &taken), 0);
	taken_close(&taken);
}

static struct handover handover;

static void
begin(void)
{
	capture(0);
	base = event_base_new();
	children = children_new(base);
	worker = start_worker();
	pack_u32(&handover.packer, HANDOVER_FORMAT);
	pack_u32(&handover.packer, (uint32_t)getpid());
}

/* One that serves. */
static void
setup(void)
{
	int pair[2];

	begin();
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	channel = pair[1];
	bygone_hand_over(&handover, 0, worker, pair[0], 7);
	take(&handover);
}

static void
teardown(void)
{
	bygones_free(bygones);
	children_free(children);
	event_base_free(base);
}

/* What is due now happens. */
static void
after(uint64_t ms)
{
	now_ms += ms;
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static void
expect_stop_for(bool now, bool upgrade)
{
	struct packet *room = malloc(1 << 17);
	struct error err;
	struct msg msg;

	ck_assert_int_eq(packet_recv(channel, room, &msg, &err), 1);
	ck_assert_int_eq(msg.type, MSG_STOP);
	ck_assert_int_eq(msg.stop.now, now);
	ck_assert_int_eq(msg.stop.upgrade, upgrade);
	free(room);
}

static void
expect_stop(bool now)
{
	expect_stop_for(now, true);
}

static void
expect_nothing(void)
{
	char byte;

	ck_assert_int_eq(recv(channel, &byte, 1, MSG_PEEK), -1);
	ck_assert_int_eq(errno, EAGAIN);
}

static void
wait_for_the_end(void)
{
	while (!all_gone)
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	ck_assert_uint_eq(bygones_count(bygones), 0);
}

static void
note(void *arg, const struct bygone_facts *one)
{
	(void)arg;
	facts = *one;
	seen++;
}

static void
look(void)
{
	seen = 0;
	bygones_each(bygones, note, NULL);
	ck_assert_uint_eq(seen, 1);
}

START_TEST(it_serves_until_it_is_told)
{
	setup();
	after(DRAIN_MS);
	expect_nothing();
	look();
	ck_assert_str_eq(facts.state, "serving");
	ck_assert_uint_eq(facts.connections, 7);
	ck_assert(!facts.ends);
	bygones_drain(bygones, DRAIN_MS, true);
	expect_stop(false);
	after(DRAIN_MS / 2);
	expect_nothing();
	look();
	ck_assert_str_eq(facts.state, "draining");
	ck_assert(facts.ends);
	ck_assert_uint_le(facts.left_ms, DRAIN_MS / 2);
	teardown();
}
END_TEST

START_TEST(in_the_end_it_is_told_to_leave_and_then_killed)
{
	setup();
	bygones_drain(bygones, DRAIN_MS, true);
	expect_stop(false);
	after(DRAIN_MS + GRACE_MS);
	expect_stop(true);
	ck_assert(!all_gone);
	after(STOP_MS);
	wait_for_the_end();
	ck_assert_ptr_nonnull(
	    strstr(logged(), "did not stop in time and was killed"));
	teardown();
}
END_TEST

START_TEST(a_stalled_machine_takes_no_time_from_it)
{
	setup();
	bygones_drain(bygones, DRAIN_MS, true);
	expect_stop(false);
	after(10 * DRAIN_MS); /* we were stopped, and it was as well */
	expect_nothing();
	after(STOP_MS);
	expect_stop(true);
	after(10 * DRAIN_MS);
	ck_assert_int_eq(waitpid(worker, NULL, WNOHANG), 0);
	after(STOP_MS);
	wait_for_the_end();
	teardown();
}
END_TEST

START_TEST(one_that_has_ended_is_not_killed)
{
	siginfo_t info;

	setup();
	bygones_drain(bygones, DRAIN_MS, true);
	after(DRAIN_MS + GRACE_MS);
	ck_assert_int_eq(kill(worker, SIGUSR1), 0);
	ck_assert_int_eq(waitid(P_PID, (id_t)worker, &info, WEXITED | WNOWAIT),
	    0);
	after(STOP_MS); /* before or after its SIGCHLD */
	wait_for_the_end();
	ck_assert_ptr_nonnull(strstr(logged(), "was killed by SIGUSR1"));
	teardown();
}
END_TEST

START_TEST(a_full_channel_is_tried_again)
{
	const struct msg msg = { .type = MSG_ABORT, .fd = -1 };
	struct packet *room = malloc(1 << 17);
	struct error err;
	struct msg got;
	int pair[2], sent = 0;

	begin();
	ck_assert_int_eq(
	    socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair), 0);
	channel = pair[1];
	while (packet_send(pair[0], &msg) == 0)
		sent++;
	bygone_hand_over(&handover, 0, worker, pair[0], 0);
	take(&handover);
	bygones_drain(bygones, DRAIN_MS, true);
	while (sent-- > 0) {
		ck_assert_int_eq(packet_recv(channel, room, &got, &err), 1);
		ck_assert_int_eq(got.type, MSG_ABORT);
	}
	expect_nothing();
	after(RETRY_MS);
	expect_stop(false);
	free(room);
	teardown();
}
END_TEST

START_TEST(a_second_drain_only_shortens)
{
	setup();
	bygones_drain(bygones, DRAIN_MS, true);
	bygones_drain(bygones, 2 * DRAIN_MS, true);
	expect_stop(false);
	look();
	ck_assert_uint_le(facts.left_ms, DRAIN_MS);
	bygones_drain(bygones, DRAIN_MS / 2, false);
	expect_stop_for(false, false);
	look();
	ck_assert_uint_le(facts.left_ms, DRAIN_MS / 2);
	bygones_drain(bygones, 0, false);
	expect_stop_for(false, false);
	after(1);
	expect_stop_for(true, false);
	teardown();
}
END_TEST

START_TEST(one_that_has_crashed_does_not_count)
{
	begin();
	ck_assert_int_eq(kill(worker, SIGSTOP), 0);
	bygone_hand_over_dying(&handover, 0, worker);
	take(&handover);
	ck_assert_uint_eq(bygones_count(bygones), 0);
	look();
	ck_assert_str_eq(facts.state, "dying");
	/* It does not look so, and is killed. */
	while (seen > 0) {
		ck_assert_int_eq(event_base_loop(base, EVLOOP_ONCE), 0);
		seen = 0;
		bygones_each(bygones, note, NULL);
	}
	ck_assert(!all_gone);
	ck_assert_ptr_nonnull(strstr(logged(),
	    "which had crashed, is gone: it had crashed, but did not end"));
	teardown();
}
END_TEST

int
main(void)
{
	const TTest *const tests[] = {
		it_serves_until_it_is_told,
		in_the_end_it_is_told_to_leave_and_then_killed,
		a_stalled_machine_takes_no_time_from_it,
		one_that_has_ended_is_not_killed,
		a_full_channel_is_tried_again,
		a_second_drain_only_shortens,
		one_that_has_crashed_does_not_count,
		NULL,
	};

	return fixture_run("bygones", tests);
}
