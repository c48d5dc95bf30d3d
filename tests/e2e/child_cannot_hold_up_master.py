"""A child cannot hold up the master by descriptors that take long to close.

Each is a TCP connection with a full send queue and SO_LINGER.  Its peer is
this program, which reads nothing.
"""

import os
import signal
import socket
import struct
import time

from sluice_test import (DEADLINE, SLOW, Daemon, check, equal, listener, main,
                         plugin, receive, receive_line, run_sluiced,
                         send_until_stalled, test_plugin)


class Peer:
    """Accepts connections, and reads nothing."""

    def __enter__(self):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(64)
        self.port = self.socket.getsockname()[1]
        return self

    def __exit__(self, *what):
        self.socket.close()


def is_prompt(d):
    """The daemon reloads, serves, and ends at the first SIGTERM."""
    d.reload_ready()
    s = d.connect("echo")
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()
    begun = time.monotonic()
    d.signal(signal.SIGTERM)
    d.wait_exit()
    check(time.monotonic() - begun < DEADLINE * SLOW)


def test_worker():
    for line in (b"stay\n", b"leave\n"):
        with Peer() as peer, Daemon(
                listener("echo", plugin("echo")),
                listener("poison", test_plugin("poison", PORT=peer.port)),
                workers=2, drain_timeout="1s", pairs=False) as d:
            since = d.mark()
            s = d.connect("poison")
            s.sendall(line)
            if line == b"stay\n":
                equal(receive_line(s), "0", "sockets that took it")
            else:
                d.wait_log(r"worker \d \(pid \d+\) started", since)
            is_prompt(d)


def test_listening_sockets():
    """The master has these sockets, too, and must not wait to close them."""
    with Peer() as peer, Daemon(
            listener("echo", plugin("echo"), "127.0.0.1:0"),
            listener("poison", test_plugin("poison", PORT=peer.port),
                     "127.0.0.3:0"), drain_timeout="1s", pairs=False) as d:
        s = d.connect("poison")
        s.sendall(b"listening\n")
        equal(receive_line(s), "2", "sockets")
        # The master closes one socket now, and the other at its end.
        d.listeners.pop()
        d.write_config()
        d.reload_ready()
        d.signal(signal.SIGTERM)
        d.wait_exit()


def send_slow(d, peer, request):
    """Send it in a process of its own, since our close() would wait, too."""
    s = d.control_client()
    slow = socket.create_connection(("127.0.0.1", peer.port))
    send_until_stalled(slow, bytes(1 << 23))
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                    struct.pack("ii", 1, 3600))
    try:
        socket.send_fds(s, [request], [slow.fileno()])
    except PermissionError:
        pass                    # the kernel does not let it be sent
    os._exit(0)


def test_clients_of_the_control_socket():
    """The kernel refuses descriptors from clients, or a thread closes them."""
    for request in (b"x", b'{"command": "status"}\n'):
        with Peer() as peer, Daemon(listener("echo", plugin("echo")),
                                    control="control.sock") as d:
            # The daemon is stopped until it holds the last reference.
            d.signal(signal.SIGSTOP)
            pid = os.fork()
            if pid == 0:
                send_slow(d, peer, request)
            os.waitpid(pid, 0)
            d.signal(signal.SIGCONT)
            equal(d.ask("status")["ok"], True)
            is_prompt(d)


def test_constructor_in_the_probe():
    for how in ("stay", "leave"):
        with Peer() as peer, Daemon(listener("echo", plugin("echo"))) as d:
            d.listeners.append(listener(
                "poison", test_plugin("poison", PORT=peer.port,
                                      CONSTRUCTOR=how)))
            d.write_config()
            if how == "stay":
                d.reload_ready()
            else:
                check("probe exited with status 3" in d.reload_refused())
            d.listeners.pop()
            d.write_config()
            is_prompt(d)


def test_commands():
    for how in ("stay", "leave"):
        with Peer() as peer:
            path = test_plugin("poison", PORT=peer.port, CONSTRUCTOR=how)
            begun = time.monotonic()
            run_sluiced("--describe", path)
            with Daemon(listener("poison", path), start=False) as d:
                run_sluiced("-t", "-c", d.config)
            check(time.monotonic() - begun < DEADLINE * SLOW)


main()
