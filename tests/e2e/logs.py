"""The log as text, as JSON and for the journal, with a line per connection."""

import fcntl
import json
import os
import re
import signal
import socket
import sys
import termios

from sluice_test import (Daemon, check, compile_plugin, equal, listener,
                         main, plugin, receive, receive_all, receive_line,
                         reset, run_sluiced, test_plugin, wait_until)


def test_text_line():
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        s.sendall(b"hello")
        equal(receive(s, 5), b"hello")
        port = s.getsockname()[1]
        s.close()
        d.wait_log("conn 1 ")
        line = d.log_lines("conn 1 ")[0]
        check(re.match(
            r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z info +worker 1: "
            r"conn 1 echo 127\.0\.0\.1:%d closed why=peer in=5 out=5 "
            r"ms=\d+ gen=1$" % port, line), line)


def test_generation_in_the_line():
    """gen= is the generation that served the connection last."""
    with Daemon(listener("s", test_plugin("stamp"))) as d:
        d.listener("s")["options"] = {"greeting": "-2"}
        d.write_config()
        d.reload_ready()
        d.connect().close()
        d.wait_log("conn 1 s .* gen=2$")


def test_reasons():
    with Daemon(listener("c", test_plugin("command"))) as d:
        for number, (command, why) in enumerate(
                ((b"close\n", "local"), (b"terminate\n", "local"),
                 (b"fail\n", "plugin"), (b"end\n", "local"))):
            s = d.connect()
            s.sendall(command)
            try:
                while s.recv(100):
                    pass
            except ConnectionResetError:
                pass
            s.close()
            d.wait_log("conn %d c .* closed why=%s " % (number + 1, why))
        s = d.connect()
        s.sendall(b"say x\n")
        receive_line(s)
        reset(s)
        d.wait_log("conn 5 c .* closed why=reset ")


def test_start_up():
    with Daemon(listener("one", plugin("echo")),
                listener("two", plugin("chat")), workers=2) as d:
        d.wait_log(r"sluiced \S+ starting, configuration %s" % d.config)
        d.wait_log(r"listening on 127\.0\.0\.1:\d+ for one "
                   r"\(plugin echo 1\.0\)")
        d.wait_log(r"listening on 127\.0\.0\.1:\d+ for two "
                   r"\(plugin chat 1\.0\)")
        d.wait_log(r"generation 1 ready: 2 listeners, 2 workers")
        order = [d.lines.index(d.log_lines(text)[0]) for text in
                 ("starting, conf", "listening on", "generation 1 ready")]
        equal(order, sorted(order))


def test_reload_says_what_changed():
    with Daemon(listener("one", plugin("echo")),
                listener("two", plugin("lines"))) as d:
        d.reload_ready()
        d.wait_log(r"no existing listener or connector has new code")
        d.listener("two")["options"] = {"max_length": "2KiB"}
        d.listener("one")["plugin"] = plugin("discard")
        d.write_config()
        d.reload_ready()
        d.wait_log(r"two: new options for plugin lines 1\.0")
        d.wait_log(r"one: plugin discard \S+ \(image [0-9a-f]{8}\) "
                   r"in place of echo 1\.0 \(image [0-9a-f]{8}\)")


def test_json():
    with Daemon(listener("c", test_plugin("command"),
                         options={"trace": False}),
                log={"format": "json", "access": True}) as d:
        s = d.connect()
        s.sendall(b'say "quoted\\\n')
        receive_line(s)
        port = s.getsockname()[1]
        s.close()
        d.wait_log("why")
        d.stop()
        # The first line comes before the configuration was read.
        check(" info  master: sluiced " in d.lines[0], d.lines[0])
        found = [json.loads(line) for line in d.lines[1:]]
        check(all("message" in entry for entry in found), found)
        lines = [entry for entry in found if "why" in entry]
        equal(len(lines), 1, "access lines")
        one = lines[0]
        equal(one["why"], "peer")
        equal((one["in"], one["out"], one["gen"]), (13, 9, 1))
        equal((one["connection"], one["listener"], one["peer"]),
              (1, "c", "127.0.0.1:%d" % port))
        check("conn 1 c" in one["message"], one)
        check("level" in json.dumps(one) or "priority" in one, one)


def test_json_from_the_first_line():
    d = Daemon(listener("echo", plugin("echo")), log={"format": "json"},
               arguments=("--log-format", "json"))
    with d:
        d.stop()
        check("starting, configuration" in json.loads(d.lines[0])["message"])
        roles = {json.loads(line)["role"] for line in d.lines}
        check("master" in roles, roles)
    for arguments in (["--log-format", "xml"], ["--log-format", "json", "-t"],
                      ["--log-format", "json", "--describe", "x.so"]):
        equal(run_sluiced(*arguments).returncode, 2, arguments)


def test_json_of_a_refused_start():
    """The mistakes come before the configuration as a whole is known."""
    d = Daemon(listener("echo", plugin("echo"), timeouts={"idel": 1}),
               log={"format": "json"}, start=False)
    with d:
        d.start(wait=False)
        d.wait_exit(1)
        lines = [json.loads(line) for line in d.lines[1:]]
        check([line for line in lines if line["level"] == "error" and
               "idel" in line["message"]], d.lines)
        equal(lines[-1]["message"], "stopped")
    # What is not a configuration says nothing of the log.
    d = Daemon(listener("echo", plugin("echo")), start=False,
               arguments=("--log-format", "json"))
    d.write("log : { format = \"text\"")
    with d:
        d.start(wait=False)
        d.wait_exit(1)
        check(all(json.loads(line) for line in d.lines))


def test_a_refused_reload_keeps_the_format():
    with Daemon(listener("echo", plugin("echo"))) as d:
        since = d.mark()
        d.settings["log"] = {"format": "json"}
        d.settings["drain_timeout"] = "never"
        d.write_config()
        d.reload_refused()
        check(not [line for line in d.lines if line.startswith("{")])


def test_journal():
    d = Daemon(listener("echo", plugin("echo")))
    d.journal = True
    with d:
        d.connect().close()
        d.wait_log("closed why=peer")
        d.write("nonsense")
        d.reload_refused()
        for line in d.lines:
            check(re.match(r"<\d>\D", line), line)
        check(d.log_lines(r"^<6>.*generation 1 ready"))
        check(d.log_lines(r"^<6>.*conn 1 echo .*closed"))
        check(d.log_lines(r"^<3>.*sluice\.conf:1: "))


def test_journal_stream_of_another_file():
    """A JOURNAL_STREAM other than our stderr is ignored."""
    with Daemon(listener("echo", plugin("echo")),
                env={"JOURNAL_STREAM": "1:1"}) as d:
        check(not d.log_lines("^<"))


def test_access_off():
    with Daemon(listener("c", test_plugin("command")),
                log={"access": False}) as d:
        d.connect().close()
        d.wait_trace("close", 1)
        d.stop()
        equal(d.log_lines("conn 1 .*closed"), [])


def test_ends_that_nobody_asked_for_are_logged_with_access_off():
    """And peers that cause them do not fill the log."""
    with Daemon(listener("c", test_plugin("command"),
                         limits={"read_buffer": 512}),
                listener("idle", plugin("echo"), timeouts={"idle": "50ms"}),
                log={"access": False}, control="control.sock") as d:
        idle = d.connect("idle")
        d.wait_log(r"conn 1 idle .* closed why=idle ")
        idle.close()
        for _ in range(50):
            s = d.connect("c")
            s.sendall(b"x" * 600)
            s.shutdown(socket.SHUT_WR)
            receive_all(s)
            s.close()
        wait_until(lambda: d.ask("status")["listeners"][0]["counts"]["closed"]
                   == {"input-limit": 50}, "the ends")
        said = len(d.log_lines("closed why=input-limit "))
        check(1 <= said < 50, said, "lines")


def serve(d, name, count):
    for _ in range(count):
        s = d.connect(name)
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        s.close()


def ends(d, name, since=0):
    return len(d.log_lines(r"conn \d+ %s .*closed" % name, since))


def closed(d, name):
    return sum(next(row for row in d.ask("status")["listeners"]
                    if row["name"] == name)["counts"]["closed"].values())


def test_access_of_one_listener():
    """It may differ from log.access, and a reload changes it."""
    with Daemon(listener("loud", plugin("echo"), access="on"),
                listener("as", plugin("echo")),
                log={"access": False}, control="control.sock") as d:
        serve(d, "loud", 3)
        serve(d, "as", 3)
        wait_until(lambda: closed(d, "as") == 3 and ends(d, "loud") == 3,
                   "the ends")
        equal(ends(d, "as"), 0)
        d.settings["log"] = {"access": True}
        d.listener("loud")["access"] = "off"
        d.write_config()
        d.reload_ready()
        since = d.mark()
        serve(d, "loud", 3)
        serve(d, "as", 3)
        wait_until(lambda: closed(d, "loud") == 6 and ends(d, "as") == 3,
                   "the ends")
        equal(ends(d, "loud", since), 0)


def test_a_sample_of_the_access_log():
    """One in five; ends that nobody asked for are all there."""
    with Daemon(listener("s", plugin("echo"), access_sample=5),
                listener("b", test_plugin("command"), access_sample=1000,
                         limits={"read_buffer": 512}),
                control="control.sock") as d:
        serve(d, "s", 21)
        wait_until(lambda: closed(d, "s") == 21, "the ends")
        d.settle()
        equal(ends(d, "s"), 5)
        for _ in range(20):
            s = d.connect("b")
            s.sendall(b"x" * 600)
            s.shutdown(socket.SHUT_WR)
            receive_all(s)
            s.close()
        wait_until(lambda: len(d.log_lines("closed why=input-limit")) == 20,
                   "the ends by a limit")


def left_out(d):
    return sum(int(n) for n in re.findall(
        r"c: (\d+) lines of its plugin were left out", "\n".join(d.lines)))


def test_lines_of_a_plugin_are_limited():
    """What is left out is counted; a reload changes the limit."""
    d = Daemon(listener("c", test_plugin("command"), log_rate=10),
               pairs=False)
    with d:
        s = d.connect()
        s.sendall(b"got\n" * 500 + b"say x\n")
        equal(receive_line(s), "x")
        wait_until(lambda: left_out(d) + len(d.log_lines("trace 1 note got"))
                   >= 500, "the sum")
        check(len(d.log_lines("trace 1 note got")) < 250, "no limit")
        check(len(d.log_lines("were left out: it may log 10 a second")) < 20)
        d.listener("c")["log_rate"] = 0
        d.write_config()
        d.reload_ready()
        since = d.mark()
        s.sendall(b"got\n" * 200 + b"say y\n")
        equal(receive_line(s), "y")
        d.wait_log("trace 1 note got", since, count=200)


def test_level():
    with Daemon(listener("s", test_plugin("stamp"))) as d:
        def ask():
            s = d.connect()
            s.sendall(b"x\n")
            said = receive_line(s)
            s.close()
            return said

        d.settings["log"] = {"level": "error"}
        d.listener("s")["options"] = {"greeting": "-2"}
        d.write_config()
        d.signal(signal.SIGHUP)     # its verdict may not be logged
        wait_until(lambda: ask() == "v1-2 1 x", "the reload")
        since = d.mark()
        ask()
        d.write("nonsense")
        d.signal(signal.SIGHUP)
        d.wait_log("sluice.conf:1: ", since)
        d.stop()
        check(not d.log_lines(" info ", since), d.log_lines(" info "))


def test_plugin_lines():
    with Daemon(listener("b", test_plugin("badcalls"))) as d:
        s = d.connect()
        s.sendall(b"null")
        equal(receive_line(s), "done")
        # Each message is one line, whatever bytes it has.
        equal(len(d.log_lines("bad line with a ")), 1)
        check("\x1b" not in "\n".join(d.lines), "raw escapes in the log")
        check(not d.log_lines("^ ?newline"), "a plugin can forge lines")
        s.sendall(b"sockets")
        receive_line(s)


def test_plugin_lines_about_a_connection():
    with Daemon(listener("b", test_plugin("badcalls"))) as d:
        s = d.connect()
        s.sendall(b"ended")
        s.close()
        d.wait_log(r"conn 1 b 127\.0\.0\.1:\d+:? bad ended line")


def test_json_of_plugin_lines():
    with Daemon(listener("b", test_plugin("badcalls")),
                log={"format": "json"}) as d:
        s = d.connect()
        s.sendall(b"ended")
        peer = "127.0.0.1:%d" % s.getsockname()[1]
        s.close()
        d.wait_log("bad ended line")
        one = json.loads(d.log_lines("bad ended line")[0])
        equal((one["connection"], one["listener"], one["peer"]),
              (1, "b", peer))


PRINTS = r"""
#include <stdio.h>
#include <sluice.h>

static void __attribute__((constructor))
constructor(void)
{
	fputs("loaded\n", stderr);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fprintf(stderr, "printed %.*s\n", (int)len, (const char *)buf);
	puts("{ \"not\": \"ours\" }");
	fflush(stdout);
	sl_log(NULL, SL_LOG_INFO, "logged");
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "prints", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def printing_daemon(form):
    d = Daemon(listener("p", "p.so"), log={"format": form})
    d.listener("p")["plugin"] = d.path("p.so")
    d.write_config()
    compile_plugin(PRINTS, d.path("p.so"))
    return d


def have_it_print(d):
    s = d.connect()
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()


def test_json_of_what_plugins_print():
    with printing_daemon("json") as d:
        have_it_print(d)
        d.stop()
        entries = [json.loads(line) for line in d.lines[1:]]
        said = sorted(entry["message"] for entry in entries
                      if entry["role"] == "output")
        # It is loaded by the probe, too.
        equal(said, ["loaded", "loaded", "printed x", '{ "not": "ours" }'])
        check([entry for entry in entries if entry["message"] == "logged" and
               entry["role"] == "worker 1"], entries)


FORGES = r"""
#include <stdio.h>
#include <sluice.h>

#define FORGED "{\"time\":\"2026-11-27T00:00:00.000Z\",\"level\":\"error\"," \
	"\"role\":\"master\",\"message\":\"%s\"}\n"

__attribute__((constructor)) static void
load(void)
{
	fprintf(stderr, FORGED, "loaded");
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fprintf(stderr, "half" FORGED "<3>" FORGED, "one", "two");
	fputs("{\"time\":\"broken\n", stderr);
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "forges", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def test_objects_that_plugins_print_are_none_of_ours():
    for journal in (False, True):
        d = printing_daemon("json")
        compile_plugin(FORGES, d.path("p.so"))
        d.journal = journal
        with d:
            have_it_print(d)
            d.stop()
            lines = [line for line in d.lines[1:]]
            if journal:
                check(all(re.match("<[0-7]>", line) for line in lines), lines)
                lines = [line[3:] for line in lines]
            entries = [json.loads(line) for line in lines]
            printed = [entry["message"] for entry in entries
                       if entry["role"] == "output"]
            equal(len(printed), 5, "printed lines")
            check(all("time" in message for message in printed), printed)
            check(not [entry for entry in entries
                       if entry["message"] in ("loaded", "one", "two")])
            check([entry for entry in entries if entry["role"] == "worker 1"
                   and entry.get("why") == "peer"], entries)


CHANGES = r"""
#include <fcntl.h>
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fcntl(1, F_SETFL, O_NONBLOCK);
	fcntl(2, F_SETFL, O_NONBLOCK);
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "changes", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def nonblocking(pid, fd):
    with open("/proc/%d/fdinfo/%d" % (pid, fd)) as file:
        return bool(int(re.search(r"flags:\s*(\d+)", file.read()).group(1), 8)
                    & os.O_NONBLOCK)


def test_no_plugin_changes_the_output_of_others():
    """Also after a reload, and to the process that comes next."""
    for log in ({"format": "json"}, {"file": "log"}, {"format": "text"}):
        d = printing_daemon("text")
        compile_plugin(CHANGES, d.path("p.so"))
        d.settings.update(log=log, workers=2, control="control.sock")
        d.wants_start = False       # where a log is that it does not read
        d.write_config()
        with d:
            d.start(wait=False)
            wait_until(lambda: os.path.exists(d.path("control.sock")) and
                       d.ask("status")["listeners"], "the start")
            for _ in range(2):
                check(d.ask("reload", wait=True)["ok"])
                status = d.ask("status")
                s = d.connect(address=status["listeners"][0]["addresses"][0])
                s.sendall(b"x")
                equal(receive(s, 1), b"x")
                s.close()
                pids = [worker["pid"] for worker in status["workers"]]
                for fd in (1, 2):
                    equal(sorted(nonblocking(pid, fd) for pid in pids)[0],
                          False, "descriptor %d with %r" % (fd, log))
                check(any(nonblocking(pid, 2) for pid in pids))
            d.baseline = {}


def test_journal_of_what_plugins_print():
    d = printing_daemon("json")
    d.journal = True
    with d:
        have_it_print(d)
        d.stop()
        check(d.log_lines(r'^<6>\{.*"role":"output","message":"printed x"\}$'),
              d.lines)
        for line in d.lines[1:]:
            check(re.match(r"<\d>\{", line), line)
            json.loads(line[3:])


def test_what_plugins_print_follows_the_format():
    with printing_daemon("json") as d:
        d.settings["log"] = {"format": "text"}
        d.write_config()
        d.reload_ready()
        since = d.mark()
        have_it_print(d)
        d.wait_log("^printed x$", since)
        d.wait_log(" info  worker 1: logged$", since)
        d.settings["log"] = {"format": "json"}
        d.write_config()
        d.reload_ready()
        since = d.mark()
        have_it_print(d)
        d.wait_log('"output","message":"printed x"}$', since)


def test_running_workers_change_to_json():
    with printing_daemon("text") as d:
        have_it_print(d)
        d.wait_log("^printed x$")
        d.settings["log"] = {"format": "json"}
        d.write_config()
        d.reload_ready()
        since = d.mark()
        have_it_print(d)
        d.wait_log('"output","message":"printed x"}$', since)
        d.wait_log('"worker 1","message":"logged"}$', since)
        d.stop()
        for line in d.lines[since:]:
            json.loads(line)


def unread(d):
    room = bytearray(4)
    fcntl.ioctl(d.log_file, termios.FIONREAD, room)
    return int.from_bytes(room, sys.byteorder)


def test_log_that_nobody_reads():
    """Lines are dropped and counted; the daemon does not wait."""
    d = Daemon(listener("c", test_plugin("command")))
    d.log_pipe = 65536
    with d:
        s = d.connect()
        d.wait_trace("open", 1)
        d.log_gate.clear()
        # A line each: more than the pipe and the daemon's memory hold.
        s.sendall(b"got\n" * 40000 + b"say still here\n")
        equal(receive_line(s), "still here")
        # A thread writes it, perhaps later: there are more lines than room.
        wait_until(lambda: unread(d) > 63000, lambda:
                   "the pipe to be full, not %d" % unread(d))
        d.log_gate.set()
        d.settle()
        s.sendall(b"say here\n")
        equal(receive_line(s), "here")
        d.wait_log(r"\d+ lines were lost")


def test_flood_is_limited():
    """A peer cannot fill the log with refused connections."""
    with Daemon(listener("echo", plugin("echo"),
                         limits={"connections": 1})) as d:
        kept = d.connect()
        kept.sendall(b"x")
        receive(kept, 1)
        for _ in range(500):
            s = d.connect()
            try:
                s.recv(1)
            except OSError:
                pass
            s.close()
        check(len(d.log_lines("limit|refus|too many")) < 100,
              "a line for each")
        # The rest is summed up without another refusal.
        wait_until(lambda: told_of(d) == 500,
                   lambda: "500 refusals, not %d" % told_of(d))


def told_of(d):
    return len(d.log_lines("echo: refused 127")) + sum(
        int(re.search(r"(\d+) more were refused", line).group(1))
        for line in d.log_lines(r"\d+ more were refused"))


main()
