"""The shipped snippet, by logrotate itself, under load: no line is lost or cut."""

import os
import re
import subprocess
import threading

from sluice_test import (SOURCE, Filed, check, equal, listener, main, need,
                         plugin, receive, wait_until)

SNIPPET = os.path.join(SOURCE, "packaging/debian/sluice.logrotate")
ROUNDS = 5


def configuration(d):
    """The snippet for this daemon: the directory, and how it is signalled."""
    with open(SNIPPET) as file:
        text = file.read()
    here, paths = re.subn(r"/var/log/sluice/\*\.log", d.log_path, text)
    equal(paths, 1, "paths")
    here, commands = re.subn(r"systemctl kill .*--signal=USR1 "
                             r"sluiced\.service", "kill -USR1 %d" % d.pid,
                             here)
    equal(commands, 1, "commands that open the file again")
    # Read as the user that the test has, who may not be root.
    d.write(here, "logrotate.conf")
    os.chmod(d.path("logrotate.conf"), 0o644)
    return d.path("logrotate.conf")


def rotate(d, logrotate, snippet):
    since = d.mark()
    result = subprocess.run([logrotate, "-f", "-s", d.path("state"), snippet],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            text=True)
    equal(result.returncode, 0, result.stdout)
    d.wait_log("log: opened .* again", since)


def rotated(d):
    return sorted(name for name in os.listdir(d.path("logs"))
                  if re.match(r"sluice\.log\.\d+", name))


def read(path):
    if path.endswith(".gz"):
        return subprocess.run([need("gzip"), "-dc", path], check=True,
                              stdout=subprocess.PIPE).stdout.decode()
    with open(path) as file:
        return file.read()


def test_rotated_under_load():
    logrotate = need("logrotate")
    d = Filed(listener("echo", plugin("echo")), name="logs/sluice.log",
              workers=2)
    os.mkdir(d.path("logs"), 0o755)
    os.chmod(d.directory, 0o755)
    with d:
        stop, served = threading.Event(), []

        def serve():
            while not stop.is_set():
                s = d.connect()
                s.sendall(b"x")
                equal(receive(s, 1), b"x")
                s.close()
                served.append(1)

        client = threading.Thread(target=serve)
        client.start()
        try:
            snippet = configuration(d)
            for _ in range(ROUNDS):
                before = len(served)
                wait_until(lambda: len(served) > before + 50, "the load")
                rotate(d, logrotate, snippet)
        finally:
            stop.set()
            client.join()
        with open(d.log_path) as now:
            check(d.holds(now))
        for name in rotated(d):
            with open(os.path.join(d.path("logs"), name)) as old:
                check(not d.holds(old), name, "is still open")
        d.stop()
        equal(len(rotated(d)), ROUNDS)
        text = "".join(read(os.path.join(d.path("logs"), name))
                       for name in rotated(d)) + read(d.log_path)
        lines = text.splitlines()
        for line in lines:
            check(re.match(r"20\S+Z \w+ +[\w ]+: \S", line), "cut:", line)
        check(not [line for line in lines if "lost" in line])
        ends = re.findall(r"conn (\d+) echo .*closed .*gen=1$", text, re.M)
        equal(len(ends), len(served))
        equal(len(set(ends)), len(served))


main()
