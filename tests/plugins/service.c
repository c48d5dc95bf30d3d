/*
 * service.c: logs start, reload and stop of its service.  With the option
 * `lock` only the worker that makes the file starts; with `fail` none does.
 * While the file `exit_if` or `hang_if` exists, `start` exits, or does not return.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sluice.h>

#ifndef VERSION
#define VERSION "v1"
#endif
#ifndef STATE_VERSION
#define STATE_VERSION 1
#endif
#ifndef FLAGS
#define FLAGS SL_MANY_WORKERS
#endif

#define TIMER 7u

struct state {
	uint64_t serial; /* number of this state in this process */
};

static const struct sl_option options[] = {
	{ "lock", SL_OPTION_STRING, "", "a file that only one may make" },
	{ "fail", SL_OPTION_BOOL, "false", "do not start" },
	{ "share", SL_OPTION_BOOL, "false", "reload keeps the old state" },
	{ "exit_if", SL_OPTION_STRING, "", "a file" },
	{ "hang_if", SL_OPTION_STRING, "", "a file" },
	{ "timer", SL_OPTION_DURATION, "0", "period of the service's timer" },
	{ 0 },
};

static int
begin(struct sl_service *service, const char *how)
{
	const struct sl_options *o = sl_options(service);
	const char *lock = sl_option_string(o, "lock");
	static uint64_t serial;
	struct state *state;
	int fd;

	if (access(sl_option_string(o, "exit_if"), F_OK) == 0)
		exit(3);
	while (access(sl_option_string(o, "hang_if"), F_OK) == 0)
		usleep(1000);
	if (sl_option_bool(o, "fail"))
		return -1;
	if (lock[0] != '\0') {
		fd = open(lock, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
		if (fd == -1) {
			sl_log(service, SL_LOG_INFO, "service lock is taken");
			return -1;
		}
		close(fd);
	}
	if ((state = calloc(1, sizeof(*state))) == NULL)
		return -1;
	state->serial = ++serial;
	sl_set_service_data(service, state);
	sl_log(service, SL_LOG_INFO, "service %s " VERSION " state %" PRIu64,
	    how, state->serial);
	if (sl_option_ms(o, "timer") > 0)
		sl_timer(service, NULL, TIMER, sl_option_ms(o, "timer"));
	return 0;
}

static int
on_start(struct sl_service *service)
{
	return begin(service, "start");
}

#ifndef WITHOUT_RELOAD
static int
on_reload(struct sl_service *next, struct sl_service *prev)
{
	if (!sl_option_bool(sl_options(next), "share"))
		return begin(next, "reload");
	sl_set_service_data(next, sl_service_data(prev));
	sl_log(next, SL_LOG_INFO, "service shares " VERSION);
	return 0;
}
#else
#define on_reload NULL
#endif

static void
on_stop(struct sl_service *service)
{
	struct state *state = sl_service_data(service);

	sl_log(service, SL_LOG_INFO, "service stop " VERSION " state %" PRIu64,
	    state->serial);
	free(state);
}

static void
on_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	const struct sl_options *o = sl_options(service);

	(void)c;
	sl_log(service, SL_LOG_INFO, "service timer %" PRIu32 " " VERSION, id);
	if (sl_option_ms(o, "timer") > 0)
		sl_timer(service, NULL, id, sl_option_ms(o, "timer"));
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	struct state *state = sl_service_data(sl_service(c));

	(void)state->serial; /* must still be there */
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "service", .version = VERSION, .flags = FLAGS,
    .state_version = STATE_VERSION, .options = options, .start = on_start,
    .reload = on_reload, .stop = on_stop, .timer = on_timer,
    .server = SL_HANDLERS(.data = on_data));
