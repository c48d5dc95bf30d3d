"""Records of TLS 1.3 with any content, behind a handshake by harness.tls."""

import ctypes
import hashlib
import hmac
import os

from harness.build import make_directory
from harness.checks import Skip
from harness.tls import V13, Peer, client_context

ALERT, HANDSHAKE, DATA = 21, 22, 23
TAG = 16
CTRL_GET_TAG = 0x10


def libcrypto():
    try:
        lib = ctypes.CDLL("libcrypto.so.3")
    except OSError:
        raise Skip("libcrypto.so.3 is not installed") from None
    for name in "EVP_CIPHER_CTX_new", "EVP_aes_128_gcm":
        getattr(lib, name).restype = ctypes.c_void_p
    return lib


def expand(secret, label, length):
    """HKDF-Expand-Label of RFC 8446, for what fits into one block."""
    label = b"tls13 " + label
    info = (length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
            + b"\1")
    return hmac.new(secret, info, hashlib.sha256).digest()[:length]


class Records:
    """A client whose records, behind its handshake, are made by the test."""

    def __init__(self, sock):
        directory = make_directory()
        log = os.path.join(directory, "keys")
        context = client_context(V13)
        context.keylog_filename = log
        self.peer = Peer(sock, context).handshake()
        with open(log) as file:
            secret = next(bytes.fromhex(line.split()[2]) for line in file
                          if line.startswith("CLIENT_TRAFFIC_SECRET_0"))
        os.unlink(log)
        os.rmdir(directory)
        if self.peer.tls.cipher()[0] != "TLS_AES_128_GCM_SHA256":
            raise Skip("the cipher is %s" % self.peer.tls.cipher()[0])
        self.sock, self.lib, self.count = sock, libcrypto(), 0
        self.key = expand(secret, b"key", 16)
        self.iv = int.from_bytes(expand(secret, b"iv", 12), "big")

    def record(self, content, kind=DATA, padding=0):
        """The next record, to be sent in this order."""
        plain = content + bytes([kind]) + bytes(padding)
        head = b"\x17\3\3" + (len(plain) + TAG).to_bytes(2, "big")
        nonce = (self.iv ^ self.count).to_bytes(12, "big")
        self.count += 1
        return head + self.seal(nonce, head, plain)

    def seal(self, nonce, head, plain):
        lib, length = self.lib, ctypes.c_int()
        out = ctypes.create_string_buffer(len(plain) + TAG)
        tag = ctypes.create_string_buffer(TAG)
        context = ctypes.c_void_p(lib.EVP_CIPHER_CTX_new())
        lib.EVP_EncryptInit_ex(context, ctypes.c_void_p(
            lib.EVP_aes_128_gcm()), None, self.key, nonce)
        lib.EVP_EncryptUpdate(context, None, ctypes.byref(length), head,
                              len(head))
        lib.EVP_EncryptUpdate(context, out, ctypes.byref(length), plain,
                              len(plain))
        lib.EVP_EncryptFinal_ex(context, None, ctypes.byref(length))
        lib.EVP_CIPHER_CTX_ctrl(context, CTRL_GET_TAG, TAG, tag)
        lib.EVP_CIPHER_CTX_free(context)
        return out.raw[:len(plain)] + tag.raw
