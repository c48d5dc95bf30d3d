/* load_result.c: one measured stretch, and its result. */

#include <sys/resource.h>
#include <sys/time.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "load.h"

#define NS_PER_S 1000000000ull

/* Log-linear histogram of nanoseconds: 128 steps per doubling, error < 1 %. */
#define STEP_BITS 7
#define STEPS (1u << STEP_BITS)
#define BUCKETS (STEPS * (65 - STEP_BITS))

static struct {
	uint64_t messages;
	uint64_t begin_ns, end_ns;
	uint64_t max_ns;
	struct rusage usage; /* at the beginning */
	uint64_t histogram[BUCKETS];
} result;

static uint64_t measure_at, stop_at;
static bool warm;

uint64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

static unsigned int
bucket_of(uint64_t ns)
{
	unsigned int shift;

	if (ns < 2 * STEPS)
		return (unsigned int)ns;
	shift = 63 - (unsigned int)__builtin_clzll(ns) - STEP_BITS;
	return shift * STEPS + (unsigned int)(ns >> shift);
}

/* The percentile of the latency, in microseconds; share is 0 to 1. */
static double
percentile(double share)
{
	uint64_t seen = 0, want = (uint64_t)((double)result.messages * share);
	unsigned int i, shift;

	for (i = 0; i < BUCKETS; i++) {
		seen += result.histogram[i];
		if (seen > want)
			break;
	}
	if (i == BUCKETS)
		return (double)result.max_ns / 1e3;
	if (i < 2 * STEPS)
		return i / 1e3;
	shift = i / STEPS - 1;
	return (double)((uint64_t)(i - shift * STEPS) << shift) / 1e3;
}

static double
cpu_since(const struct rusage *then)
{
	struct rusage now;
	struct timeval user, sys;

	getrusage(RUSAGE_SELF, &now);
	timersub(&now.ru_utime, &then->ru_utime, &user);
	timersub(&now.ru_stime, &then->ru_stime, &sys);
	return (double)(user.tv_sec + sys.tv_sec) +
	    (double)(user.tv_usec + sys.tv_usec) / 1e6;
}

static void
result_begin(uint64_t now)
{
	memset(&result, 0, sizeof(result));
	result.begin_ns = now;
	getrusage(RUSAGE_SELF, &result.usage);
}

static void
result_print(void)
{
	double seconds = (double)(result.end_ns - result.begin_ns) / 1e9;

	printf("load mode=%s connections=%u size=%zu depth=%u messages=%llu "
	       "seconds=%.3f rate=%.0f p50_us=%.1f p99_us=%.1f p999_us=%.1f "
	       "max_us=%.1f cpu_s=%.3f\n",
	    opt.mode, opt.connections, opt.size, opt.depth,
	    (unsigned long long)result.messages, seconds,
	    (double)result.messages / seconds, percentile(0.5),
	    percentile(0.99), percentile(0.999), (double)result.max_ns / 1e3,
	    cpu_since(&result.usage));
	fflush(stdout);
}

void
stretch_add(uint64_t now, uint64_t begun)
{
	uint64_t ns = now - begun;

	result.messages++;
	result.histogram[bucket_of(ns)]++;
	if (ns > result.max_ns)
		result.max_ns = ns;
	if (opt.slow_ns != 0 && ns > opt.slow_ns)
		printf("slow begun_s=%.6f us=%.1f\n", (double)begun / 1e9,
		    (double)ns / 1e3);
}

void
stretch_begin(uint64_t now)
{
	result_begin(now);
	warm = opt.messages != 0;
	measure_at = now + (uint64_t)(opt.warm_up * 1e9);
	stop_at = measure_at + (uint64_t)(opt.seconds * 1e9);
}

bool
stretch_over(uint64_t now)
{
	if (!warm && now >= measure_at) {
		result_begin(now);
		warm = true;
		return false;
	}
	if (opt.messages != 0 ? result.messages < opt.messages : now < stop_at)
		return false;
	result.end_ns = now;
	result_print();
	return true;
}
