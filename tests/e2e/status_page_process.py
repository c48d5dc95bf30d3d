"""The status process may die, hang or be taken over: the daemon goes on."""

import ctypes
import json
import os
import signal
import socket
import subprocess

from sluice_test import (SLUICED, Daemon, Skip, check, equal, fetch, listener,
                         main, need, need_root, page_process, plugin, receive,
                         run_program, wait_until)

STATUS = {"listen": "127.0.0.1:0"}
PIDFD_OPEN, PIDFD_GETFD = 434, 438


def daemon(**settings):
    return Daemon(listener("a", plugin("echo")), status=STATUS, **settings)


def serves(d):
    s = d.connect("a")
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()


def test_it_is_started_again():
    with daemon() as d:
        for count in range(1, 4):
            equal(fetch(d, "/healthz").text, "ok\n")
            os.kill(page_process(d), signal.SIGKILL)
            d.wait_log(r"status page: its process was killed by SIGKILL; "
                       r"starting it again in \d+ ms", count=count)
            serves(d)
        # A client that comes while there is none waits for the next.
        equal(fetch(d, "/healthz").text, "ok\n")


def test_one_that_hangs_is_replaced():
    with daemon() as d:
        equal(fetch(d, "/healthz").text, "ok\n")
        os.kill(page_process(d), signal.SIGSTOP)
        serves(d)
        d.wait_log("status page: its process took longer than 15 s and was "
                   "killed", seconds=30)
        equal(fetch(d, "/healthz").text, "ok\n")


def test_it_says_when_the_master_is_silent():
    with daemon() as d:
        equal(fetch(d, "/healthz").status, 200)
        d.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: fetch(d, "/healthz").status == 503,
                       "the silence to be noticed")
            for path in "/healthz", "/readyz", "/metrics", "/status.json":
                answer = fetch(d, path)
                equal(answer.status, 503, path)
                check(answer.text.startswith("the master does not answer"),
                      answer.text)
        finally:
            d.signal(signal.SIGCONT)
        wait_until(lambda: fetch(d, "/healthz").status == 200,
                   "it to be healthy again")


def test_it_ends_with_the_master():
    with daemon() as d:
        fetch(d, "/healthz")
        d.signal(signal.SIGKILL)
        d.wait_exit(-signal.SIGKILL)


def steal_questions(pid):
    """The socket over which the process asks, as code in it would have it."""
    libc = ctypes.CDLL(None, use_errno=True)
    process = libc.syscall(PIDFD_OPEN, pid, 0)
    check(process != -1, os.strerror(ctypes.get_errno()))
    found = []
    for fd in map(int, os.listdir("/proc/%d/fd" % pid)):
        copy = libc.syscall(PIDFD_GETFD, process, fd, 0)
        if copy == -1:
            continue
        if not os.readlink("/proc/self/fd/%d" % copy).startswith("socket:"):
            os.close(copy)
            continue
        s = socket.socket(fileno=copy)
        if (s.family, s.type) == (socket.AF_UNIX, socket.SOCK_STREAM) and \
                not s.getsockname():
            found.append(s)
    os.close(process)
    return found


def test_taken_over_it_can_only_look():
    with daemon(control="control.sock") as d:
        fetch(d, "/healthz")
        pid = page_process(d)
        try:
            os.listdir("/proc/%d/fd" % pid)
        except PermissionError:
            raise Skip("only root may look into the process") from None
        sockets = steal_questions(pid)
        if not sockets:
            raise Skip("pidfd_getfd(2) is not allowed here")
        # Alone with the master: the process must not take our answers.
        os.kill(pid, signal.SIGSTOP)
        for s in sockets:
            s.settimeout(10)
            for command in "reload", "kill", "rollback", "log-level":
                s.sendall(json.dumps({"command": command}).encode() + b"\n")
                answer = b""
                while not answer.endswith(b"\n"):
                    answer += s.recv(1 << 20)
                check(b"may not ask" in answer.splitlines()[-1], answer)
            s.close()
        os.kill(pid, signal.SIGCONT)
        check(not d.log_lines("reloading"))


def without_library():
    """What runs a program that does not find libmicrohttpd."""
    need_root()
    need("unshare")
    text = subprocess.run(["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE,
                          check=False, text=True).stdout
    paths = [os.path.realpath(line.split(" => ")[1])
             for line in text.splitlines() if "libmicrohttpd.so.12 " in line]
    if not paths:
        raise Skip("ldconfig does not say where libmicrohttpd is")
    hide = ["unshare", "--mount", "sh", "-c",
            'mount --bind /dev/null "$0" && exec "$@"', paths[0]]
    if subprocess.run(hide + ["true"], check=False).returncode != 0:
        raise Skip("no namespace for the test")
    return hide


MISSING = "libmicrohttpd.so.12 is missing; on Debian it is in the package " \
          "libmicrohttpd12"


def test_a_missing_library_is_said_before_it_is_needed():
    with Daemon(listener("a", plugin("echo")), start=False) as d:
        d.launcher = without_library()
        command = d.launcher + [SLUICED, "-t", "-c", d.config]
        result = run_program(command)
        equal((result.returncode, "libmicrohttpd" in result.stderr),
              (0, False), result.stderr)
        d.settings["status"] = STATUS
        d.write_config()
        result = run_program(command)
        # Everything else is served all the same.
        equal(result.returncode, 0, result.stderr)
        check(MISSING in result.stdout + result.stderr, result.stderr)
        check("sluice.conf:%d: " % (1 + d.text()[:d.text().index(
            "status")].count("\n")) in result.stdout + result.stderr,
            result.stderr)
        d.start(wait=False)     # for the process, which does not stay
        d.wait_log("generation 1 ready")
        d.wait_log(MISSING)
        d.wait_log("cannot serve the status page: cannot load libmicrohttpd")
        serves(d)


if __name__ == "__main__":
    main()
