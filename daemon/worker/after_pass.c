/* after_pass.c: the order of what is done at the end of a pass. */

#include "worker/after_pass.h"

#include "ipc/board.h"
#include "worker/callback.h"
#include "worker/conn.h"
#include "worker/engine.h"
#include "worker/gen.h"
#include "worker/plugin.h"

void
after_pass(void (*commit)(void))
{
	/* What happened under old code is answered by old code. */
	conn_after_pass();
	commit();
	if (gen_sweep())
		engine.after_pass_due = true;
	/* Services go when no connection is theirs, then their plugins. */
	gen_reap();
	callback_show(CALLBACK_UNLOAD, 0);
	plugin_unload_unused();
	callback_hide();
}
