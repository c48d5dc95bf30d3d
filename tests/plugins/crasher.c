/*
 * crasher.c: crashes in the callback `at`, in the way `how`.  STATE is its
 * state_version, VERSION its version.
 */

#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memfd_create */
#endif
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <sluice.h>

#ifndef STATE
#define STATE 1
#endif
#ifndef VERSION
#define VERSION "1.0"
#endif

static const struct sl_option options[] = {
	{ "at", SL_OPTION_STRING, "", "callback" },
	{ "how", SL_OPTION_STRING, "segv", "way" },
	{ "ms", SL_OPTION_INT, "0", "how long to sleep" },
	{ 0 },
};

#define LAST_WORDS 50 /* lines in the log before it happens */

/* Sanitizers would stop the process before the crash. */
#define RAW __attribute__((noinline, no_sanitize("address", "undefined")))

static RAW void
crash_by_address(void)
{
	int *volatile address = (int *)0x10;

	*address = 1;
}

static RAW void
crash_by_division(volatile int *zero)
{
	volatile int one = 1;

	*zero = one / *zero;
}

static RAW void
crash_by_bus(void)
{
	int fd = memfd_create("empty", MFD_CLOEXEC);
	volatile char *memory =
	    mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	memory[0] = 1; /* beyond the end of the file */
}

static RAW int
crash_by_depth(volatile int *depth)
{
	volatile char frame[1024];

	frame[0] = (char)*depth;
	*depth += 1;
	if (*depth < 0)
		return 0;
	return crash_by_depth(depth) + frame[0];
}

static RAW void
crash_by_heap(void)
{
	volatile size_t *memory = malloc(100);
	volatile int before = -1;

	memory[before] = 0x19; /* damage the size that malloc keeps there */
	free((void *)memory);
}

static void
sleep_ms(int64_t ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&time, &time) == -1)
		;
}

static void *
stay(void *arg)
{
	for (;;)
		pause();
	return arg;
}

/* End the serving thread alone; the process goes on. */
static void
leave_a_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, stay, NULL) == 0)
		syscall(SYS_exit, 0);
}

/* Only a child process crashes, not the worker. */
static void
crash_in_child(void)
{
	pid_t pid = fork();

	if (pid == 0)
		abort();
	waitpid(pid, NULL, 0);
}

#define LEAK ((size_t)32 << 20)

/* It grows and grows, but a sanitizer finds all of it. */
static void
leak(void)
{
	static void *last;
	void **memory = malloc(LEAK);

	if (memory == NULL)
		return;
	memset(memory, 1, LEAK);
	*memory = last;
	last = memory;
}

static void
here(struct sl_service *service, const char *callback)
{
	const struct sl_options *o = sl_options(service);
	const char *how = sl_option_string(o, "how");
	volatile int zero = 0;

	if (strcmp(sl_option_string(o, "at"), callback) != 0)
		return;
	for (int i = 1; i <= LAST_WORDS; i++)
		sl_log(service, SL_LOG_INFO, "last words %d", i);
	if (strcmp(how, "segv") == 0)
		crash_by_address();
	else if (strcmp(how, "abort") == 0)
		abort();
	else if (strcmp(how, "fpe") == 0)
		crash_by_division(&zero);
	else if (strcmp(how, "bus") == 0)
		crash_by_bus();
	else if (strcmp(how, "stack") == 0)
		crash_by_depth(&zero);
	else if (strcmp(how, "heap") == 0)
		crash_by_heap();
	else if (strcmp(how, "exit") == 0)
		_exit(3);
	else if (strcmp(how, "exit0") == 0)
		exit(0);
	else if (strcmp(how, "alarm") == 0)
		ualarm(1000, 0); /* it comes when the callback has returned */
	else if (strcmp(how, "thread") == 0)
		leave_a_thread();
	else if (strcmp(how, "fork") == 0)
		crash_in_child();
	else if (strcmp(how, "leak") == 0)
		leak();
	else if (strcmp(how, "sleep") == 0)
		sleep_ms(sl_option_int(o, "ms"));
}

static int
on_start(struct sl_service *service)
{
	here(service, "start");
	return 0;
}

static void
on_stop(struct sl_service *service)
{
	here(service, "stop");
}

static int
on_migrate(struct sl_conn *c, uint32_t from)
{
	(void)from;
	here(sl_service(c), "migrate");
	return 0;
}

static void
on_timer(struct sl_service *service, struct sl_conn *c, uint32_t id)
{
	(void)c;
	(void)id;
	here(service, "timer");
}

static int
on_open(struct sl_conn *c)
{
	here(sl_service(c), "open");
	sl_timer(sl_service(c), c, 1, 20);
	return 0;
}

static void
on_drain(struct sl_conn *c)
{
	here(sl_service(c), "drain");
}

/* Echoes; "fill\n" writes until the queue is full. */
static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	static const char block[65536];

	here(sl_service(c), "data");
	if (len == 5 && memcmp(buf, "fill\n", 5) == 0)
		while (
		    sl_write(c, block, sizeof(block)) == (ssize_t)sizeof(block))
			;
	else
		sl_write(c, buf, len);
	return (ssize_t)len;
}

static void
on_end(struct sl_conn *c)
{
	here(sl_service(c), "end");
	sl_close(c);
}

static void
on_timeout(struct sl_conn *c)
{
	here(sl_service(c), "timeout");
}

static void
on_error(struct sl_conn *c, const struct sl_error *err)
{
	(void)err;
	here(sl_service(c), "error");
}

static void
on_close(struct sl_conn *c, const struct sl_error *why)
{
	(void)why;
	here(sl_service(c), "close");
}

SL_PLUGIN(.name = "crasher", .version = VERSION, .state_version = STATE,
    .options = options, .start = on_start, .stop = on_stop,
    .migrate = on_migrate, .timer = on_timer,
    .server = SL_HANDLERS(.open = on_open, .data = on_data, .drain = on_drain,
	.end = on_end, .timeout = on_timeout, .error = on_error,
	.close = on_close));
