/* badabi.c: a plugin with an ABI number that sluiced does not know. */

#include <sluice.h>

SL_EXPORT const struct sl_plugin sl_plugin = {
	.abi = SL_ABI + 98,
	.size = sizeof(struct sl_plugin),
	.name = "badabi",
	.version = "1.0",
};
