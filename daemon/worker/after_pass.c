/* after_pass.c: the order of what is done at the end of a pass. */

#include "worker/after_pass.h"

#include "ipc/board.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/plugin.h"
#include "worker/slow.h"
#include "worker/survey.h"

void
after_pass(void (*commit)(void))
{
	/* Events that came before COMMIT are handled by the old code. */
	conn_after_pass();
	commit();
	if (gen_sweep())
		engine.after_pass_due = true;
	if (survey_go_on())
		engine.after_pass_due = true;
	/* First the services that nothing refers to, then their plugins. */
	gen_reap();
	callback_show(CALLBACK_UNLOAD, 0);
	plugin_unload_unused();
	slow_tell_of("unloading of plugins", callback_hide());
}
