"""The log sent to a syslog daemon, which may be slow, gone or started again."""

import json
import os
import re
import signal
import socket
import threading

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         plugin, receive, receive_line, test_plugin,
                         wait_until)

PACKET = re.compile(rb"<(\d+)>([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) "
                    rb"sluiced\[(\d+)\]: (.*)", re.S)
LOCAL3, DAEMON = 19, 3
ERROR, WARN, INFO = 3, 4, 6

PRINTS = r"""
#include <stdio.h>
#include <sluice.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	fputs("red \033[31m\n\n<4>warned\n", stderr);
	puts("<6>2026-11-27T00:00:00.000Z error master: forged");
	fflush(stdout);
	sl_log(NULL, SL_LOG_ERROR, "logged");
	sl_write(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "prints", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


class Syslogd:
    """Reads datagrams, whose text becomes lines of the daemon's log."""

    def __init__(self, d, name="log", reads=True):
        self.d, self.path = d, d.path(name)
        self.packets, self.thread = [], None
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(self.path)
        os.chmod(self.path, 0o666)
        if reads:
            self.read()

    def read(self):
        self.thread = threading.Thread(target=self.follow, daemon=True)
        self.thread.start()

    def follow(self):
        while True:
            packet = self.socket.recv(1 << 16)
            if packet == b"stop":
                return
            match = PACKET.fullmatch(packet)
            check(match, packet)
            priority, when, pid, text = match.groups()
            with self.d.changed:
                self.packets.append((int(priority) >> 3, int(priority) & 7,
                                     int(pid), text.decode()))
                self.d.lines.append(text.decode())
                self.d.changed.notify_all()

    def stop(self, leave=False):
        """End; what was sent before has been read."""
        if self.thread:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
                s.connect(self.path)
                s.send(b"stop")
            self.thread.join()
        self.socket.close()
        if not leave:
            os.unlink(self.path)

    def severity(self, regex):
        """Of the one line that matches."""
        found = [packet[1] for packet in self.packets
                 if re.search(regex, packet[3])]
        equal(len(found), 1, "lines of " + regex)
        return found[0]


def sent(*listeners, facility="daemon", log=None, **settings):
    """A daemon that is not started yet."""
    d = Daemon(*listeners, start=False, control="control.sock",
               log=dict(log or {}, syslog=facility, syslog_socket="log"),
               **settings)
    return d


def echo(d, name=None):
    s = d.connect(name)
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()


def change(d, **log):
    d.settings["log"] = log
    d.write_config()
    check(d.ask("reload", wait=True)["ok"])


def test_levels_and_facility():
    d = sent(listener("p", "p.so"),
             listener("c", test_plugin("crasher"), options={"at": "data"}),
             facility="local3")
    d.listener("p")["plugin"] = d.path("p.so")
    compile_plugin(PRINTS, d.path("p.so"))
    d.write_config()
    to = Syslogd(d)
    with d:
        d.start()
        echo(d, "p")
        d.wait_log("conn 1 p .*closed")
        s = d.connect("c")
        s.sendall(b"x")
        s.close()
        d.wait_log("worker 1 .* was killed by")
        d.wait_log("output: .*forged")
        equal(to.severity("^worker 1: conn 1 p .*closed"), INFO)
        equal(to.severity("^worker 1: logged$"), ERROR)
        equal(to.severity("^master: worker 1 .* was killed by"), ERROR)
        equal(to.severity(r"^output: red \\x1b\[31m$"), INFO)
        equal(to.severity("^output: warned$"), WARN)
        d.stop()
        to.stop()
        equal(to.severity("^master: stopped$"), INFO)
        equal(to.severity("^output: 2026-11-27T00:00.* forged$"), INFO)
        equal({packet[0] for packet in to.packets}, {LOCAL3})
        equal({packet[2] for packet in to.packets}, {d.pid})
        check(not [packet for packet in to.packets if not packet[3]])


def test_objects():
    d = sent(listener("p", "p.so"), log={"format": "json"})
    d.listener("p")["plugin"] = d.path("p.so")
    compile_plugin(PRINTS, d.path("p.so"))
    d.write_config()
    to = Syslogd(d)
    with d:
        d.start()
        echo(d, "p")
        d.wait_log('"why":"peer"')
        d.wait_log("output.*warned")
        d.stop()
        to.stop()
        said = [(packet, json.loads(packet[3])) for packet in to.packets]
        for packet, entry in said:
            equal(packet[0], DAEMON)
            equal(packet[1], {"error": ERROR, "warn": WARN, "info": INFO}
                  [entry["level"]])
        equal(said[-1][1]["message"], "stopped")
        check([entry for packet, entry in said if
               entry["message"] == "logged" and entry["level"] == "error"])
        check([entry for packet, entry in said if
               entry["role"] == "output" and entry["message"] == "warned"
               and entry["level"] == "warn"])


def test_absent_at_the_start():
    """The start does not wait for it; it is told what it has missed."""
    d = sent(listener("echo", plugin("echo")))
    with d:
        d.start(wait=False)
        d.wait_log("log: from here on the log is sent to " + d.path("log"))
        d.wait_log("log: %s takes no lines: No such file or directory; lines "
                   "are lost, and counted" % d.path("log"))
        log = d.ask("status")["log"]
        equal((log["file"], log["syslog"]), (None, d.path("log")))
        check(log["lost"] > 0)
        equal(log["error"], "No such file or directory")
        to = Syslogd(d)
        match = d.wait_log(r"^log: (\d+) lines? (were|was) lost: No such file")
        d.wait_log("log: %s takes lines again" % d.path("log"))
        log = d.ask("status")["log"]
        equal((log["lost"], log["error"]), (int(match.group(1)), None))
        equal(to.severity("^log: .* lost"), WARN)
        status = d.sluicectl("status").stdout
        check(re.search(r"^log: \d+ lines? were lost", status, re.M), status)
        d.ask("reload", wait=True)
        d.wait_log("^master: generation 2 ready")


def test_started_again():
    """What was said meanwhile comes; after a longer pause it is counted."""
    d = sent(listener("echo", plugin("echo")))
    to = Syslogd(d)
    with d:
        d.start()
        echo(d)
        d.wait_log("^worker 1: conn 1 echo .*closed")
        to.stop()
        to = Syslogd(d)
        echo(d)
        d.wait_log("^worker 1: conn 2 echo .*closed")
        equal(d.ask("status")["log"]["lost"], 0)
        to.stop(leave=True)
        echo(d)
        d.wait_log("takes no lines: Connection refused")
        os.unlink(d.path("log"))
        to = Syslogd(d)
        match = d.wait_log(r"^log: (\d+) lines? (were|was) lost: ")
        equal(int(match.group(1)), d.ask("status")["log"]["lost"])
        echo(d)
        d.wait_log("^worker 1: conn 4 echo .*closed")


def test_a_daemon_that_does_not_read():
    """Nobody waits for it, and each line is either there or counted."""
    d = sent(listener("c", test_plugin("command")), pairs=False)
    to = Syslogd(d, reads=False)
    with d:
        d.start(wait=False)
        wait_until(lambda: os.path.exists(d.path("control.sock")),
                   "the control socket")
        wait_until(lambda: d.ask("status")["listeners"], "the listener")
        s = d.connect(address=d.ask("status")["listeners"][0]["addresses"][0])
        for _ in range(10):
            s.sendall(b"got\n" * 200 + b"say x\n")
            equal(receive_line(s), "x")
        d.wait_log("takes no lines: nobody reads them, or not fast enough")
        check(d.ask("reload", wait=True)["ok"])
        to.read()
        d.wait_log("log: .* takes lines again")
        s.sendall(b"say done\n")
        equal(receive_line(s), "done")
        s.close()
        d.wait_log("^worker 1: conn 1 c .*closed")
        got = len([packet for packet in to.packets
                   if re.search(r"trace 1 call", packet[3])])
        check(0 < got < 2000, got)
        equal(d.ask("status")["log"]["lost"],
              sum(int(re.match(r"log: (\d+) line", packet[3]).group(1))
                  for packet in to.packets
                  if re.match(r"log: \d+ lines? (was|were) lost", packet[3])))


def test_a_reload_changes_it():
    """From standard error to a socket, another one, a file, and back."""
    d = Daemon(listener("echo", plugin("echo")), control="control.sock")
    with d:
        first, second = Syslogd(d, "first"), Syslogd(d, "second")

        def count(to, line):
            return len([packet for packet in to.packets if line in packet[3]])

        for number, log in enumerate((
                {"syslog": "daemon", "syslog_socket": "first"},
                {"syslog": "daemon", "syslog_socket": "second"},
                {"syslog": "local3", "syslog_socket": "second"},
                {"file": "file"},
                {"syslog": "daemon", "syslog_socket": "first"},
                {}), 1):
            change(d, **log)
            echo(d)
            line = "conn %d echo" % number
            if "file" in log:
                wait_until(lambda: line in open(d.path("file")).read(), line)
            else:
                d.wait_log(line)
            equal(count(first, line), number in (1, 5))
            equal(count(second, line), number in (2, 3))
        for to, facility, number in ((first, DAEMON, 1), (second, DAEMON, 2),
                                     (second, LOCAL3, 3), (first, DAEMON, 5)):
            equal([packet[0] for packet in to.packets
                   if "conn %d echo" % number in packet[3]], [facility])
        d.settings["log"] = {"syslog": "daemon", "file": "file"}
        d.write_config()
        said = d.reload_refused()
        check(re.search(r"sluice\.conf:\d+: log\.syslog: the log has one place",
                        said), said)


def test_sigusr1_connects_again():
    d = sent(listener("echo", plugin("echo")))
    to = Syslogd(d)
    with d:
        d.start()
        os.rename(d.path("log"), d.path("old"))
        new = Syslogd(d)
        d.signal(signal.SIGUSR1)
        d.wait_log("^log: connected to %s again" % d.path("log"))
        echo(d)
        d.wait_log("conn 1 echo")
        check([packet for packet in new.packets if "conn 1" in packet[3]])
        check(not [packet for packet in to.packets if "conn 1" in packet[3]])


main()
