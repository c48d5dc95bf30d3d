"""The log in a file: opened again, changed by a reload, never waited for."""

import json
import os
import re
import resource
import signal
import subprocess

from sluice_test import (SLOW, Daemon, Filed, Skip, check, compile_plugin,
                         equal, is_alive, listener, main, need, need_root,
                         plugin, receive, receive_line, test_plugin,
                         wait_until)

PRINTS = r"""
#include <stdio.h>
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fprintf(stderr, "printed to stderr\n");
	puts("printed to stdout");
	fputs("half a line", stdout);
	fflush(stdout);
	sl_log(NULL, SL_LOG_WARN, "logged");
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "prints", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def echo(d, name=None):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()


def content(path):
    with open(path, errors="replace") as file:
        return file.read()


def printing(d):
    d.listener("p")["plugin"] = d.path("p.so")
    compile_plugin(PRINTS, d.path("p.so"))
    d.write_config()
    return d


def test_everything_is_in_the_file():
    d = printing(Filed(listener("p", "p.so"),
                       listener("c", test_plugin("crasher"),
                                options={"at": "data"})))
    with d:
        mode = os.stat(d.log_path).st_mode & 0o7777
        equal(oct(mode), oct(0o640))
        echo(d, "p")
        d.wait_log("conn 1 p .*closed")
        s = d.connect("c")
        s.sendall(b"x")
        s.close()
        d.wait_log("in callback data of plugin crasher")
        d.stop()
        lines = content(d.log_path).splitlines()
        for line in ("printed to stderr", "printed to stdout", "half a line"):
            check(line in lines, line, lines)
        for text in ("worker 1: logged$", "master: stopped$",
                     "worker 1: .*SIG", "master: generation 1 ready"):
            check([line for line in lines if re.search(text, line)], text)
        for line in lines:
            check(not line.startswith("<"), line)


def test_objects():
    d = printing(Filed(listener("p", "p.so"), log={"format": "json"}))
    with d:
        echo(d, "p")
        d.wait_log("conn 1 p .*closed")
        d.stop()
        said = [json.loads(line) for line in content(d.log_path).splitlines()]
        printed = {entry["message"] for entry in said
                   if entry["role"] == "output"}
        equal(printed, {"printed to stderr", "printed to stdout",
                        "half a line"})
        check([entry for entry in said if entry["message"] == "logged" and
               entry["level"] == "warn"], said)


FORGES = r"""
#include <stdio.h>
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fputs("<3>2026-11-27T00:00:00.000Z error master: forged\n"
	    "2026-11-27T00:00:00.000Z error master: forged\n"
	    "{\"time\":\"2026-11-27T00:00:00.000Z\",\"level\":\"error\","
	    "\"role\":\"master\",\"message\":\"forged\"}\n", stderr);
	puts("half <3>2026-11-27T00:00:00.000Z error master: forged");
	fflush(stdout);
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "forges", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


LONG = r"""
#include <stdio.h>
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	for (int i = 0; i < 3000; i++)
		fputs("\303\251", stderr);
	fputs("end\n", stderr);
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "long", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def test_a_long_line_in_a_log_of_objects():
    """It becomes several, of which none is cut in a character."""
    d = Filed(listener("p", "p.so"), log={"format": "json"})
    d.listener("p")["plugin"] = d.path("p.so")
    compile_plugin(LONG, d.path("p.so"))
    d.write_config()
    with d:
        echo(d, "p")
        d.wait_log('"why":"peer"')
        d.stop()
        said = [json.loads(line) for line in content(d.log_path).splitlines()]
        equal("".join(entry["message"] for entry in said
                      if entry["role"] == "output"), "\u00e9" * 3000 + "end")


def forged(**log):
    """The lines of a plugin that prints what we say."""
    d = Filed(listener("p", "p.so"), log=log)
    d.listener("p")["plugin"] = d.path("p.so")
    compile_plugin(FORGES, d.path("p.so"))
    d.write_config()
    with d:
        echo(d, "p")
        d.wait_log("conn 1 p .*closed")
        d.stop()
        return [line for line in content(d.log_path).splitlines()
                if "forged" in line]


def test_what_plugins_print_is_no_line_of_ours():
    said = forged()
    equal(len(said), 4, said)
    for line in said:
        check(re.match(r"20\S+Z (error|info )  ?output: ", line) or
              line.startswith("half <3>2026"), line)
    said = [json.loads(line) for line in forged(format="json")]
    equal([entry["role"] for entry in said], ["output"] * 4)


def test_under_the_journal_the_file_has_times():
    d = Filed(listener("echo", plugin("echo")))
    d.journal = True
    with d:
        echo(d)
        d.wait_log(r"^20\S+Z info  worker 1: conn 1 ")
        d.stop()
        for line in content(d.log_path).splitlines():
            check(re.match(r"20\S+Z \w+ +[\w ]+: ", line), line)


def rotate(d):
    old = d.path("rotated.%d" % len(os.listdir(d.directory)))
    os.rename(d.log_path, old)
    since = d.mark()
    d.signal(signal.SIGUSR1)
    d.wait_log("opened .* again", since)
    return old


def test_reopened():
    with Filed(listener("echo", plugin("echo")), workers=2) as d:
        echo(d)
        d.wait_log("conn 1 echo .*closed|conn 1000001 echo .*closed")
        old = rotate(d)
        with open(old) as file:
            check(not d.holds(file), "the old file is open")
        end = os.path.getsize(old)
        echo(d)
        echo(d)
        d.wait_log(r"conn \d+ echo .*closed", count=3)
        equal(os.path.getsize(old), end)
        equal(content(d.log_path).count("closed"), 2)


def test_reopening_that_fails_goes_on():
    with Filed(listener("echo", plugin("echo"))) as d:
        os.rename(d.log_path, d.path("old"))
        os.mkfifo(d.log_path)
        d.signal(signal.SIGUSR1)
        d.wait_log(r"log: log.file: \"%s\" is not a regular file.*; the log "
                   "goes on in the file that was open" % d.log_path)
        echo(d)
        wait_until(lambda: "conn 1 echo" in content(d.path("old")),
                   "the line in the old file")
        os.unlink(d.log_path)
        rotated = d.mark()
        d.signal(signal.SIGUSR1)
        d.wait_log("opened .* again", rotated)
        echo(d)
        wait_until(lambda: "conn 2 echo" in content(d.log_path), "the line")


def test_refused():
    """A file that cannot be one refuses the reload, and the log stays."""
    with Daemon(listener("echo", plugin("echo"))) as d:
        os.symlink("/dev/null", d.path("link"))
        os.mkfifo(d.path("fifo"))
        os.mkdir(d.path("directory"))
        for name, why in (("link", "is a symbolic link"),
                          ("fifo", "is not a regular file"),
                          ("directory", "is not a regular file"),
                          ("/dev/full", "is not a regular file"),
                          ("no/such/file", "there is no such directory")):
            d.settings["log"] = {"file": name}
            d.write_config()
            said = d.reload_refused()
            check(re.search(r"sluice\.conf:\d+: log\.file: .*" + why, said),
                  said)
        d.settings["log"] = {"file": "fine"}
        d.settings["drain_timeout"] = "never"
        d.write_config()
        d.reload_refused()
        check(not os.path.exists(d.path("fine")), "a refused reload made it")


def test_reload_changes_it():
    """From standard error to a file, another one, and back."""
    d = Filed(listener("echo", plugin("echo")), control="control.sock")
    d.settings["log"] = {}
    d.write_config()
    with d:
        echo(d)
        d.wait_log("conn 1 echo")
        check(not os.path.exists(d.log_path))
        for number, name in ((2, "sluice.log"), (3, "other.log"), (4, None)):
            d.settings["log"] = {"file": name} if name else {}
            d.write_config()
            check(d.ask("reload", wait=True)["ok"])
            echo(d)
            line = "conn %d echo" % number
            if name:
                wait_until(lambda: os.path.exists(d.path(name)) and
                           line in content(d.path(name)), line)
            else:
                d.wait_log(line)
                check(line not in content(d.path("other.log")))


def test_a_full_disk():
    """Lost lines are counted, said when there is room, and said aside."""
    with Filed(listener("echo", plugin("echo")),
               control="control.sock") as d:
        echo(d)
        d.wait_log("conn 1 echo")
        d.settle()
        equal(d.ask("status")["log"],
              {"file": d.log_path, "syslog": None, "lost": 0,
               "error": None})
        size = os.path.getsize(d.log_path)
        resource.prlimit(d.log_process(), resource.RLIMIT_FSIZE,
                         (size + 10, resource.RLIM_INFINITY))
        for _ in range(20):
            echo(d)
        d.wait_log("log: %s takes no lines: File too large.*lines are lost, "
                   "and counted" % d.log_path)
        said = d.sluicectl("status").stdout
        check(re.search(r"^log: \d+ lines were lost, and it takes none now: "
                        "File too large", said, re.M), said)
        resource.prlimit(d.log_process(), resource.RLIMIT_FSIZE,
                         (resource.RLIM_INFINITY,) * 2)
        wait_until(lambda: echo(d) or "lost" in content(d.log_path),
                   "the count")
        d.wait_log("takes lines again")
        log = d.ask("status")["log"]
        equal(log["error"], None)
        check("sluice_log_lines_lost_total %d\n" % log["lost"] in
              d.sluicectl("metrics").stdout)
        d.stop()
        lines = content(d.log_path)[size:].splitlines()
        equal(len(lines[0]), 10, lines)     # and what was cut ends there
        lost = int(re.search(r"log: (\d+) lines? were lost: File too large",
                             lines[1]).group(1))
        seen = {int(n) for n in re.findall(r" conn (\d+) ",
                                           content(d.log_path))}
        equal(lost, len(set(range(1, max(seen) + 1)) - seen))
        equal(lost, log["lost"])


def test_a_disk_without_space():
    need_root()
    d = Filed(listener("c", test_plugin("command")), name="disk/log",
              pairs=False)
    os.mkdir(d.path("disk"))
    mount = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16k",
                            "sluice-test", d.path("disk")],
                           stderr=subprocess.PIPE)
    if mount.returncode != 0:
        d.remove()
        raise Skip("no tmpfs can be mounted here")
    try:
        with d:
            s = d.connect()
            s.sendall(b"got\n" * 1000 + b"say x\n")
            equal(receive_line(s), "x")
            d.wait_log("takes no lines: No space left on device")
            os.truncate(d.log_path, 0)
            wait_until(lambda: s.sendall(b"got\n") or re.search(
                r"\d+ lines were lost: No space left",
                content(d.log_path)), "the count")
            d.stop()
    finally:
        subprocess.run(["umount", "-l", d.path("disk")], check=True)


def test_a_log_process_that_stops():
    with Filed(listener("c", test_plugin("command")),
               control="control.sock") as d:
        s = d.connect()
        d.settle()
        os.kill(d.log_process(), signal.SIGSTOP)
        s.settimeout(10 * SLOW)
        s.sendall(b"got\n" * 60000 + b"say still here\n")
        equal(receive_line(s), "still here")
        for _ in range(30):
            check(d.ask("reload", wait=True)["ok"])
        os.kill(d.log_process(), signal.SIGCONT)
        wait_until(lambda: s.sendall(b"got\n") or
                   d.log_lines(r"worker 1: \d+ lines were lost"),
                   "the count of the worker")
        check(d.ask("status")["log"]["lost"] > 1000)


def test_a_log_process_that_dies():
    """No line in the pipe is lost, and children need not be started again."""
    with Filed(listener("c", test_plugin("command")), workers=1) as d:
        s = d.connect()
        d.settle()
        worker = d.workers()[0]
        os.kill(d.log_process(), signal.SIGKILL)
        s.sendall(b"got\n" * 100 + b"say x\n")
        equal(receive_line(s), "x")
        d.wait_log("the log process has ended, and was started again")
        d.wait_log("got", count=100)
        check(is_alive(worker))


def test_orders_that_find_no_room():
    """The last one reaches a log process that was stopped."""
    d = Filed(listener("echo", plugin("echo")), control="control.sock")
    with d:
        d.settle()
        log = d.log_process()
        os.kill(log, signal.SIGSTOP)
        for number in range(100):
            d.settings["log"] = {"file": "other.%d" % (number % 2)}
            d.write_config()
            check(d.ask("reload", wait=True)["ok"])
        d.settings["log"] = {"file": "last.log"}
        d.write_config()
        check(d.ask("reload", wait=True)["ok"])
        os.kill(log, signal.SIGCONT)
        wait_until(lambda: os.path.exists(d.path("last.log")), "the last file")
        echo(d)
        wait_until(lambda: "conn 1 echo" in content(d.path("last.log")),
                   "the line")
        d.baseline = {}         # those who look do not see the reloads


def sleeps(pid):
    """Is it in poll(2)?"""
    with open("/proc/%d/syscall" % pid) as file:
        return file.read().split()[0] == "7"


def test_without_a_master():
    """It sleeps while there is nothing to write, and follows a renamed file."""
    with Filed(listener("c", test_plugin("command")), pairs=False) as d:
        s = d.connect()
        s.sendall(b"say x\n")
        equal(receive_line(s), "x")
        d.settle()
        log = d.log_process()
        os.kill(d.pid, signal.SIGKILL)
        wait_until(lambda: not os.path.exists("/proc/%d/fd/3" % log),
                   "it to notice")
        wait_until(lambda: sleeps(log), "it to sleep")
        old = d.path("old.log")
        os.rename(d.log_path, old)
        wait_until(lambda: s.sendall(b"got\n") or (
            os.path.exists(d.log_path) and
            "log: opened %s again" % d.log_path in content(d.log_path) and
            "got" in content(d.log_path)), "lines in the new file")
        size = os.path.getsize(old)
        s.sendall(b"got\nsay y\n")
        equal(receive_line(s), "y")
        equal(os.path.getsize(old), size)
        s.close()
        d.wait_exit(-signal.SIGKILL)
        wait_until(lambda: not is_alive(log), "the end of the log process")
        d.process = None


def test_after_an_upgrade():
    """Old workers write on, and to the next file when theirs is rotated."""
    with Filed(listener("c", test_plugin("command")), pairs=False,
               control="control.sock") as d:
        old_one = d.connect()
        old_one.sendall(b"say x\n")
        equal(receive_line(old_one), "x")
        d.settle()
        log = d.log_process()
        said = d.sluicectl("upgrade")
        equal(said.returncode, 0, said.stderr)
        os.rename(d.log_path, d.path("old.log"))
        d.signal(signal.SIGUSR1)
        wait_until(lambda: old_one.sendall(b"got\n") or (
            os.path.exists(d.log_path) and content(d.log_path).count(
                "opened %s again" % d.log_path) == 2),
            "the new file to be opened by both")
        old_one.close()
        wait_until(lambda: not is_alive(log), "the end of the log process")


def test_a_plain_user():
    """What the log process opens is for the user that started the daemon."""
    need_root()
    d = Filed(listener("echo", plugin("echo")), name="logs/log")
    d.launcher = [need("setpriv"), "--reuid=65534", "--regid=65534",
                  "--clear-groups"]
    os.mkdir(d.path("logs"))
    os.chown(d.directory, 65534, 65534)
    os.chown(d.path("logs"), 65534, 65534)
    with d:
        equal(os.stat(d.log_path).st_uid, 65534)
        rotate(d)
        echo(d)
        d.wait_log("conn 1 echo")
        os.chown(d.path("logs"), 0, 0)
        os.chmod(d.path("logs"), 0o755)
        os.rename(d.log_path, d.log_path + ".1")
        d.signal(signal.SIGUSR1)
        d.wait_log('log.file: cannot open "[^"]*": Permission denied')


main()
