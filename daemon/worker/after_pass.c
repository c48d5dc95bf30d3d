/* after_pass.c: the order of what is done at the end of a pass. */

#include "after_pass.h"
#include "board.h"
#include "callback.h"
#include "conn.h"
#include "engine.h"
#include "generation.h"
#include "plugin.h"

void
after_pass(void (*commit)(void))
{
	/* What happened under old code is answered by old code. */
	conn_after_pass();
	commit();
	if (generation_sweep())
		engine.after_pass_due = true;
	/* Services go when no connection is theirs, then their plugins. */
	generation_reap();
	callback_show(CALLBACK_UNLOAD, 0);
	plugin_unload_unused();
	callback_hide();
}
