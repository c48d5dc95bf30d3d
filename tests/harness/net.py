"""Sockets of clients: sending, receiving, and how a connection ends."""

import re
import select
import socket
import struct

from harness.checks import Failure, equal
from harness.places import patience


def free_address(host="127.0.0.1"):
    """A HOST:PORT that is free now, for a configuration that must name one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.bind((host, 0))
        port = s.getsockname()[1]
    return ("[%s]:%d" if ":" in host else "%s:%d") % (host, port)


def connect(address, receive_buffer=None, send_buffer=None, source=None,
            timeout=None, may_reset=False):
    """A connected socket; its time-out is a deadline."""
    if address.startswith("unix:"):
        target = address[5:]
        if target.startswith("@"):
            target = "\0" + target[1:]
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    else:
        host, _, port = address.rpartition(":")
        if host in ("*", "0.0.0.0"):
            host = "127.0.0.1"
        target = (host.strip("[]"), int(port))
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        s = socket.socket(family, socket.SOCK_STREAM)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    if send_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
    if source:
        s.bind((source, 0))
    s.settimeout(patience(timeout))
    try:
        s.connect(target)
    except ConnectionResetError:
        if not may_reset:       # it was accepted and reset at once
            s.close()
            raise
    except OSError:
        s.close()
        raise
    return s


def close_all(sockets):
    for s in sockets:
        s.close()


def receive(s, count):
    """Exactly count bytes."""
    parts, missing = [], count
    while missing > 0:
        data = s.recv(min(missing, 1 << 18))
        if not data:
            raise Failure("end of file, %d of %d bytes missing"
                          % (missing, count))
        parts.append(data)
        missing -= len(data)
    return b"".join(parts)


def receive_line(s):
    line = bytearray()
    while not line.endswith(b"\n"):
        data = s.recv(1)
        if not data:
            raise Failure("end of file in a line: %r" % bytes(line))
        line += data
    return bytes(line[:-1]).decode()


def id_of(s):
    """The id of a connection to the plugin `command`."""
    s.sendall(b"facts\n")
    return int(re.search(r"id=(\d+)", receive_line(s)).group(1))


def receive_all(s):
    """Everything up to the end of file; a reset is an exception."""
    parts = []
    while True:
        data = s.recv(1 << 18)
        if not data:
            return b"".join(parts)
        parts.append(data)


def expect_end(s):
    """Expect end of file, and no byte before it."""
    data = s.recv(1 << 16)
    equal(data, b"", "bytes before the end of file")


def expect_gone(s):
    """Expect end of file or a reset; bytes before it are dropped."""
    try:
        while s.recv(1 << 16):
            pass
    except (ConnectionResetError, BrokenPipeError):
        pass


def expect_reset(s):
    try:
        while s.recv(1 << 16):
            pass
    except ConnectionResetError:
        return
    raise Failure("end of file where a reset was expected")


def reset(s):
    """Close with a reset."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                 struct.pack("ii", 1, 0))
    s.close()


def more_than_the_kernel_holds(connections=1):
    """Bytes that do not fit into the buffers of so many TCP connections."""
    total = 0
    for name in "tcp_rmem", "tcp_wmem":
        with open("/proc/sys/net/ipv4/" + name) as file:
            total += int(file.read().split()[2])
    return connections * total + (16 << 20)     # and what sluiced queues


def send_until_stalled(s, data, quiet=0.3):
    """Send until the socket has taken nothing for a while; bytes taken."""
    view, sent = memoryview(data), 0
    timeout = s.gettimeout()
    s.setblocking(False)
    while sent < len(data):
        if not select.select([], [s], [], patience(quiet))[1]:
            break
        sent += s.send(view[sent:sent + (1 << 16)])
    s.settimeout(timeout)
    return sent


def exchange(s, data, sent=0):
    """Send the rest of data while receiving as many bytes; what came back."""
    result, view = bytearray(), memoryview(data)
    timeout = s.gettimeout()
    s.setblocking(False)
    while len(result) < len(data):
        wanted = [s] if sent < len(data) else []
        readable, writable, _ = select.select([s], wanted, [],
                                              patience())
        if not readable and not writable:
            raise Failure("stuck: %d of %d bytes sent, %d came back"
                          % (sent, len(data), len(result)))
        if writable:
            try:
                sent += s.send(view[sent:sent + (1 << 18)])
            except BlockingIOError:
                pass
        if readable:
            part = s.recv(1 << 18)
            if not part:
                raise Failure("end of file after %d bytes" % len(result))
            result += part
    s.settimeout(timeout)
    return bytes(result)


TABLE = b"0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXY"


def pattern(count, start=0):
    """The stream that the plugin `command` writes; its period is prime."""
    first = start % len(TABLE)
    return (TABLE * (count // len(TABLE) + 2))[first:first + count]
