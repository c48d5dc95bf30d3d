"""A server that the daemon connects to; the test takes its every step."""

import os
import selectors
import socket

from harness.places import patience


class Upstream:
    """Listens until close().  The kernel accepts; accept() says who came."""

    def __init__(self, address="127.0.0.1:0", backlog=1024):
        if address.startswith("unix:"):
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.bind(address[5:])
            os.chmod(address[5:], 0o666)
        else:
            host, _, port = address.rpartition(":")
            self.sock = socket.socket()
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.sock.bind((host, int(port)))
            address = "%s:%d" % self.sock.getsockname()
        self.address = address
        self.sock.settimeout(patience())
        self.sock.listen(backlog)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def accept(self):
        s = self.sock.accept()[0]
        s.settimeout(patience())
        return s

    def has_more(self):
        """Does a connection wait to be accepted?"""
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def close(self):
        self.sock.close()


class BlackHole(Upstream):
    """Its queue is full, so the kernel answers no one."""

    def __init__(self):
        super().__init__(backlog=0)
        self.fillers = []
        for _ in range(2):
            s = socket.socket()
            s.setblocking(False)
            s.connect_ex(self.sock.getsockname())
            self.fillers.append(s)

    def open(self):
        """Answer from now on."""
        self.sock.listen(1024)

    def accept(self):
        """The next connection that is not ours."""
        ours = [s.getsockname() for s in self.fillers]
        while True:
            s = super().accept()
            if s.getpeername() not in ours:
                return s

    def close(self):
        for s in self.fillers:
            s.close()
        super().close()


bound = []                      # as long as the program runs


def nobody():
    """An address at which connections are refused, and that no other program
    gets meanwhile.  An Upstream may listen there later."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    bound.append(s)
    return "%s:%d" % s.getsockname()
