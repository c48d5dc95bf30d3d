"""No client of the control socket can harm the daemon or another client."""

import grp
import json
import os
import random
import socket
import subprocess
import time

from sluice_test import (DEADLINE, SLOW, SLUICECTL, Daemon, check, close_all,
                         descriptors, equal, listener, main, memory, need,
                         need_root, plugin, receive, receive_all,
                         wait_until)

NOBODY = 65534


def daemon(**settings):
    return Daemon(listener("echo", plugin("echo")),
                  **dict({"control": "control.sock"}, **settings))


def well(d):
    """The daemon serves, and answers status."""
    s = d.connect()
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()
    equal(d.ask("status")["ok"], True)


def say(d, data):
    """Send data and return the answer.  The daemon may close meanwhile."""
    s = d.control_client()
    try:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    answer = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                break
            answer += part
    except ConnectionResetError:
        pass
    s.close()
    return answer


def test_garbage():
    random.seed(1)
    requests = [b"\n", b"status\n", b"{}\n", b"[]\n", b"null\n", b"{\n",
                b'{"command": 3}\n', b'{"command": "frobnicate"}\n',
                b'{"command": "status", "wait": true}\n',
                b'{"command": "reload", "wait": 1}\n',
                b'{"command": "reload", "wait": true, "wait": false}\n',
                b'{"command": "sta\0tus"}\n', b'{"command": "\\u0000"}\n',
                b'{"command": "\xff\xfe"}\n', b'"status"\n',
                b"[" * 4000 + b"\n", b'{"a":' * 800 + b"\n",
                b'{"command": "status"} and more\n',
                b'{"command": "' + b"%s" * 100 + b'"}\n']
    requests += [bytes(random.randrange(256) for _ in range(
        random.randrange(1, 300))).replace(b"\n", b" ") + b"\n"
        for _ in range(300)]
    with daemon() as d:
        for request in requests:
            answer = say(d, request)
            said = json.loads(answer)
            equal(said["ok"], False, "ok for %r" % request)
            check(len(said["error"]) > 10, said)
        # End of file ends a line.
        equal(json.loads(say(d, b'{"command": "status"}'))["ok"], True)
        # Whatever follows the line is ignored.
        equal(json.loads(say(d, b'{"command": "status"}\n' + b"x" * 30000))
              ["ok"], True)
        equal(say(d, b""), b"")
        well(d)


def test_huge_line():
    with daemon() as d:
        before = memory(d.pid)
        for size in (4096, 4097, 1 << 16, 1 << 24):
            said = json.loads(say(d, b"x" * size))
            equal(said["ok"], False)
            check("longer than 4096 bytes" in said["error"], said)
        check(memory(d.pid) - before < 1 << 22, "it kept what was sent")
        line = b'{"command": "status"}'
        equal(json.loads(say(d, line + b" " * (4095 - len(line)) + b"\n"))
              ["ok"], True)
        well(d)


def test_never_reads():
    """A client that does not read its answer is dropped."""
    long = "x" * 50  # so that the answer is larger than a socket's buffer
    many = [listener("e%d-%s" % (number, long), plugin("echo"),
                     "unix:@sluice-%s-%d-%d" % (long, os.getpid(), number))
            for number in range(1000)]
    with Daemon(listener("echo", plugin("echo")), *many,
                control="control.sock") as d:
        before = len(descriptors(d.pid))
        clients = []
        for _ in range(20):
            s = d.control_client()
            s.sendall(b'{"command": "status"}\n')
            clients.append(s)
        wait_until(lambda: len(descriptors(d.pid)) == before + 20,
                   "all to be accepted")
        well(d)
        # The answer is larger than a socket's buffer, so only a part was sent.
        got = clients[0].recv(1000)
        check(got.startswith(b"{") and len(got) == 1000, got)
        wait_until(lambda: len(descriptors(d.pid)) <= before,
                   "the clients to be dropped")
        check(not receive_all(clients[1]).endswith(b"\n"), "it got all of it")
        close_all(clients)
        equal(len(d.ask("status")["listeners"]), 1001)


def test_never_asks():
    """Idle clients are dropped, and keep others out only for a short time."""
    with daemon() as d:
        before = len(descriptors(d.pid))
        idle = [d.control_client() for _ in range(64)]
        idle[0].sendall(b'{"comm')
        wait_until(lambda: len(descriptors(d.pid)) == before + 64,
                   "all to be accepted")
        # One client too many is refused as busy...
        said = d.ask("status")
        equal((said["ok"], said["busy"]), (False, True))
        # ... and sluicectl tries again.
        begun = time.monotonic()
        equal(d.sluicectl("status").returncode, 0)
        check(time.monotonic() - begun < 8 * SLOW)
        for s in idle:
            equal(receive_all(s), b"")
        close_all(idle)
        well(d)


def test_a_thousand_at_once():
    with daemon() as d:
        before = len(descriptors(d.pid))
        clients = []
        for number in range(1000):
            s = d.control_client()
            try:
                if number % 3 == 0:
                    s.sendall(b'{"command": "generations"}\n')
                elif number % 3 == 1:
                    s.sendall(b"garbage")
            except BrokenPipeError:
                pass                    # it was refused at once
            clients.append(s)
            # 64 clients at most, and those that are just being closed.
            check(len(descriptors(d.pid)) <= before + 500)
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        close_all(clients)
        wait_until(lambda: len(descriptors(d.pid)) <= before + 1,
                   "the clients to be dropped")
        well(d)


def test_closes_early():
    with daemon(workers=2) as d:
        d.listeners.append(listener("more", plugin("echo")))
        d.write_config()
        d.reload_ready()                # so that there is a previous one
        before = len(descriptors(d.pid))
        for number in range(300):
            s = d.control_client()
            try:
                if number % 4 != 0:
                    s.sendall([b'{"command": "generations"}\n',
                               b'{"command": "status"}\n',
                               b'{"command": "reload", "wait": true}\n']
                              [number % 3])
                if number % 5 == 0:
                    s.shutdown(socket.SHUT_RD)
            except OSError:
                pass                    # it was refused at once
            s.close()
        wait_until(lambda: d.ask("status").get("reload") == "idle", "the end")
        wait_until(lambda: len(descriptors(d.pid)) <= before,
                   lambda: "the clients to be gone: %s" % descriptors(d.pid))
        well(d)


def as_user(uid, gid, groups, *words):
    """Run sluicectl as another user.  Returns None if that is impossible."""
    command = [need("setpriv"), "--reuid=%d" % uid, "--regid=%d" % gid,
               "--groups=%s" % groups if groups else "--clear-groups"]
    return subprocess.run(command + [SLUICECTL] + list(words), text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          timeout=DEADLINE * SLOW)


def test_strangers():
    """Even if the mode admits everybody, the daemon checks the user."""
    need_root()
    with daemon(control_mode="0666") as d:
        result = as_user(NOBODY, NOBODY, "", "-s", d.path("control.sock"),
                         "reload")
        if "Permission denied" in result.stderr and result.returncode == 126:
            return
        equal(result.returncode, 3)
        check("uid 65534 may not use this socket" in result.stderr,
              result.stderr)
        check(d.log_lines("control socket: refused uid 65534"))
        equal(d.log_lines("reloading"), [])
        # Workers run plugins, so they may not control the daemon, either.
        worker = os.stat("/proc/%d" % d.workers()[0]).st_uid
        check(worker != 0)
    with daemon() as d:
        result = as_user(NOBODY, NOBODY, "", "-s", d.path("control.sock"),
                         "status")
        equal(result.returncode, 3)
        check("Permission denied for uid 65534, gid 65534; only root, its own "
              "user" in result.stderr, result.stderr)


def test_members_of_the_group():
    need_root()
    games = grp.getgrnam("games").gr_gid
    with daemon(control_mode="0660", control_group="games") as d:
        path = d.path("control.sock")
        result = as_user(NOBODY, NOBODY, "", "-s", path, "status")
        equal(result.returncode, 3)
        for gid, groups in ((games, ""), (NOBODY, str(games)),
                            (NOBODY, ",".join(map(str, range(1000, 1200)))
                             + ",%d" % games)):
            result = as_user(NOBODY, gid, groups, "-s", path, "status")
            equal((result.returncode, result.stderr), (0, ""))
    with daemon(control_mode="0666", control_group="games") as d:
        result = as_user(NOBODY, NOBODY, "", "-s", d.path("control.sock"),
                         "status")
        equal(result.returncode, 3)
        check("the members of control_group" in result.stderr, result.stderr)


def test_out_of_descriptors():
    """Without descriptors, accepting pauses, and everything else goes on."""
    prlimit = need("prlimit")
    with daemon() as d:
        used = max(descriptors(d.pid)) + 1
        subprocess.run([prlimit, "--pid", str(d.pid),
                        "--nofile=%d:" % (used + 2)], check=True)
        idle = [d.control_client() for _ in range(10)]
        d.wait_log("control socket: cannot accept")
        s = d.connect()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        close_all(idle)
        subprocess.run([prlimit, "--pid", str(d.pid), "--nofile=1024:"],
                       check=True)
        well(d)


main()
