/* callback.c: the one door to plugin code. */

#include "worker/callback.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "base/ticks.h"
#include "base/why.h"
#include "ipc/board.h"
#include "ipc/counts.h"
#include "ipc/shm.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/plugin.h"
#include "worker/service.h"
#include "worker/slow.h"

/*
 * All callbacks that take longer are looked at more closely.  It is below the
 * time of the last bucket of COUNT_CALLBACKS.
 */
#define USUAL_MAX_MS 30000
_Static_assert((uint64_t)USUAL_MAX_MS * 2000 < 1ULL << COUNT_BUCKETS,
    "the bucket of a usual callback exists");

/*
 * The callback on the stack, or the last one.  Its number is on the board,
 * where the master sees it.  Whose it is, `running` says here; that is valid
 * only while the board says that a callback is running.
 */
static struct board_row no_board;
static struct board_row *row = &no_board;
static struct {
	const struct sl_service *service;
	const struct plugin *checking; /* in `check` there is no service */
	const struct sl_conn *conn;
} running;

static inline uint32_t
get(const _Atomic uint32_t *word)
{
	return atomic_load_explicit(word, memory_order_relaxed);
}

static inline void
set(_Atomic uint32_t *word, uint32_t value)
{
	atomic_store_explicit(word, value, memory_order_relaxed);
}

static const _Atomic uint32_t no_bell;
static const _Atomic uint32_t *bell = &no_bell;
static uint32_t rung; /* the count of the bell when it was last read */
static bool was_rung; /* since callback_was_rung() was last called */

/*
 * The master has rung the bell: end the pass with this event.  The master may
 * have an urgent message, and the other events may all be as slow as this one.
 */
static void
hear(void)
{
	rung = get(bell);
	was_rung = true;
	engine.after_pass_due = true;
	event_base_loopbreak(engine.base);
}

bool
callback_was_rung(void)
{
	bool was = was_rung;

	was_rung = false;
	return was;
}

static uint64_t tick_scale; /* for ticks_half_us() */
static uint64_t slow_ms;    /* callbacks that take so long are slow; 0: none */
/* A callback that takes fewer ticks is a usual one. */
static uint64_t usual_ticks = UINT64_MAX;

void
callback_set_slow(uint64_t ms)
{
	uint64_t most = ms == 0 || ms > USUAL_MAX_MS ? USUAL_MAX_MS : ms;

	slow_ms = ms;
	usual_ticks = ticks_of_ms(most, tick_scale);
}

void
callback_init(struct shm *shm)
{
	row = shm_own_row(shm);
	bell = shm_bell(shm);
	rung = get(bell);
	tick_scale = shm_tick_scale(shm);
	callback_set_slow(0);
}

/* Show on the board that this plugin code begins to run. */
static inline void
show(struct board_row *on, enum callback callback, uint64_t code)
{
	atomic_store_explicit(&on->code, code, memory_order_relaxed);
	on->begun = ticks_now();
	set(&on->callback, callback);
}

static inline void
hide(void)
{
	set(&row->callback, CALLBACK_NONE);
	if (get(bell) != rung)
		hear();
}

static inline void
enter(enum callback callback, const struct sl_service *service,
    const struct sl_conn *conn)
{
	struct board_row *own = row; /* read the global only once */

	assert(get(&own->callback) == CALLBACK_NONE); /* they never nest */
	running.service = service;
	running.conn = conn;
	show(own, callback, service->code);
}

void
callback_count_time(struct counts *counts, enum count first, uint64_t ticks)
{
	count_time(counts, first, ticks, ticks_half_us(ticks, tick_scale));
}

/*
 * How many ms that was, if it was slow; else 0.  If the ticks went backwards
 * meanwhile, nobody knows, and it was not.
 */
static uint64_t
slow_time(uint64_t ticks)
{
	uint64_t ms;

	if (slow_ms == 0 || ticks < usual_ticks || ticks > TICKS_MAX)
		return 0;
	ms = ticks_half_us(ticks, tick_scale) / 2000;
	return ms >= slow_ms ? ms : 0;
}

/* Count a callback that took longer than usual. */
static void __attribute__((cold, noinline))
count_slowly(struct counts *counts, uint64_t ticks)
{
	uint64_t ms = slow_time(ticks);
	struct callback_context context;

	callback_count_time(counts, COUNT_CALLBACKS,
	    ticks > TICKS_MAX ? 0 : ticks);
	if (ms == 0)
		return;
	count_add(counts, COUNT_SLOW, 1);
	context = callback_context();
	slow_tell(&context, ms);
}

static inline void
leave(void)
{
	struct counts *counts = running.service->counts;
	uint64_t ticks = ticks_now() - row->begun;
	unsigned int bucket;

	if (ticks >= usual_ticks) {
		count_slowly(counts, ticks);
	} else {
		bucket = count_bucket(ticks_half_us(ticks, tick_scale));
		count_add(counts, COUNT_CALLBACKS + bucket, 1);
		count_add(counts, COUNT_CALLBACK_TICKS, ticks);
	}
	hide();
}

/* Of the last callback's listener: the master may ask whose that was. */
static uint64_t code_before;

void
callback_show(unsigned int what, uint64_t code)
{
	assert(!callback_running());
	running.service = NULL;
	running.checking = NULL;
	running.conn = NULL;
	code_before = atomic_load_explicit(&row->code, memory_order_relaxed);
	show(row, what, code);
}

uint64_t
callback_hide(void)
{
	uint64_t ticks = ticks_now() - row->begun;

	set(&row->callback, CALLBACK_NONE);
	atomic_store_explicit(&row->code, code_before, memory_order_relaxed);
	return slow_time(ticks);
}

bool
callback_running(void)
{
	return get(&row->callback) != CALLBACK_NONE;
}

struct callback_context
callback_context(void)
{
	if (!callback_running())
		return (struct callback_context){ .callback = CALLBACK_NONE };
	return (struct callback_context){
		.callback = get(&row->callback),
		.plugin = running.service != NULL ? running.service->plugin
						  : running.checking,
		.service = running.service,
		.conn = running.conn,
	};
}

bool
callback_running_for(const struct sl_conn *conn)
{
	return running.conn == conn && callback_running();
}

uint64_t
callback_number(void)
{
	return callback_running() ? row->begun : 0;
}

/*
 * What sl_refuse() fills.  `check` gets the struct sl_error; for `start` and
 * `reload`, which have none, NULL stands for it.
 */
static struct own_error {
	struct sl_error public;
	char text[ERROR_TEXT_MAX];
	char option[OPTION_PATH_MAX];
} own;

static void
forget_refusal(void)
{
	own = (struct own_error){ .public.size = sizeof(own.public) };
}

void
callback_take_blamed(char ret_option[OPTION_PATH_MAX])
{
	memcpy(ret_option, own.option, OPTION_PATH_MAX);
	own.option[0] = '\0';
}

int
callback_check(const struct plugin *plugin, const struct sl_options *options,
    struct error *err)
{
	int rc;

	forget_refusal();
	if (plugin->descriptor.check == NULL)
		return 0;
	running.checking = plugin;
	running.service = NULL;
	running.conn = NULL;
	show(row, CALLBACK_CHECK, 0);
	rc = plugin->descriptor.check(options, &own.public);
	hide();
	if (rc >= 0)
		return 0;
	return error_set(err, "%s",
	    own.public.text != NULL ? own.public.text
				    : "the plugin refuses the options");
}

void
callback_refuse(const struct sl_error *err, const char *option, const char *fmt,
    va_list ap)
{
	uint32_t what = get(&row->callback);

	/* Only these can refuse, with the error that `check` was given. */
	if ((err != NULL && err != &own.public) ||
	    (what != CALLBACK_CHECK && what != CALLBACK_START &&
		what != CALLBACK_RELOAD))
		return;
	vsnprintf(own.text, sizeof(own.text), fmt, ap);
	own.public.text = own.text;
	snprintf(own.option, sizeof(own.option), "%s",
	    option != NULL ? option : "");
}

/* The result of `start` or `reload`. */
static int
judge(int rc, const char *callback, struct error *err)
{
	if (rc >= 0)
		return 0;
	if (own.public.text == NULL)
		return error_set(err,
		    "its %s callback refused and gave no reason (sl_refuse)",
		    callback);
	return error_set(err, "its %s callback refused: %s", callback,
	    own.text);
}

int
callback_start(struct sl_service *service, struct error *err)
{
	int rc;

	forget_refusal();
	if (service->plugin->descriptor.start == NULL)
		return 0;
	enter(CALLBACK_START, service, NULL);
	rc = service->plugin->descriptor.start(service);
	leave();
	return judge(rc, "start", err);
}

int
callback_reload(struct sl_service *next, struct sl_service *prev,
    struct error *err)
{
	int rc;

	forget_refusal();
	enter(CALLBACK_RELOAD, next, NULL);
	rc = next->plugin->descriptor.reload(next, prev);
	leave();
	return judge(rc, "reload", err);
}

void
callback_stop(struct sl_service *service)
{
	if (service->plugin->descriptor.stop == NULL)
		return;
	enter(CALLBACK_STOP, service, NULL);
	service->plugin->descriptor.stop(service);
	leave();
}

int
callback_migrate(struct sl_conn *conn, struct sl_service *to,
    uint32_t from_version)
{
	int rc;

	enter(CALLBACK_MIGRATE, to, conn);
	rc = to->plugin->descriptor.migrate(conn, from_version);
	leave();
	return rc;
}

void
callback_timer(struct sl_service *service, struct sl_conn *conn, uint32_t id)
{
	if (service->plugin->descriptor.timer == NULL)
		return;
	enter(CALLBACK_TIMER, service, conn);
	service->plugin->descriptor.timer(service, conn, id);
	leave();
}

static const struct sl_handlers *
handlers(const struct sl_conn *conn)
{
	const struct plugin *plugin = conn->service->plugin;

	return conn->is_client ? &plugin->client : &plugin->server;
}

int
callback_open(struct sl_conn *conn)
{
	int rc;

	if (handlers(conn)->open == NULL)
		return 0;
	enter(CALLBACK_OPEN, conn->service, conn);
	rc = handlers(conn)->open(conn);
	leave();
	return rc;
}

ssize_t
callback_data(struct sl_conn *conn, const void *buf, size_t len)
{
	ssize_t (*data)(struct sl_conn *, const void *, size_t) =
	    handlers(conn)->data;
	ssize_t used;

	if (conn->piped)
		return conn_pipe_data(conn, buf, len);
	if (data == NULL)
		return len; /* a plugin that only writes */
	enter(CALLBACK_DATA, conn->service, conn);
	used = data(conn, buf, len);
	leave();
	return used;
}

void
callback_drain(struct sl_conn *conn)
{
	if (conn->piped) {
		conn_pipe_drain(conn);
		return;
	}
	if (handlers(conn)->drain == NULL)
		return;
	enter(CALLBACK_DRAIN, conn->service, conn);
	handlers(conn)->drain(conn);
	leave();
}

bool
callback_end(struct sl_conn *conn)
{
	if (conn->piped) {
		conn_pipe_end(conn);
		return true;
	}
	if (handlers(conn)->end == NULL)
		return false;
	enter(CALLBACK_END, conn->service, conn);
	handlers(conn)->end(conn);
	leave();
	return true;
}

bool
callback_timeout(struct sl_conn *conn)
{
	if (handlers(conn)->timeout == NULL)
		return false;
	enter(CALLBACK_TIMEOUT, conn->service, conn);
	handlers(conn)->timeout(conn);
	leave();
	return true;
}

/* The error as the plugin sees it; valid until the callback returns. */
static struct sl_error
explain(const struct sl_conn *conn, const struct ending *why,
    char text[ERROR_TEXT_MAX])
{
	return (struct sl_error){
		.size = sizeof(struct sl_error),
		.why = why->why,
		.sys_errno = why->sys_errno,
		.stage = why->stage,
		.text = conn_reason_text(conn, why, text),
	};
}

void
callback_handshake(struct sl_conn *conn, const struct ending *why)
{
	char text[ERROR_TEXT_MAX];
	struct sl_error error;

	if (handlers(conn)->handshake == NULL)
		return;
	if (why != NULL)
		error = explain(conn, why, text);
	enter(CALLBACK_HANDSHAKE, conn->service, conn);
	handlers(conn)->handshake(conn, why != NULL ? &error : NULL);
	leave();
}

void
callback_connect_error(struct sl_conn *conn, const struct ending *why)
{
	char text[ERROR_TEXT_MAX], peer[ADDRESS_TEXT_MAX];
	char whole[ERROR_TEXT_MAX + ADDRESS_TEXT_MAX];
	struct sl_error error;

	if (handlers(conn)->connect_error == NULL)
		return;
	error = explain(conn, why, text);
	snprintf(whole, sizeof(whole), "%s: %s", conn_remote_text(conn, peer),
	    text);
	error.text = whole;
	enter(CALLBACK_CONNECT_ERROR, conn->service, conn);
	handlers(conn)->connect_error(conn, &error);
	leave();
}

void
callback_error(struct sl_conn *conn, const struct ending *why)
{
	char text[ERROR_TEXT_MAX];
	struct sl_error error;

	if (handlers(conn)->error == NULL)
		return;
	error = explain(conn, why, text);
	enter(CALLBACK_ERROR, conn->service, conn);
	handlers(conn)->error(conn, &error);
	leave();
}

void
callback_close(struct sl_conn *conn, const struct ending *why)
{
	char text[ERROR_TEXT_MAX];
	struct sl_error error;

	if (handlers(conn)->close == NULL)
		return;
	error = explain(conn, why, text);
	enter(CALLBACK_CLOSE, conn->service, conn);
	handlers(conn)->close(conn, &error);
	leave();
}
