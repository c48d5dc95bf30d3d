"""A TLS client by libssl itself, for what Python's ssl does not offer."""

import ctypes
import ctypes.util

from harness.checks import Failure, Skip

V12, V13 = 0x0303, 0x0304
CTRL_MIN, CTRL_MAX = 123, 124
WANT_READ = 2
NOT_REQUESTED, REQUESTED = 0, 1

ssl = None


def load():
    global ssl
    if ssl is None:
        try:
            ssl = ctypes.CDLL("libssl.so.3")
        except OSError:
            raise Skip("libssl.so.3 is not installed") from None
        crypto = ctypes.CDLL("libcrypto.so.3")
        for name in ("BIO_new", "BIO_s_mem", "BIO_read", "BIO_write"):
            setattr(ssl, name, getattr(crypto, name))
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new",
                     "BIO_new", "BIO_s_mem"):
            getattr(ssl, name).restype = ctypes.c_void_p
        for name in ("SSL_CTX_new", "SSL_new", "BIO_new", "SSL_free",
                     "SSL_CTX_free", "SSL_connect", "SSL_do_handshake",
                     "SSL_renegotiate", "SSL_shutdown"):
            getattr(ssl, name).argtypes = [ctypes.c_void_p]
        for name in "SSL_get_error", "SSL_key_update":
            getattr(ssl, name).argtypes = [ctypes.c_void_p, ctypes.c_int]
        ssl.SSL_CTX_ctrl.argtypes = [ctypes.c_void_p, ctypes.c_int,
                                     ctypes.c_long, ctypes.c_void_p]
        ssl.SSL_set_bio.argtypes = [ctypes.c_void_p] * 3
        for name in "SSL_read", "SSL_write", "BIO_read", "BIO_write":
            getattr(ssl, name).argtypes = [ctypes.c_void_p, ctypes.c_char_p,
                                           ctypes.c_int]
    return ssl


class RawPeer:
    """As Peer of harness.tls, without verification."""

    def __init__(self, sock, version=V13):
        self.sock, self.lib = sock, load()
        self.context = self.lib.SSL_CTX_new(self.lib.TLS_client_method())
        for which in CTRL_MIN, CTRL_MAX:
            self.lib.SSL_CTX_ctrl(self.context, which, version, None)
        self.tls = self.lib.SSL_new(self.context)
        self.incoming = self.lib.BIO_new(self.lib.BIO_s_mem())
        self.outgoing = self.lib.BIO_new(self.lib.BIO_s_mem())
        self.lib.SSL_set_bio(self.tls, self.incoming, self.outgoing)

    def __del__(self):
        self.lib.SSL_free(self.tls)
        self.lib.SSL_CTX_free(self.context)

    def made(self):
        """What is to be sent and has not been."""
        parts, room = [], ctypes.create_string_buffer(1 << 16)
        while (n := self.lib.BIO_read(self.outgoing, room, len(room))) > 0:
            parts.append(room.raw[:n])
        return b"".join(parts)

    def flush(self):
        data = self.made()
        if data:
            self.sock.sendall(data)

    def fill(self):
        """Receive once.  False at the end of file."""
        data = self.sock.recv(1 << 16)
        self.lib.BIO_write(self.incoming, data, len(data))
        return bool(data)

    def call(self, function, *arguments):
        """Until it succeeds; its result."""
        while True:
            result = function(self.tls, *arguments)
            self.flush()
            if result > 0:
                return result
            error = self.lib.SSL_get_error(self.tls, result)
            if error != WANT_READ or not self.fill():
                raise Failure("libssl: error %d" % error)

    def handshake(self):
        self.call(self.lib.SSL_connect)
        return self

    def write(self, data):
        self.call(self.lib.SSL_write, data, len(data))

    def receive(self, count):
        parts, room = b"", ctypes.create_string_buffer(1 << 16)
        while len(parts) < count:
            n = self.call(self.lib.SSL_read, room,
                          min(len(room), count - len(parts)))
            parts += room.raw[:n]
        return parts

    def key_update(self, kind):
        """Make a key update; it is not sent."""
        self.lib.SSL_key_update(self.tls, kind)
        self.lib.SSL_do_handshake(self.tls)
