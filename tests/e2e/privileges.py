"""Started as root: the user of each process, and its remaining privileges."""

import grp
import os
import pwd
import re
import stat

from sluice_test import (SANITIZED, SLUICED, Daemon, check, children,
                         compile_plugin, equal, listener, main, need,
                         need_root, page_process, plugin, receive, run_program,
                         test_plugin, title, wait_until)


def status(pid):
    with open("/proc/%d/status" % pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)


def expected_user():
    try:
        return pwd.getpwnam("sluice")
    except KeyError:
        return pwd.getpwnam("nobody")


# CAP_SETPCAP, which root may lack in a container.
MAY_BOUND = int(status(os.getpid())["CapEff"], 16) >> 8 & 1


def is_dumpable(pid):
    # The owner of these files is root when a process is not dumpable.
    # A leak checker needs it to be.
    return not SANITIZED and os.stat("/proc/%d/environ" % pid).st_uid != 0


def unprivileged(pid, uid, gid):
    # Being dumpable is the last thing that it gives up.
    wait_until(lambda: status(pid)["NoNewPrivs"].strip() == "1"
               and not is_dumpable(pid), "%d to give up its rights" % pid)
    facts = status(pid)
    equal(facts["Uid"].split(), [str(uid)] * 4, "uids")
    equal(facts["Gid"].split(), [str(gid)] * 4, "gids")
    equal(facts["Groups"].strip(), "", "supplementary groups")
    powerless(facts, MAY_BOUND)
    check(not is_dumpable(pid), "the worker is dumpable")


def test_workers():
    need_root()
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        user = expected_user()
        for pid in d.workers():
            unprivileged(pid, user.pw_uid, user.pw_gid)
        equal(status(d.pid)["Uid"].split()[0], "0", "uid of the master")
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_the_status_process():
    need_root()
    with Daemon(listener("echo", plugin("echo")),
                status={"listen": "127.0.0.1:0"}) as d:
        user = expected_user()
        unprivileged(page_process(d), user.pw_uid, user.pw_gid)


def test_named_user_and_group():
    need_root()
    user = pwd.getpwnam("daemon")
    group = grp.getgrnam("games")
    with Daemon(listener("echo", plugin("echo")), user="daemon",
                group="games") as d:
        unprivileged(d.workers()[0], user.pw_uid, group.gr_gid)
        # A restarted worker has the same user.
        os.kill(d.workers()[0], 9)
        d.wait_log(r"worker 1 \(pid \d+\) started", count=2)
        unprivileged(d.workers()[0], user.pw_uid, group.gr_gid)


def test_workers_go_before_the_master_when_memory_runs_out():
    def score(pid):
        with open("/proc/%d/oom_score_adj" % pid) as file:
            return int(file.read())
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        expected = min(max(score(d.pid) + 100, 0), 1000)
        equal([score(pid) for pid in d.workers()], [expected] * 2)


# Reports its status and environment, while it is loaded and for each line.
TELL = r"""
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <sluice.h>

extern char **environ;

static void
copy(FILE *to, const char *path)
{
	FILE *from = fopen(path, "r");
	int c;

	while (from != NULL && (c = getc(from)) != EOF)
		putc(c == 0 ? '\n' : c, to);
	if (from != NULL)
		fclose(from);
}

static void
tell(const char *suffix)
{
	char path[512] = REPORT, **variable;
	FILE *to = fopen(strcat(path, suffix), "w");

	if (to == NULL)
		return;
	copy(to, "/proc/self/status");
	fputs("--\n", to);
	for (variable = environ; *variable != NULL; variable++)
		fprintf(to, "%s\n", *variable);
	fputs("--\n", to);
	copy(to, "/proc/self/environ");
	fputs("--\n", to);
	fclose(to);
}

static void __attribute__((constructor)) constructor(void)
{
	tell(".loaded");
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	tell(".called");
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "tell", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def split(lines, by):
    return dict(line.split(by, 1) for line in lines.split("\n") if by in line)


def told(path):
    """The plugin's status, its environment, and that shown by the kernel."""
    def whole():
        with open(path) as file:
            text = file.read()
        return text.count("--\n") == 3 and text
    parts = wait_until(whole, path).split("--\n")
    with open(path, "w"):
        pass
    return split(parts[0], ":\t"), split(parts[1], "="), parts[2]


def powerless(facts, bounds):
    for kind in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
        equal(int(facts[kind], 16), 0, kind)
    if bounds:
        equal(int(facts["CapBnd"], 16), 0, "CapBnd")
    equal(facts["NoNewPrivs"].strip(), "1", "NoNewPrivs")


def telling(d):
    """Build the plugin.  Returns its path and that of its reports."""
    report = d.path("report")
    for suffix in (".loaded", ".called"):
        with open(report + suffix, "w"):
            os.chmod(report + suffix, 0o666)
    return compile_plugin(TELL, d.path("tell.so"), REPORT=report), report


def as_nobody(*capabilities):
    """A launcher for an ordinary user with ambient capabilities."""
    names = ",".join("+" + name for name in capabilities)
    return [need("setpriv"), "--reuid", "65534", "--regid", "65534",
            "--clear-groups", "--inh-caps", names, "--ambient-caps", names]


def test_ambient_capabilities():
    """The master may have ambient capabilities; plugin code gets none."""
    need_root()
    with Daemon(start=False) as d:
        path, report = telling(d)
        d.launcher = as_nobody("net_bind_service", "setuid")
        run_program(d.launcher + [SLUICED, "--describe", path])
        powerless(told(report + ".loaded")[0], False)
        d.listeners.append(listener("tell", path, "127.0.0.78:81"))
        d.write_config()
        run_program(d.launcher + [SLUICED, "-t", "-c", d.config])
        powerless(told(report + ".loaded")[0], False)
        d.start()
        check(int(status(d.pid)["CapAmb"], 16) != 0, "the master has none")
        s = d.connect()         # at a port that needs one
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        powerless(told(report + ".called")[0], False)


def test_workers_that_stay_root():
    """Workers with user root have no capability, either."""
    need_root()
    with Daemon(start=False, user="root", group="root") as d:
        path, report = telling(d)
        d.listeners.append(listener("tell", path))
        d.write_config()
        d.start()
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        facts = told(report + ".called")[0]
        equal(facts["Uid"].split(), ["0"] * 4, "uids")
        powerless(facts, MAY_BOUND)


KEPT = {"PATH": os.environ["PATH"], "TZ": "UTC", "TZDIR": "/usr/share/zoneinfo",
        "LANG": "C", "LANGUAGE": "en", "LC_ALL": "C", "TMPDIR": "/tmp",
        "JOURNAL_STREAM": "1:1", "MALLOC_ARENA_MAX": "2",
        "GLIBC_TUNABLES": "glibc.malloc.arena_max=2", "LD_LIBRARY_PATH": "/lib"}
SECRET = {"CREDENTIALS_DIRECTORY": "/run/credentials", "SECRET": "password",
          "HOME": "/root", "LISTEN_FDS": "0", "PATHS": "x", "LCX": "x",
          "INVOCATION_ID": "1", "LD_AUDIT": "", "MALLOCX": "x"}


def test_environment():
    """Workers get a short list of variables, and never had any other."""
    with Daemon(start=False) as d:
        path, report = telling(d)
        wanted = dict(KEPT)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS"):
            if name in os.environ:
                wanted[name] = os.environ[name]
        d.env = dict(wanted, **SECRET)
        run_program([SLUICED, "--describe", path], env=d.env)
        equal(told(report + ".loaded")[1], wanted)
        d.listeners.append(listener("tell", path))
        d.write_config()
        run_program([SLUICED, "-t", "-c", d.config], env=d.env)
        equal(told(report + ".loaded")[1], wanted)
        d.start()
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        _, variables, kernel = told(report + ".called")
        equal(variables, wanted)
        for name in SECRET:
            check(name + "=" not in kernel, name, "in", kernel)


def test_probe():
    """The probe runs plugin code, so it is as unprivileged as a worker."""
    need_root()
    with Daemon(listener("echo", plugin("echo"))) as d:
        d.listeners.append(listener("hang", test_plugin("hang")))
        d.write_config()
        d.signal(1)
        d.wait_log("reloading")
        user = expected_user()
        def probes():
            return [pid for pid in children(d.pid)
                    if title(pid) == "sluiced: probe"]

        pid = wait_until(probes, "the probe")[0]
        unprivileged(pid, user.pw_uid, user.pw_gid)


def test_titles():
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        titles = sorted(title(pid) for pid in children(d.pid))
        equal(titles, ["sluiced: worker 1", "sluiced: worker 2"])
        check(title(d.pid).startswith("sluiced: master "), title(d.pid))
        check(d.config in title(d.pid), title(d.pid))


def test_descriptors_of_a_worker():
    """A worker inherits no descriptors that it does not need."""
    need_root()
    with Daemon(listener("echo", plugin("echo"))) as d:
        worker = d.workers()[0]
        files = {fd: os.readlink("/proc/%d/fd/%d" % (worker, fd)) for fd in
                 map(int, os.listdir("/proc/%d/fd" % worker))}
        equal(files[0], "/dev/null", "standard input")
        for fd, target in files.items():
            check(re.match(r"socket:|pipe:|anon_inode:|/memfd:|/dev/null|"
                           r"/dev/(shm|zero)", target), fd, target)
            if target.startswith("/") and not target.startswith("/dev/"):
                check(target.startswith("/memfd:"), fd, target)


def test_config_that_only_root_can_read():
    need_root()
    with Daemon(listener("echo", plugin("echo"))) as d:
        os.chmod(d.config, stat.S_IRUSR)
        os.chmod(d.directory, 0o700)
        d.reload_ready()
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def test_privileged_port():
    need_root()
    with Daemon(listener("echo", plugin("echo"), "127.0.0.77:7")) as d:
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


main()
