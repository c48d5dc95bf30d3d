/*
 * crash_trace.c: the backtrace of a crash report.  backtrace(3) and dladdr(3)
 * are not on the list of functions that a signal handler may call.  Here, the
 * only lock they take that the crashed code could hold is the loader's; for
 * that case crash.c sets an alarm.
 */

#include "worker/crash_trace.h"

#include <dlfcn.h>
#include <execinfo.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "worker/crash_symbol.h"
#include "worker/crash_text.h"
#include "worker/plugin.h"

#define FRAMES_MAX 48	 /* as many lines as fit in a report */
#define HANDLER_FRAMES 2 /* ours; skipped if the crash is not in the trace */

static const void *own_base; /* of sluiced itself */

void
crash_trace_init(void)
{
	void *frame[2];
	Dl_info info;

	/* The first call loads the unwinder. */
	backtrace(frame, 2);
	if (dladdr((const void *)(uintptr_t)crash_trace_init, &info) != 0)
		own_base = info.dli_fbase;
}

/* A plugin or library that was loaded from our memfd; fd -1: it was not. */
struct module {
	const char *name;
	const uint8_t *hash;
	int fd;
};

static struct module
find_module(const void *pc, const Dl_info *info)
{
	const struct plugin *plugin = plugin_at(pc);
	const struct library *library = library_at(pc);
	bool ours = strncmp(info->dli_fname, "/proc/", 6) == 0;

	/* A library is loaded before its plugin is. */
	if (plugin == NULL && library == NULL && ours)
		library = library_loading();
	if (plugin == NULL && library == NULL && ours)
		plugin = plugin_loading();
	if (library != NULL)
		return (
		    struct module){ library->name, library->hash, library->fd };
	if (plugin == NULL)
		return (struct module){ NULL, NULL, -1 };
	return (struct module){ plugin->descriptor.name != NULL
		    ? plugin->descriptor.name
		    : "a plugin being loaded",
		plugin->hash, plugin->fd };
}

/* "chat (image 1a2b3c4d)", "libc.so.6", "sluiced". */
static void
put_module(struct crash_text *to, const Dl_info *info,
    const struct module *module)
{
	const char *slash;

	if (module->fd != -1) {
		crash_put(to, module->name);
		crash_put(to, " (image ");
		crash_put_bytes(to, module->hash, 4);
		crash_put(to, ")");
	} else if (info->dli_fbase == own_base) {
		/* For the loader, our name is the title of the process. */
		crash_put(to, "sluiced");
	} else {
		slash = strrchr(info->dli_fname, '/');
		crash_put(to, slash != NULL ? slash + 1 : info->dli_fname);
	}
}

/* Look in the full symbol table, if we have the file. */
static bool
find_name(const Dl_info *info, const struct module *module, int own_fd,
    uintptr_t pc, char name[SYMBOL_NAME_MAX], uint64_t *ret_start)
{
	uintptr_t base = (uintptr_t)info->dli_fbase;
	int fd = module->fd;

	if (fd == -1 && info->dli_fbase == own_base)
		fd = own_fd;
	if (fd == -1 || !crash_symbol(fd, pc - base, name, ret_start))
		return false;
	*ret_start += base;
	return true;
}

static void
put_frame(struct crash_text *to, uintptr_t pc, bool returned_to, int own_fd)
{
	struct module module;
	char name[SYMBOL_NAME_MAX];
	uint64_t start;
	Dl_info info;

	/*
	 * If the call was the last instruction, as a call of exit() may be, the
	 * return address is past the end of the function.
	 */
	if (dladdr((void *)(pc - returned_to), &info) == 0) {
		crash_put_hex(to, pc);
		return;
	}
	module = find_module((void *)(pc - returned_to), &info);
	if (find_name(&info, &module, own_fd, pc - returned_to, name, &start)) {
		crash_put(to, name);
	} else if (info.dli_sname != NULL) {
		crash_put_some(to, info.dli_sname, SYMBOL_NAME_MAX);
		start = (uintptr_t)info.dli_saddr;
	} else {
		start = (uintptr_t)info.dli_fbase;
		crash_put(to, "?");
	}
	crash_put(to, "+");
	crash_put_hex(to, pc - start);
	crash_put(to, " in ");
	put_module(to, &info, &module);
	crash_put(to, "+");
	crash_put_hex(to, pc - (uintptr_t)info.dli_fbase);
}

static void
put_same(struct crash_text *to, int *count)
{
	if (*count > 0) {
		crash_put(to, "and ");
		crash_put_number(to, (uint64_t)*count);
		crash_put(to, " more of the same\n");
	}
	*count = 0;
}

/*
 * How many frames tell something: those up to the first function of a plugin,
 * and what called it.  Below that there is always the same, from the event loop
 * to main().
 */
static int
useful_frames(void *const *frame, int first, int count)
{
	struct module module;
	Dl_info info;

	for (int i = count - 1; i >= first; i--) {
		if (dladdr(frame[i], &info) == 0)
			continue;
		module = find_module(frame[i], &info);
		if (module.fd != -1)
			return i + 2 < count ? i + 2 : count;
	}
	return count;
}

void
crash_put_trace(struct crash_text *to, uintptr_t pc, void (*on_line)(void))
{
	void *frame[FRAMES_MAX];
	int first, count, same = 0, own_fd;

	count = backtrace(frame, FRAMES_MAX);
	for (first = 0; first < count && (uintptr_t)frame[first] != pc;)
		first++;
	if (first == count)
		first = count > HANDLER_FRAMES ? HANDLER_FRAMES : 0;
	count = useful_frames(frame, first, count);
	own_fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	for (int i = first; i < count; i++) {
		/* One line is enough for a recursion. */
		if (i > first && frame[i] == frame[i - 1]) {
			same++;
			continue;
		}
		put_same(to, &same);
		crash_put(to, "#");
		crash_put_number(to, (uint64_t)(i - first));
		crash_put(to, " ");
		/* All frames but the crashed one hold return addresses. */
		put_frame(to, (uintptr_t)frame[i], (uintptr_t)frame[i] != pc,
		    own_fd);
		crash_put(to, "\n");
		on_line();
	}
	put_same(to, &same);
	on_line();
}
