"""A plugin that changes what its whole process shares does not change how the
daemon reads numbers, what it says, or where it finds files."""

import datetime
import os
import shutil
import subprocess

from sluice_test import (Daemon, Raw, Skip, check, compile_plugin, connector,
                         equal, listener, main, receive_line, run_sluiced, scratch)

LOCALE = "de_DE.UTF-8"		# it writes 0,5
CHANGES = """
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <sluice.h>

static const struct sl_option options[] = {
	{ "ratio", SL_OPTION_FLOAT, "0.5", "a number with a point" },
	{ "wait", SL_OPTION_DURATION, "2s", "a time" },
	{ "other", SL_OPTION_INT, "1", "a number" },
	{ NULL, 0, NULL, NULL },
};

__attribute__((constructor)) static void
change(void)
{
	setenv("LOCPATH", LOCPATH, 1);
	setenv("LANGUAGE", "de", 1);
	setenv("LC_ALL", LOCALE, 1);
	if (setlocale(LC_ALL, LOCALE) == NULL)
		abort();
	setenv("TZ", "Pacific/Kiritimati", 1);
	tzset();
	umask(0777);
	if (chdir("/") == -1)
		abort();
}

static int
on_start(struct sl_service *service)
{
	locale_t mine = newlocale(LC_ALL_MASK, LOCALE, (locale_t)0);
	char text[16];

	uselocale(mine); /* and it stays */
	snprintf(text, sizeof(text), "%g", 0.5);
	sl_log(service, SL_LOG_INFO, "half is %s, other is %d", text,
	    (int)sl_option_int(sl_options(service), "other"));
	return 0;
}

static int
on_reload(struct sl_service *next, struct sl_service *prev)
{
	(void)prev;
	return on_start(next);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	const struct sl_options *o = sl_options(sl_service(c));
	const struct sl_connect_options nowhere = {
		.size = sizeof(nowhere),
		.unix_path = "/nonexistent/sock",
	};
	char text[64];
	int n;

	(void)buf;
	n = snprintf(text, sizeof(text), "%d %d\\n",
	    (int)(sl_option_float(o, "ratio") * 1000),
	    (int)sl_option_ms(o, "wait"));
	sl_send(c, text, (size_t)n);
	sl_connect(sl_service(c), &nowhere);
	return (ssize_t)len;
}

static void
on_connect_error(struct sl_conn *c, const struct sl_error *err)
{
	(void)c;
	sl_log(NULL, SL_LOG_INFO, "because: %s", err->text);
}

SL_PLUGIN(.name = "changes", .version = "1", .options = options,
    .start = on_start, .reload = on_reload,
    .server = SL_HANDLERS(.data = on_data),
    .client = SL_HANDLERS(.data = on_data,
	.connect_error = on_connect_error));
"""


def make_locale():
    """A directory with a locale of its own; nothing is installed."""
    if not shutil.which("localedef"):
        raise Skip("localedef is not installed")
    directory = os.path.join(scratch(), "locales")
    if not os.path.isdir(directory):
        os.mkdir(directory, 0o755)
        result = subprocess.run(
            ["localedef", "-c", "-i", LOCALE.split(".")[0], "-f", "UTF-8",
             os.path.join(directory, LOCALE)], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        if not os.path.exists(os.path.join(directory, LOCALE, "LC_NUMERIC")):
            raise Skip("localedef cannot make %s here: %s"
                       % (LOCALE, result.stdout.strip()))
    return directory


def build(d):
    # The C library frees no locale at the end.
    d.env["ASAN_OPTIONS"] = "detect_leaks=0"
    compile_plugin(CHANGES, d.path("changes.so"), ["-D_GNU_SOURCE"],
                   LOCPATH=make_locale(), LOCALE=LOCALE)


def ask(s):
    s.sendall(b"?")
    return receive_line(s)


def test_numbers_messages_and_files():
    d = Daemon(listener("a", "./changes.so"), workers=1, start=False)
    with d:
        build(d)
        d.start()
        d.wait_log("a: half is 0,5, other is 1")
        equal(ask(d.connect("a")), "500 2000")
        d.wait_log(r"because: unix:/nonexistent/sock: .*No such file or "
                   "directory")
        # In this process the options are read once more, as are all keys.
        d.listeners[0]["options"] = {"other": 2, "ratio": Raw("0.25")}
        d.listeners[0]["plugin"] = "./changes.so"
        d.listeners.append({"name": "u", "plugin": "./changes.so",
                            "listen": "unix:" + d.path("u.sock")})
        d.write_config()
        equal(d.reload_ready(), 2, "generation")
        d.wait_log("a: half is 0,5, other is 2")
        equal(ask(d.connect("a")), "250 2000")
        equal(ask(d.connect("u")), "500 2000")
        check(os.access(d.path("u.sock"), os.W_OK), "the socket's mode")
        equal(os.stat(d.path("u.sock")).st_mode & 0o600, 0o600, "mode")
        # The log is in English, and its time is UTC.
        since = datetime.datetime.now(datetime.timezone.utc)
        for line in d.log_lines("worker 1: a: half is")[-1:]:
            logged = datetime.datetime.strptime(
                line.split(" ")[0], "%Y-%m-%dT%H:%M:%S.%fZ").replace(
                    tzinfo=datetime.timezone.utc)
            check(abs((since - logged).total_seconds()) < 3600, line)
        result = run_sluiced("-t", "-c", d.path("sluice.conf"))
        equal(result.returncode, 0, result.stderr)


ROUNDS = """
#include <fenv.h>
#include <sluice.h>

static const struct sl_option options[] = {
	{ "ratio", SL_OPTION_FLOAT, "0.1", "0x1.999999999999ap-4, or it is more" },
	{ NULL, 0, NULL, NULL },
};

static int
on_start(struct sl_service *service)
{
	sl_log(service, SL_LOG_INFO, "it is %a",
	    sl_option_float(sl_options(service), "ratio"));
	fesetround(FE_DOWNWARD);
	feenableexcept(FE_ALL_EXCEPT);
	return 0;
}

static int
on_reload(struct sl_service *next, struct sl_service *prev)
{
	(void)prev;
	return on_start(next);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "rounds", .version = "1", .options = options,
    .start = on_start, .reload = on_reload, .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data),
    .client = SL_HANDLERS(.data = on_data));
"""


def test_the_numbers_of_one_plugin_are_not_rounded_as_another_one_wants():
    # How long a connector waits is a number with a fraction as well.
    nobody = connector("c", "./rounds.so", "unix:@nobody-is-here",
                       retry={"first": "10ms", "max": "20ms"})
    with Daemon(listener("a", "./rounds.so"), listener("b", "./rounds.so"),
                connectors=[nobody], workers=1, start=False) as d:
        compile_plugin(ROUNDS, d.path("rounds.so"), ["-D_GNU_SOURCE"],
                       ["-lm"])
        d.start()
        for name in "abc":
            d.wait_log("%s: it is 0x1.999999999999ap-4" % name)
        d.wait_log(r"c: .*nobody-is-here", count=3)
        since = d.mark()
        for some in d.listeners:
            some["timeouts"] = {"idle": "2.7s", "linger": Raw("0.7")}
            some["options"] = {"ratio": Raw("0.3")}
        d.write_config()
        d.reload_ready()
        for name in "ab":
            d.wait_log("%s: it is 0x1.3333333333333p-2" % name, since)
            s = d.connect(name)
            s.sendall(b"still here\n")
            equal(receive_line(s), "still here")
        check(not d.messages("SIGFPE"), "killed")


LIMITS = """
#include <sys/resource.h>
#include <sluice.h>

static int
on_start(struct sl_service *service)
{
	struct rlimit limit;

	(void)service;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = 32;
	if (HARD)
		limit.rlim_max = 32;
	setrlimit(RLIMIT_NOFILE, &limit);
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "limits", .version = "1", .start = on_start,
    .server = SL_HANDLERS(.data = on_data));
"""


def test_a_lower_limit_is_raised_again():
    with Daemon(listener("a", "./limits.so"), workers=1, start=False) as d:
        compile_plugin(LIMITS, d.path("limits.so"), HARD=0)
        d.start()
        for _ in range(60):
            s = d.connect()
            s.sendall(b"still here\n")
            equal(receive_line(s), "still here")
        d.wait_log(r"warn +worker 1: a plugin, or prlimit\(1\), has lowered "
                   r"RLIMIT_NOFILE of this process from \d+ to 32; it is "
                   r"\d{3,} now")
        equal(len(d.messages("has lowered")), 1)


def test_a_lower_hard_limit_is_told():
    with Daemon(listener("a", "./limits.so"), workers=1, start=False) as d:
        compile_plugin(LIMITS, d.path("limits.so"), HARD=1)
        d.start()
        d.reload(wait=False)
        d.wait_log(r"has lowered RLIMIT_NOFILE of this process from \d+ to 32; "
                   r"it is 32 now, as its hard limit is lower as well: only "
                   r"another process will do, see workers recycle")


def test_in_a_canary():
    with Daemon(listener("a", "./changes.so", options={"other": 1}),
                workers=2, canary={"workers": 1, "time": "100ms"},
                start=False) as d:
        build(d)
        d.start()
        d.listeners[0]["options"] = {"other": 2}
        d.write_config()
        d.reload_ready()
        equal(ask(d.connect("a")), "500 2000")


CLOSES = """
#include <stdio.h>
#include <unistd.h>
#include <sluice.h>

static int
on_start(struct sl_service *service)
{
	(void)service;
	for (int fd = 0; fd <= 2; fd++)
		close(fd);
	return 0;
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fprintf(stderr, "from a plugin\\n");
	printf("from a plugin\\n");
	fflush(stdout);
	sl_log(NULL, SL_LOG_INFO, "a line for the log");
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "closes", .version = "1", .start = on_start,
    .server = SL_HANDLERS(.data = on_data));
"""


def test_no_client_becomes_standard_error():
    """A plugin has closed it, so a client's socket could get its number."""
    with Daemon(listener("a", "./closes.so"), workers=1, start=False) as d:
        compile_plugin(CLOSES, d.path("closes.so"))
        d.start()
        clients = [d.connect("a") for _ in range(4)]
        for _ in range(3):
            for s in clients:
                s.sendall(b"?\n")
                equal(receive_line(s), "?")
        d.wait_log("a line for the log", count=12)
        d.baseline.clear()	# taken when some were closed


main()
