"""TLS listeners, and clients by Python's ssl."""

import os
import random
import select
import ssl
import threading

from harness import certs
from harness.build import scratch
from harness.checks import Failure, check, need
from harness.conf import listener
from harness.net import receive
from harness.places import patience

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

made = {}


def authority(name="ca"):
    """A CA of this program's; the same one for the same name."""
    if name not in made:
        need("openssl")
        made[name] = certs.make(scratch(), name, ca=True)
    return made[name]


def leaf(name="leaf", issuer="ca", **more):
    """A certificate of this program's for localhost, or as certs.make()."""
    if name not in made:
        more.setdefault("names", ("DNS:localhost", "IP:127.0.0.1"))
        made[name] = certs.make(scratch(), name, authority(issuer), **more)
    return made[name]


def keys(*leafs, **more):
    """The group `tls` that serves these certificates."""
    leafs = leafs or (leaf(),)
    return dict({"cert": [one.cert for one in leafs],
                 "key": [one.key for one in leafs]}, **more)


def tls_listener(name, plugin_path, tls=None, **settings):
    return listener(name, plugin_path, tls=tls or keys(), **settings)


def client_context(version=None, ca="ca", cert=None, ciphers=None):
    """A client's context; cert is a Certificate of the client's own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority(ca).cert)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    if cert is not None:
        context.load_cert_chain(cert.cert, cert.key)
    if ciphers is not None:
        context.set_ciphers(ciphers)
    return context


def exchange_in_turn(one, other, count):
    """So many random bytes one way, and then as many back.

    Python's ssl does not send and receive at once.
    """
    data = os.urandom(count)
    for sender, receiver in (one, other), (other, one):
        thread = threading.Thread(target=sender.sendall, args=(data,))
        thread.start()
        check(receive(receiver, count) == data, "other bytes")
        thread.join()


class Peer:
    """A TLS client that sends and receives only where a method says so.

    So a test can stop at any byte.  With server=True it is a server, whose
    context is needed.
    """

    def __init__(self, sock, context=None, name="localhost", session=None,
                 server=False):
        self.sock = sock
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = (context or client_context()).wrap_bio(
            self.incoming, self.outgoing, server_side=server,
            server_hostname=None if server else name, session=session)

    def made(self):
        """What is to be sent and has not been, as bytes."""
        return self.outgoing.read()

    def flush(self):
        data = self.made()
        if data:
            self.sock.sendall(data)

    def fill(self):
        """Receive once.  False at the end of file."""
        data = self.sock.recv(1 << 16)
        if data:
            self.incoming.write(data)
        else:
            self.incoming.write_eof()
        return bool(data)

    def step(self, call, *arguments):
        """Call it once, with what was received so far.

        None: it wants more.  b"": close_notify.
        """
        try:
            return call(*arguments)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""

    def hello(self):
        """The first flight, not sent."""
        self.step(self.tls.do_handshake)
        return self.made()

    def finish_call(self, call, *arguments):
        """Call it until it is through, sending and receiving."""
        while True:
            try:
                result = call(*arguments)
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()
            except ssl.SSLError:
                self.flush()            # our alert
                raise
            else:
                self.flush()
                return result

    def handshake(self):
        self.finish_call(self.tls.do_handshake)
        return self

    def handshake_unsent(self):
        """A handshake whose last flight, if it is the client's, is kept."""
        while True:
            try:
                return self.tls.do_handshake()
            except ssl.SSLWantReadError:
                self.flush()
                self.fill()

    def write(self, data, size=16384):
        """Send it in records of this size."""
        for at in range(0, len(data), size):
            self.tls.write(data[at:at + size])
        self.flush()

    def read(self, most=1 << 16):
        """Some bytes; b"" after close_notify; SSLEOFError without one."""
        try:
            return self.finish_call(self.tls.read, most)
        except ssl.SSLZeroReturnError:
            return b""

    def receive(self, count):
        parts = []
        while count > 0:
            parts.append(self.read(min(count, 1 << 16)))
            if not parts[-1]:
                raise Failure("close_notify, %d bytes missing" % count)
            count -= len(parts[-1])
        return b"".join(parts)

    def receive_all(self):
        """Everything up to close_notify."""
        parts = []
        while not parts or parts[-1]:
            parts.append(self.read())
        return b"".join(parts)

    def close_notify(self):
        """Send ours; reading goes on."""
        self.step(self.tls.unwrap)
        self.flush()

    def exchange(self, data, sizes=(16384,), pieces=1 << 18, between=None):
        """Send data while receiving as much; what came back.

        sizes: of records, one by chance for each.  pieces: at most so many
        bytes go into one send().  between(count) is called after each
        receive, with the bytes that have come back.
        """
        view, sent, result, waiting = memoryview(data), 0, bytearray(), b""
        timeout = self.sock.gettimeout()
        self.sock.setblocking(False)
        while len(result) < len(data):
            if not waiting and sent < len(data):
                size = random.choice(sizes)
                sent += self.tls.write(view[sent:sent + size])
            waiting += self.made()
            ready = select.select([self.sock],
                                  [self.sock] if waiting else [], [],
                                  patience())
            if not ready[0] and not ready[1]:
                raise Failure("stuck: %d of %d bytes sent, %d came back"
                              % (sent, len(data), len(result)))
            if ready[1]:
                try:
                    waiting = waiting[self.sock.send(waiting[:pieces]):]
                except BlockingIOError:
                    pass
            if not ready[0]:
                continue
            if not self.fill():
                raise Failure("end of file after %d bytes" % len(result))
            part = self.step(self.tls.read, 1 << 16)
            while part:
                result += part
                part = self.step(self.tls.read, 1 << 16)
            if between is not None:
                between(len(result))
        self.sock.settimeout(timeout)
        if waiting:
            self.sock.sendall(waiting)
        return bytes(result)


def tls_connect(d, listener_name=None, context=None, name="localhost",
                session=None, **how):
    """A Peer of the daemon's, past its handshake."""
    return Peer(d.connect(listener_name, **how), context, name,
                session).handshake()
