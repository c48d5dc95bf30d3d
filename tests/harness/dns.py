"""A resolver that answers as the test says, also badly, over UDP and TCP."""

import socket
import struct
import threading

A, CNAME, SOA, AAAA = 1, 5, 6, 28
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
NEVER = object()	# a delay: there is no answer
HELD = object()		# a delay: not before release()
UDP_MAX = 512


class Host:
    """What is said of one name.

    delay4, delay6: of the answer for IPv4 or IPv6: 0, HELD or NEVER.
    aliases: the names between this one and the one with the addresses.
    negative_ttl: of an answer without an address; None: it does not say.
    """

    def __init__(self, v4=(), v6=(), ttl=60, aliases=(), rcode=NOERROR,
                 negative_ttl=60, delay4=0, delay6=0):
        self.addresses = {A: list(v4), AAAA: list(v6)}
        self.delays = {A: delay4, AAAA: delay6}
        self.ttl, self.negative_ttl = ttl, negative_ttl
        self.aliases, self.rcode = list(aliases), rcode


def encode(name):
    return b"".join(bytes([len(label)]) + label.encode()
                    for label in name.split(".") if label) + b"\0"


def record(name, kind, ttl, data):
    return (encode(name) + struct.pack("!HHIH", kind, 1, ttl, len(data))
            + data)


def question_of(packet):
    """The name and the type that are asked for, and where they end."""
    labels, at = [], 12
    while packet[at]:
        labels.append(packet[at + 1:at + 1 + packet[at]].decode())
        at += 1 + packet[at]
    return ".".join(labels), struct.unpack_from("!H", packet, at + 1)[0], at + 5


class Resolver:
    """Use it as `with Resolver({"peer.test": Host(...)}) as dns:`.

    A name that is not in `hosts` does not exist.  asked has a tuple for each
    question: name, type, and "udp" or "tcp".
    """

    def __init__(self, hosts=None, address="127.0.0.1"):
        self.hosts, self.asked = dict(hosts or {}), []
        self.address = address
        self.spoil = None       # makes other bytes of an answer
        self.sockets, self.threads, self.held = [], [], []

    def __enter__(self):
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.sockets = [udp]
        udp.bind((self.address, 53))
        tcp = socket.create_server((self.address, 53))
        self.sockets.append(tcp)
        self.threads = [threading.Thread(target=serve, args=(one,), daemon=True)
                        for serve, one in ((self.serve_udp, udp),
                                           (self.serve_tcp, tcp))]
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, value, trace):
        self.stop()

    def stop(self):
        """As if it had died."""
        for one in self.sockets:
            try:
                one.shutdown(socket.SHUT_RDWR)  # wakes its thread
            except OSError:
                pass
        for thread in self.threads:
            thread.join()
        for one in self.sockets:
            one.close()
        self.sockets, self.threads, self.held = [], [], []

    def questions(self, name=None):
        return [one for one in self.asked if name in (None, one[0])]

    def serve_udp(self, udp):
        while True:
            try:
                packet, peer = udp.recvfrom(4096)
            except OSError:
                return
            if not packet:
                return      # shut down
            self.answer(packet, "udp",
                        lambda data, peer=peer: udp.sendto(data, peer))

    def serve_tcp(self, tcp):
        while True:
            try:
                one, _ = tcp.accept()
            except OSError:
                return
            with one, one.makefile("rb") as file:
                while True:
                    size = file.read(2)
                    if len(size) < 2:
                        break
                    self.answer(file.read(struct.unpack("!H", size)[0]),
                                "tcp", lambda data: one.sendall(
                                    struct.pack("!H", len(data)) + data))

    def answer(self, packet, how, send):
        name, kind, end = question_of(packet)
        self.asked.append((name, kind, how))
        host = self.hosts.get(name.lower(), Host(rcode=NXDOMAIN))
        delay = host.delays.get(kind, 0)
        if delay is NEVER:
            return
        data = self.reply(packet[:end], name, kind, host)
        if self.spoil:
            data = self.spoil(data)
        if how == "udp" and len(data) > UDP_MAX:
            # Only the question, and the bit that says so.
            data = data[:2] + struct.pack("!HHHHH", 0x8380, 1, 0, 0, 0) \
                + packet[12:end]
        if delay is HELD:
            self.held.append((send, data))
        else:
            send(data)

    def release(self):
        """Send the answers that were held, to whoever is still there."""
        while self.held:
            send, data = self.held.pop(0)
            try:
                send(data)
            except OSError:
                pass

    @staticmethod
    def reply(question, name, kind, host):
        answers, others = [], []
        for alias in host.aliases:
            answers.append(record(name, CNAME, host.ttl, encode(alias)))
            name = alias
        family = socket.AF_INET6 if kind == AAAA else socket.AF_INET
        found = host.addresses.get(kind, [])
        answers += [record(name, kind, host.ttl,
                           socket.inet_pton(family, address))
                    for address in found]
        if not found and host.negative_ttl is not None:
            numbers = struct.pack("!IIIII", 1, 1, 1, 1, host.negative_ttl)
            others.append(record("test", SOA, 3600, encode("ns.test")
                                 + encode("root.test") + numbers))
        header = question[:2] + struct.pack(
            "!HHHHH", 0x8180 | host.rcode, 1, len(answers), len(others), 0)
        return header + question[12:] + b"".join(answers + others)
