"""A real rsyslogd reads what is sent to it, also after it was started again."""

import json
import os
import re
import subprocess

from sluice_test import (Daemon, check, equal, listener, main, need, plugin,
                         receive, wait_until)

CONFIGURATION = """
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="%(directory)s/log" RateLimit.Interval="0")
template(name="fields" type="string" string="%%syslogfacility-text%% \
%%syslogseverity-text%% %%programname%% %%procid%%%%msg%%\\n")
action(type="omfile" file="%(directory)s/syslog" template="fields")
"""


class Rsyslogd:
    def __init__(self, d):
        self.path, self.pid_file = d.path("log"), d.path("rsyslogd.pid")
        d.write(CONFIGURATION % {"directory": d.directory}, "rsyslog.conf")
        self.process = subprocess.Popen(
            [need("rsyslogd"), "-n", "-f", d.path("rsyslog.conf"),
             "-i", self.pid_file], stdin=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path), "the socket")

    def stop(self):
        self.process.terminate()
        self.process.wait()


def messages(d):
    with open(d.path("syslog"), errors="replace") as file:
        return file.read().splitlines()


def wait_message(d, regex):
    def found():
        return os.path.exists(d.path("syslog")) and [
            line for line in messages(d) if re.search(regex, line)]
    wait_until(found, regex)
    return found()[0]


def echo(d):
    s = d.connect(address=d.ask("status")["listeners"][0]["addresses"][0])
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()


def test_rsyslogd():
    need("rsyslogd")
    d = Daemon(listener("echo", plugin("echo")), start=False,
               control="control.sock", log={"syslog": "local5",
                                            "syslog_socket": "log"})
    to = Rsyslogd(d)
    try:
        with d:
            d.start(wait=False)
            wait_message(d, "^local5 info sluiced %d master: generation 1 "
                            "ready" % d.pid)
            echo(d)
            wait_message(d, "^local5 info sluiced %d worker 1: conn 1 echo "
                            ".* closed why=peer in=1 out=1" % d.pid)
            to.stop()
            to = Rsyslogd(d)
            echo(d)
            wait_message(d, "worker 1: conn 2 echo .* closed")
            equal(d.ask("status")["log"]["lost"], 0)
            d.settings["log"]["format"] = "json"
            d.write_config()
            check(d.ask("reload", wait=True)["ok"])
            echo(d)
            line = wait_message(d, '"connection":3')
            equal(json.loads(line[line.index("{"):])["why"], "peer")
    finally:
        to.stop()


main()
