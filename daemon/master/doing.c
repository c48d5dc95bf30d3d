/*
 * doing.c: turns the numbers on the board into names of the generation they
 * belong to.
 */

#include "master/doing.h"

#include <inttypes.h>
#include <stdio.h>

#include "config/settings.h"
#include "ipc/board.h"
#include "ipc/shm.h"
#include "master/gen.h"
#include "master/process.h"
#include "master/slots.h"
#include "master/watchdog.h"
#include "master/worker_row.h"

/* The generation of that number, if it is still known. */
static const struct gen *
gen_of(const struct worker_row *worker, const struct gen *next, uint32_t number)
{
	const struct gen *committed = worker->workers->committed;

	if (next != NULL && next->number == number)
		return next;
	/*
	 * Older code is named by the committed generation, since mostly that
	 * has the same names.
	 */
	return committed != NULL && number <= committed->number ? committed
								: NULL;
}

static void
name_image(const struct gen *gen, uint64_t code, char *text, size_t size)
{
	uint32_t image = (uint32_t)code;

	if (gen == NULL || gen->number != code >> 32 ||
	    image >= gen->settings->image_count)
		snprintf(text, size, "loading of a plugin");
	else
		snprintf(text, size, "loading of %s",
		    gen->settings->images[image].path);
}

/* "plugin chat (listener room)" */
static bool
name_owner(const struct gen *gen, uint32_t slot, char *text, size_t size)
{
	const struct listener_settings *listener;

	if (gen == NULL || gen->slots == NULL)
		return false;
	for (uint32_t i = 0; i < settings_endpoints(gen->settings); i++) {
		if (gen->slots[i] != slot)
			continue;
		listener = settings_endpoint(gen->settings, i);
		snprintf(text, size, "plugin %s (%s %s)",
		    gen->images[listener->image].facts.name,
		    endpoint_kind(listener), listener->name);
		return true;
	}
	return false;
}

void
doing_name(const struct worker_row *worker, const struct gen *next,
    uint32_t callback, uint64_t code, char *text, size_t size)
{
	const struct gen *gen = gen_of(worker, next, (uint32_t)(code >> 32)),
			 *committed = worker->workers->committed;
	const char *name = NULL;
	char owner[DOING_MAX];

	if (callback == CALLBACK_LOAD) {
		name_image(gen, code, text, size);
		return;
	}
	if (callback == CALLBACK_UNLOAD) {
		snprintf(text, size, "unloading of a plugin");
		return;
	}
	/* In `check` there are options, but no service yet. */
	if (callback != CALLBACK_CHECK &&
	    name_owner(gen, (uint32_t)code, owner, sizeof(owner))) {
		snprintf(text, size, "callback %s of %s",
		    callback_name(callback), owner);
		return;
	}
	/* The listener is gone, or does not exist yet. */
	if (callback != CALLBACK_CHECK && committed != NULL)
		name = slots_name(committed->slot_table, (uint32_t)code);
	if (name != NULL)
		snprintf(text, size, "callback %s (listener %s)",
		    callback_name(callback), name);
	else
		snprintf(text, size, "callback %s", callback_name(callback));
}

bool
doing_last(const struct worker_row *worker, uint64_t code, char *text,
    size_t size)
{
	return code != 0 &&
	    name_owner(gen_of(worker, NULL, (uint32_t)(code >> 32)),
		(uint32_t)code, text, size);
}

/* Tell why the kernel does not let it run.  Returns false when it does. */
static bool
tell_held(const struct worker_row *worker, char text[DOING_MAX])
{
	struct process_view view;
	const char *held;
	pid_t tracer;

	if (!process_look(worker->pid, &view))
		return false;
	if (view.dying) {
		snprintf(text, DOING_MAX, "it is dying");
		return true;
	}
	held = process_held_text(&view);
	if (held == NULL)
		return false;
	tracer = view.state == 't' ? process_tracer(worker->pid) : 0;
	if (tracer != 0)
		snprintf(text, DOING_MAX, "it %s (process %d)", held,
		    (int)tracer);
	else
		snprintf(text, DOING_MAX, "it %s", held);
	return true;
}

void
doing_text(const struct worker_row *worker, const struct gen *next,
    char text[DOING_MAX])
{
	const struct workers *workers = worker->workers;
	const struct board_row *row = shm_row(workers->shm, worker->index);
	uint32_t callback;
	uint64_t begun;
	char name[DOING_MAX - 64];

	if (tell_held(worker, text))
		return;
	callback = atomic_load_explicit(&row->callback, memory_order_relaxed);
	begun = board_begun(row);
	if (callback != CALLBACK_NONE) {
		doing_name(worker, next, callback,
		    atomic_load_explicit(&row->code, memory_order_relaxed),
		    name, sizeof(name));
		snprintf(text, DOING_MAX,
		    "%s has been running for %" PRIu64 " ms", name,
		    watchdog_lasted_ms(workers->watchdog, worker->index));
	} else if (begun != worker->asked_begun) {
		snprintf(text, DOING_MAX,
		    "it has run callbacks since it was asked");
	} else {
		snprintf(text, DOING_MAX,
		    "it runs no callback, but does not answer");
	}
}
