/* nodescriptor.c: a shared object, but not a plugin. */

#include <sluice.h>

SL_EXPORT int not_a_plugin(void);

int
not_a_plugin(void)
{
	return 0;
}
