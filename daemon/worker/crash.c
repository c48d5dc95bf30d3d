/*
 * crash.c: the signal handlers, and the report that they write.  When they run,
 * anything in the process may be broken.  So they use a stack of their own,
 * call as little as possible, and publish each line as soon as it is complete.
 */

#include "worker/crash.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/board.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/connector.h"
#include "worker/crash_text.h"
#include "worker/crash_trace.h"
#include "worker/listener.h"
#include "worker/plugin.h"
#include "worker/service.h"

#define STACK_SIZE (256u << 10) /* what the unwinder needs is undocumented */
#define STACK_GUARD (64u << 10)
#define BELOW_STACK_MAX 4096   /* one frame of a function that calls another */
#define LOCALS_MAX (64u << 20) /* of one function; larger ones are not told */
#define LOG_MS 100 /* time for log lines to reach their file or pipe */
#define REPORT_S 1 /* then a report that hangs in a lock or a stack is ended */

struct fault {
	int number;
	const char *name;
};
static const struct fault faults[] = {
	{ SIGSEGV, "SIGSEGV" },
	{ SIGBUS, "SIGBUS" },
	{ SIGFPE, "SIGFPE" },
	{ SIGILL, "SIGILL" },
	{ SIGABRT, "SIGABRT" },
	{ SIGSYS, "SIGSYS" },
};

static const struct {
	int number, code;
	const char *text;
} causes[] = {
	{ SIGSEGV, SEGV_MAPERR, "address not mapped" },
	{ SIGSEGV, SEGV_ACCERR, "access not allowed" },
	{ SIGSEGV, SI_KERNEL, "general protection" },
	{ SIGBUS, BUS_ADRALN, "address not aligned" },
	{ SIGBUS, BUS_ADRERR, "no such memory" },
	{ SIGBUS, BUS_OBJERR, "hardware error" },
	{ SIGBUS, BUS_MCEERR_AR, "hardware memory error" },
	{ SIGFPE, FPE_INTDIV, "integer division by zero" },
	{ SIGFPE, FPE_INTOVF, "integer overflow" },
	{ SIGFPE, FPE_FLTDIV, "division by zero" },
	{ SIGFPE, FPE_FLTINV, "invalid operation" },
	{ SIGILL, ILL_ILLOPC, "illegal instruction" },
	{ SIGILL, ILL_ILLOPN, "illegal operand" },
	{ SIGILL, ILL_PRVOPC, "privileged instruction" },
};

static struct board_row *row;
static pid_t master_pid, own_pid;
static uintptr_t stack_top; /* callbacks are below it */
static uintptr_t stack_limit;
static struct crash_text report;
static atomic_flag reporting = ATOMIC_FLAG_INIT;
static _Atomic pid_t reporter; /* the thread */

static void
publish(void)
{
	atomic_store_explicit(&row->report_length, (uint32_t)report.used,
	    memory_order_release);
}

static void
put(const char *string)
{
	crash_put(&report, string);
}

static void
put_number(uint64_t number)
{
	crash_put_number(&report, number);
}

static void
end_line(void)
{
	put("\n");
	publish();
}

static uintptr_t
stack_pointer(const void *context)
{
	const ucontext_t *uc = context;

#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RSP];
#elif defined(__aarch64__)
	return (uintptr_t)uc->uc_mcontext.sp;
#else
	(void)uc;
	return 0;
#endif
}

/*
 * Is the address in what the code counts as its stack, or a little below it, as
 * for a call?  Then the stack could not grow that far.  A plugin may have
 * stacks of its own, elsewhere.
 */
static bool
is_stack(uintptr_t address, uintptr_t pointer)
{
	return gettid() == getpid() && address < stack_top &&
	    address + BELOW_STACK_MAX >= pointer && pointer < stack_top &&
	    stack_top - pointer < stack_limit + LOCALS_MAX;
}

static void
note_stack(void)
{
	struct rlimit limit;

	stack_top = (uintptr_t)__builtin_frame_address(0);
	if (getrlimit(RLIMIT_STACK, &limit) == 0 &&
	    limit.rlim_cur != RLIM_INFINITY)
		stack_limit = limit.rlim_cur;
	else
		stack_top = 0; /* it has no end */
}

/* "SIGSEGV (address not mapped) at address 0x10". */
static void
put_signal(int number, const siginfo_t *info, const void *context)
{
	size_t i;

	for (i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (faults[i].number == number)
			put(faults[i].name);
	if (info->si_code <= 0) { /* sent by a process, perhaps this one */
		if (info->si_pid == master_pid) {
			put(" from the master");
		} else if (info->si_pid != getpid()) {
			put(" from process ");
			put_number((uint64_t)info->si_pid);
		}
		end_line();
		return;
	}
	for (i = 0; i < sizeof(causes) / sizeof(causes[0]); i++)
		if (causes[i].number == number &&
		    causes[i].code == info->si_code)
			break;
	put(" (");
	if (i < sizeof(causes) / sizeof(causes[0])) {
		put(causes[i].text);
	} else {
		put("code ");
		put_number((uint64_t)info->si_code);
	}
	put(")");
	if (number == SIGSEGV || number == SIGBUS) {
		put(" at address ");
		crash_put_hex(&report, (uintptr_t)info->si_addr);
	}
	if (number == SIGSEGV &&
	    is_stack((uintptr_t)info->si_addr, stack_pointer(context)))
		put(": the stack is used up, by recursion or by large local "
		    "variables");
	end_line();
}

/*
 * "in callback data of plugin chat 1.2 (image 1a2b3c4d, generation 3), listener
 * room".
 */
static void
put_callback(const struct callback_context *context)
{
	const struct plugin *plugin = context->plugin;
	bool called = context->callback != CALLBACK_NONE;

	if (context->callback == CALLBACK_LOAD ||
	    context->callback == CALLBACK_UNLOAD) {
		called = false;
		plugin = plugin_loading();
	}
	if (plugin == NULL || context->callback == CALLBACK_NONE) {
		put("in no callback");
		end_line();
		return;
	}
	if (called) {
		put("in callback ");
		put(callback_name(context->callback));
		put(" of plugin ");
		put(plugin->descriptor.name);
		put(" ");
		put(plugin->descriptor.version);
		put(" (image ");
	} else {
		put(context->callback == CALLBACK_LOAD
			? "while loading a plugin (image "
			: "while unloading a plugin (image ");
	}
	crash_put_bytes(&report, plugin->hash, 4);
	if (called && context->service != NULL) {
		put(", generation ");
		put_number(context->service->generation);
		put(context->service->listener->connector != NULL
			? "), connector "
			: "), listener ");
		put(context->service->listener->endpoint.name);
	} else {
		put(")");
	}
	end_line();
}

static void
put_connection(const struct sl_conn *conn)
{
	const struct sockaddr *client;
	socklen_t len;

	client = conn_client(conn, &len);
	put("for connection ");
	put_number(conn->id.id);
	put(" from ");
	crash_put_peer(&report, client);
	end_line();
}

static uintptr_t
program_counter(const void *context)
{
	const ucontext_t *uc = context;

#if defined(__x86_64__)
	return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return (uintptr_t)uc->uc_mcontext.pc;
#else
	(void)uc;
	return 0;
#endif
}

/* End the worker if the report hangs; else the worker would hang as well. */
static void
set_alarm(void)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigaction(SIGALRM, &action, NULL);
	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	alarm(REPORT_S);
}

static void
write_report(int number, const siginfo_t *info, const void *context)
{
	const struct callback_context running = callback_context();

	put_signal(number, info, context);
	if (gettid() != getpid()) {
		put("in thread ");
		put_number((uint64_t)gettid());
		put(" of a plugin; meanwhile, in the event loop:");
		end_line();
	}
	put_callback(&running);
	if (running.conn != NULL && running.callback != CALLBACK_NONE)
		put_connection(running.conn);
	crash_put_trace(&report, program_counter(context), publish);
}

/*
 * The kernel resets the handler to the default before this runs, so a fault in
 * here ends the process.
 */
static void
on_fault(int number, siginfo_t *info, void *context)
{
	/*
	 * A child that a plugin forked shares the board, but must not use it.
	 */
	if (getpid() != own_pid) {
		raise(number);
		return;
	}
	if (!atomic_flag_test_and_set(&reporting)) {
		reporter = gettid();
		set_alarm();
		write_report(number, info, context);
		atomic_store_explicit(&row->report_whole, 1,
		    memory_order_release);
		connectors_cut();
		log_settle(LOG_MS); /* the last log lines of the plugin */
	} else if (reporter != gettid()) {
		for (;;)
			pause(); /* the reporting thread ends the process */
	}
	/* Blocked until we return; then its default action ends the process. */
	raise(number);
}

static int
make_stack(void)
{
	stack_t stack = { .ss_size = STACK_SIZE };
	char *memory;

	memory = mmap(NULL, STACK_GUARD + STACK_SIZE, PROT_NONE,
	    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (memory == MAP_FAILED)
		return -1;
	stack.ss_sp = memory + STACK_GUARD;
	if (mprotect(stack.ss_sp, STACK_SIZE, PROT_READ | PROT_WRITE) == -1)
		return -1;
	return sigaltstack(&stack, NULL);
}

int
crash_init(struct board_row *board_row, int master)
{
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_ONSTACK | (int)SA_RESETHAND,
	};

	row = board_row;
	master_pid = master;
	own_pid = getpid();
	report.text = row->report;
	report.room = sizeof(row->report);
	crash_trace_init();
	note_stack();
	if (make_stack() == -1)
		return -1;
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		if (sigaction(faults[i].number, &action, NULL) == -1)
			return -1;
	return 0;
}
