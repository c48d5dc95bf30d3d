/*
 * worker.c: a worker process: obeys the master, runs the event loop, and does
 * the work that waits for the end of a pass.
 */

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/plain_float.h"
#include "base/roles.h"
#include "base/title.h"
#include "ipc/answers.h"
#include "ipc/board.h"
#include "ipc/channel.h"
#include "ipc/hello.h"
#include "ipc/msg.h"
#include "ipc/packet.h"
#include "ipc/privileges.h"
#include "ipc/shm.h"
#include "worker/accept.h"
#include "worker/after_pass.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/crash.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/material.h"
#include "worker/names.h"
#include "worker/ours.h"
#include "worker/plugin.h"
#include "worker/process_limits.h"
#include "worker/queue.h"
#include "worker/service.h"
#include "worker/survey.h"
#include "worker/tls.h"
#include "worker/tls_tickets.h"
#include "worker/uplink.h"
#include "worker/upstreams.h"
#include "worker/usage.h"

#define ORPHAN_GRACE_S 5 /* added to drain_timeout when the master has died */

static struct {
	struct material material;
	uint32_t commit; /* the generation to commit after this pass; 0: none */
	bool draining;	 /* no new connections; leave when all have ended */
	bool upgraded;	 /* another program has taken over */
	bool closing;	 /* the remaining connections were told to close */
	bool stop;
	struct timer drain_timer;
	uint64_t drain_due_ms;
} worker;

/* For the signal handler. */
static volatile sig_atomic_t master_pid, own_pid;
static volatile sig_atomic_t orphan_s = 30 + ORPHAN_GRACE_S;

static void
close_all(enum sl_why why)
{
	struct listener *listener;

	worker.closing = engine.closing = true;
	LIST_FOREACH(listener, &listeners, link)
		listener_close_all(listener, why);
}

static void
on_drain_timeout(struct timer *timer)
{
	(void)timer;
	if (conn_count() > 0)
		log_info("connections still open after %s: %u; closing them",
		    worker.upgraded ? "upgrade_drain" : "drain_timeout",
		    conn_count());
	close_all(SL_WHY_SHUTDOWN);
}

static void
stop_new(void)
{
	struct listener *listener;

	LIST_FOREACH(listener, &listeners, link)
		listener_stop_new(listener, SL_WHY_SHUTDOWN);
}

/*
 * Accept and connect nothing new, and leave when the connections have ended.  A
 * second time it can only shorten that: the daemon may stop after an upgrade.
 */
static void
drain(bool upgrade)
{
	const struct gen *gen = gen_current();
	uint64_t due_ms = engine_now();

	if (gen != NULL)
		due_ms += upgrade ? gen->settings->upgrade_drain_ms
				  : gen->settings->drain_timeout_ms;
	if (worker.draining && due_ms >= worker.drain_due_ms)
		return;
	if (!worker.draining)
		stop_new();
	worker.draining = true;
	worker.upgraded = upgrade;
	worker.drain_due_ms = due_ms;
	timers_set(engine.timers, &worker.drain_timer, due_ms);
}

static void
kill_all(void)
{
	struct listener *listener;

	engine.closing = true;
	LIST_FOREACH(listener, &listeners, link)
		listener_kill_all(listener, SL_WHY_SHUTDOWN);
}

/* Leave now. */
static void
quit(void)
{
	drain(false);
	kill_all();
	worker.stop = true;
}

static void
stop_listener(const char *name, bool close_active)
{
	struct listener *listener = gen_find(name);

	if (listener == NULL)
		return;
	listener_stop_new(listener, SL_WHY_STOP);
	if (close_active)
		listener_close_all(listener, SL_WHY_STOP);
}

static void
prepare(uint32_t number)
{
	int rc;

	process_limits_restore();
	plain_float();
	if (worker.draining || number != worker.material.generation)
		rc = material_problem(&worker.material, NULL,
		    "the worker is leaving");
	else
		rc = gen_prepare(&worker.material);
	material_clear(&worker.material);
	uplink_prepared(number, rc == 0);
}

static void
commit(void)
{
	const struct gen *gen;
	uint32_t number = worker.commit;

	if (number == 0) /* there is nothing to commit */
		return;
	worker.commit = 0;
	if (gen_commit(number) == -1) {
		log_errorx("asked to commit generation %u, which was not "
			   "prepared; leaving",
		    number);
		worker.stop = true;
		return;
	}
	gen = gen_current();
	orphan_s = gen->settings->drain_timeout_ms / 1000 + ORPHAN_GRACE_S;
	if (worker.draining) /* a stop that came after COMMIT: apply it again */
		stop_new();
	log_debug("generation %u committed", number);
	uplink_committed(number);
}

static void
see_row(const struct msg *msg)
{
	/* Without the row, that worker's connections do not count here. */
	if (shm_see_row(engine.shm, msg->row.worker, msg->row.serial,
		msg->fd) == -1)
		log_warn("cannot see what worker %u counts; limits may be "
			 "exceeded",
		    msg->row.worker + 1);
}

/* The master sends them again, until they can be taken; say it once. */
static void
take_tickets(const struct msg *msg)
{
	static bool lost;
	struct error err;

	if (msg->fd == -1)
		error_set(&err, "this process has too many descriptors open");
	if (msg->fd != -1 && tls_tickets_set(msg->fd, &err) == 0) {
		if (lost)
			log_info("new keys for session tickets have arrived");
		lost = false;
		return;
	}
	if (!lost)
		log_warnx("new keys for session tickets were lost, and are "
			  "sent again every second: %s",
		    err.text);
	lost = true;
	uplink_no_tickets();
}

/* A descriptor that was lost: everything goes where it went. */
static void
take_output(struct msg *msg)
{
	if (msg->fd == -1)
		return;
	if (msg->output.what != OUTPUT_LINES) {
		log_leave_stderr(msg->fd, msg->output.what == OUTPUT_PRINTED);
		return;
	}
	log_pipe(msg->fd);
	msg->fd = -1;
}

static void
on_message(void *arg, struct msg *msg)
{
	struct error err;

	(void)arg;
	engine.after_pass_due = true;
	switch (msg->type) {
	case MSG_BUNDLE:
	case MSG_IMAGE:
	case MSG_SECRET:
	case MSG_SOCKET:
	case MSG_ENDPOINT:
		if (material_add(&worker.material, msg, &err) == -1)
			log_errorx("%s", err.text);
		return; /* the descriptor is taken */
	case MSG_PREPARE:
		prepare(msg->generation);
		break;
	case MSG_COMMIT:
		worker.commit = msg->generation;   /* at the end of this pass */
		event_base_loopbreak(engine.base); /* end the pass now */
		break;
	case MSG_ABORT:
		/*
		 * Some parts may have come without PREPARE, and the next
		 * generation may have the same number.
		 */
		material_clear(&worker.material);
		gen_abort();
		uplink_done(msg->generation);
		break;
	case MSG_STOP:
		if (msg->stop.now)
			quit();
		else
			drain(msg->stop.upgrade);
		break;
	case MSG_STOP_LISTENER:
		stop_listener(msg->stop_listener.name,
		    msg->stop_listener.close_active);
		uplink_done(0);
		break;
	case MSG_ROW:
		see_row(msg);
		break;
	case MSG_TICKETS:
		take_tickets(msg);
		break;
	case MSG_OUTPUT:
		take_output(msg);
		break;
	case MSG_LOG_LEVEL:
		log_set_level((enum log_level)msg->log.level);
		break;
	case MSG_LIST:
		survey_ask(msg->fd, msg->list.serial);
		break;
	default:
		log_warnx("the master said %s, which is not for workers",
		    msg_name(msg->type));
		break;
	}
	if (msg->fd != -1)
		close(msg->fd);
}

static void
on_channel_close(void *arg, const struct error *err)
{
	(void)arg;
	engine.after_pass_due = true;
	uplink_close();
	if (err != NULL) {
		log_warnx("lost the master, which sent %s", err->text);
	} else if (!worker.stop) {
		log_warnx("the master is gone; draining, then leaving");
	}
	if (worker.commit == 0)
		gen_abort(); /* nobody will commit it */
	drain(false);
}

static const struct channel_ops channel_ops = {
	.on_message = on_message,
	.on_close = on_channel_close,
};

/*
 * The kernel also sends SIGTERM when the master dies.  Then end the process in
 * any case, even if the event loop is stuck.
 */
static void
on_sigterm(int sig)
{
	if (getpid() != own_pid) { /* a child that a plugin forked just ends */
		signal(sig, SIG_DFL);
		raise(sig);
	} else if (getppid() != master_pid) {
		alarm(orphan_s);
	}
}

static void
at_end_of_pass(void)
{
	/* If the bell ended the pass, the master's messages go first. */
	if (callback_was_rung())
		uplink_hear();
	after_pass(commit);
	if (worker.draining) {
		if (!worker.closing && conn_holding() == 0)
			close_all(SL_WHY_SHUTDOWN);
		if (conn_count() == 0)
			worker.stop = true;
	}
}

/* The message after the hello brings our own row. */
static struct shm *
map_shared(const struct hello *hello, int head)
{
	struct shm *shm = NULL;
	struct packet room;
	struct error err;
	struct msg msg;

	if (packet_recv(CHILD_CHANNEL_FD, &room, &msg, &err) != 1)
		return NULL;
	if (msg.type == MSG_ROW)
		shm = shm_map(hello->workers, head, hello->place, msg.fd);
	if (msg.fd != -1)
		close(msg.fd);
	return shm;
}

static int
init(const struct hello *hello, int head, struct answers *answers)
{
	struct sigaction action = { .sa_handler = on_sigterm };
	struct shm *shm;

	master_pid = hello->master_pid;
	own_pid = getpid();
	sigaction(SIGTERM, &action, NULL);
	shm = map_shared(hello, head);
	close(head);
	if (shm == NULL || engine_init(shm) == -1 || accept_init() == -1 ||
	    conn_init() == -1 || tls_init() == -1 ||
	    timers_attach(engine.timers, &worker.drain_timer,
		on_drain_timeout) == -1 ||
	    usage_init() == -1)
		return -1;
	log_sink_show_loss(&shm_own_row(shm)->log_loss);
	callback_init(shm);
	if (crash_init(shm_own_row(shm), (int)hello->master_pid) == -1)
		return -1;
	if (uplink_open(engine.base, answers, &channel_ops) == -1)
		return -1;
	process_limits_note();
	return ours_init();
}

static void
done(void)
{
	struct shm *shm = engine.shm;

	kill_all();
	while (conn_work_left())
		conn_after_pass();
	survey_done();
	gen_done();
	material_clear(&worker.material);
	plugin_unload_unused();
	conn_done();
	upstreams_done();
	names_done();
	tls_tickets_clear();
	tls_done();
	accept_done();
	timers_detach(engine.timers, &worker.drain_timer);
	usage_done();
	uplink_close();
	engine_done();
	queue_pool_done();
	log_sink_show_loss(NULL);
	shm_free(shm);
}

int
worker_main(void)
{
	static char role[32];
	static struct answers *answers;
	struct hello hello;
	struct error err;
	int head;

	material_init(&worker.material, uplink_problem);
	if (hello_receive(&hello, &head, &answers) == -1)
		return EXIT_FAILURE;
	snprintf(role, sizeof(role), "worker %u", hello.worker + 1);
	title_set("%s", role);
	log_init(role);
	if (privileges_drop(&hello, SIGTERM, &err) == -1) {
		log_errorx("%s", err.text);
		return EXIT_FAILURE;
	}
	log_never_wait();
	if (init(&hello, head, answers) == -1) {
		log_error("cannot start");
		return EXIT_FAILURE;
	}
	if (engine_run(at_end_of_pass, &worker.stop) == -1) {
		log_error("the event loop failed");
		return EXIT_FAILURE;
	}
	done();
	return EXIT_SUCCESS;
}
