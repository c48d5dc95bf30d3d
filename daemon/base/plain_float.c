/* plain_float.c: fesetenv(FE_DFL_ENV), which would need libm for this alone. */

#include "base/plain_float.h"

#include <fpu_control.h>
#if defined(__SSE__)
#include <xmmintrin.h>

#define MXCSR_AT_START 0x1f80 /* as the kernel gives it to a program */
#endif

void
plain_float(void)
{
	fpu_control_t control = _FPU_DEFAULT;

	_FPU_SETCW(control);
#if defined(__SSE__)
	_mm_setcsr(MXCSR_AT_START);
#endif
}
