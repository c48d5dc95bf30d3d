"""The header of a trusted proxy says who the client is, and is never data."""

import os
import re
import socket
import struct

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, receive_line, reset, test_plugin)
from harness.tls import Peer, tls_listener

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LINE = b"PROXY TCP4 192.0.2.7 198.51.100.1 4411 443\r\n"
HERE = "127.0.0.1"


def v2(command=0x21, family=0x11, rest=b""):
    return (SIGNATURE + bytes([command, family])
            + struct.pack(">H", len(rest)) + rest)


def tcp4(client="192.0.2.7", port=4411):
    return (socket.inet_aton(client) + socket.inet_aton("198.51.100.1")
            + struct.pack(">HH", port, 443))


def tlv(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


def daemon(listen="127.0.0.1:0", make=listener, limits=None, workers=1,
           **proxy):
    proxy.setdefault("from", [HERE])
    more = {"limits": limits} if limits else {}
    return Daemon(make("p", test_plugin("command"), listen=listen,
                       proxy_protocol=proxy, **more), workers=workers)


def facts(s):
    s.sendall(b"facts\n")
    return dict(word.split("=", 1) for word in receive_line(s).split())


def address(s):
    return "%s:%d" % s.getsockname()[:2]


def check_proxied(s, remote="192.0.2.7:4411", local="198.51.100.1:443"):
    found = facts(s)
    equal(found["remote"], remote)
    equal(found["local"], local)
    equal(found["peer"], address(s))


def check_direct(d, s):
    found = facts(s)
    equal(found["remote"], address(s))
    equal(found["local"], d.addresses("p")[0])
    equal(found["peer"], address(s))


def test_both_versions():
    with daemon() as d:
        for header in LINE, v2(rest=tcp4()):
            s = d.connect()
            s.sendall(header)
            check_proxied(s)
        d.wait_log(r"conn 1 p 192\.0\.2\.7:4411 proxied via=127\.0\.0\.1:\d+ "
                   r"to=198\.51\.100\.1:443$")
        s.close()
        d.wait_log(r"conn 2 p 192\.0\.2\.7:4411 closed why=peer")


def test_one_byte_segments():
    with daemon() as d:
        for header in LINE, v2(rest=tcp4() + tlv(1, b"h2")):
            s = d.connect()
            for byte in header + b"say hello\n":
                s.sendall(bytes([byte]))
            equal(receive(s, 6), b"hello\n")
            check_proxied(s)


def test_data_in_the_same_segment():
    """The data looks like another header, and is data all the same."""
    with daemon() as d:
        for header in LINE, v2(rest=tcp4()), v2(0x20, 0):
            s = d.connect()
            s.sendall(header + b"sink\n" + LINE + v2(rest=tcp4("1.2.3.4")))
            s.shutdown(socket.SHUT_WR)
            expect_gone(s)
        d.wait_log(r"close 1 .* sink %d from 192\.0\.2\.7:4411"
                   % (len(LINE) + len(v2(rest=tcp4()))), count=2)
        d.wait_log(r"close 1 .* sink %d from 127\.0\.0\.1"
                   % (len(LINE) + len(v2(rest=tcp4()))))


def test_tlvs():
    more = (tlv(1, b"h2") + tlv(2, b"example.org")
            + tlv(0xe0, bytes(2048)) + tlv(0xe1, b"last") + tlv(1, b"no"))
    with daemon() as d:
        s = d.connect()
        s.sendall(v2(rest=tcp4() + more) + b"tlv 1\ntlv 2\ntlv 225\ntlv 5\n")
        equal(receive_line(s), "tlv 1 2 h2")
        equal(receive_line(s), "tlv 2 11 example.org")
        equal(receive_line(s), "tlv 225 4 last")
        equal(receive_line(s), "tlv 5 ENODATA")
        s.sendall(b"tlv 224\n")
        equal(receive(s, 13 + 2048 + 1),
              b"tlv 224 2048 " + bytes(2048) + b"\n")
        check_proxied(s)
        # Without a header there is none.
        other = d.connect(source="127.0.0.2")
        other.sendall(b"tlv 1\n")
        equal(receive_line(other), "tlv 1 ENODATA")


def test_checksum():
    def crc32c(data):
        crc = 0xffffffff
        for byte in data:
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
        return crc ^ 0xffffffff

    equal(crc32c(b"123456789"), 0xe3069283)
    with daemon() as d:
        blank = v2(rest=tcp4() + tlv(3, bytes(4)))
        s = d.connect()
        s.sendall(blank[:-4] + struct.pack(">I", crc32c(blank)))
        check_proxied(s)
        s = d.connect()
        s.sendall(blank[:-4] + struct.pack(">I", crc32c(blank) ^ 1))
        expect_gone(s)
        d.wait_log('closed why=proxy .* reason="the checksum is wrong"')


def test_headers_that_name_nobody():
    with daemon() as d:
        for header in (v2(0x20, 0), v2(0x20, 0x11, tcp4()), v2(0x21, 0),
                       b"PROXY UNKNOWN\r\n",
                       b"PROXY UNKNOWN 1.2.3.4 1.2.3.4 1 2\r\n"):
            s = d.connect()
            s.sendall(header)
            check_direct(d, s)
        check(not d.log_lines("proxied"))


def test_other_families():
    v6 = socket.inet_pton(socket.AF_INET6, "2001:db8::7") + \
        socket.inet_pton(socket.AF_INET6, "::1") + \
        struct.pack(">HH", 4411, 443)
    unix = b"/run/client".ljust(108, b"\0") + b"\0here".ljust(108, b"\0")
    with daemon() as d:
        for header in (v2(0x21, 0x21, v6),
                       b"PROXY TCP6 2001:db8::7 ::1 4411 443\r\n"):
            s = d.connect()
            s.sendall(header)
            check_proxied(s, "[2001:db8::7]:4411", "[::1]:443")
        s = d.connect()
        s.sendall(v2(0x21, 0x31, unix))
        check_proxied(s, "unix:/run/client", "unix:@here")


def test_bad_headers():
    with daemon() as d:
        count = 0
        for header, why in (
                (b"facts\n", "does not begin with a PROXY"),
                (b"GET / HTTP/1.1\r\n\r\n", "does not begin with a PROXY"),
                (b"\x16\x03\x01\x02\x00", "does not begin with a PROXY"),
                (b"PROXY TCP4 1.2.3.4\r\n", "malformed"),
                (b"PROXY " + b"x" * 200, "too long"),
                (v2(0x21, 0x11, b"short"), "the family or the length"),
                (v2(0x31, 0x11, tcp4()), "the version or the command"),
                (v2(rest=tcp4() + b"\1\xff\xff"), "a TLV is longer"),
                (v2(rest=tcp4() + tlv(4, bytes(5000))), "longer than 4096")):
            s = d.connect()
            s.sendall(header)
            expect_gone(s)
            count += 1
            d.wait_log(r"conn %d p 127\.0\.0\.1:\d+ closed why=proxy in=0 .*"
                       'reason="[^"]*%s' % (count, why))
        check(not d.log_lines("trace"), "the plugin saw one of them")


def test_an_end_before_or_within_it():
    with daemon() as d:
        d.connect().close()
        d.wait_log("conn 1 p .* closed why=peer")
        s = d.connect()
        s.sendall(LINE[:20])
        s.shutdown(socket.SHUT_WR)
        expect_gone(s)
        d.wait_log('conn 2 p .* closed why=proxy .* reason="the peer has '
                   'ended the connection within the header"')
        s = d.connect()
        s.sendall(v2(rest=tcp4())[:14])
        d.connect().close()
        d.wait_log("conn 4 p .* closed")
        reset(s)
        d.wait_log("conn 3 p .* closed why=reset")


def test_missing_and_late():
    with daemon(timeout="300ms") as d:
        silent = d.connect()
        slow = d.connect()
        slow.sendall(v2(rest=tcp4())[:-1])
        expect_gone(silent)
        expect_gone(slow)
        d.wait_log('closed why=proxy .* reason="it was not complete within '
                   'proxy_protocol.timeout"', count=2)
        for line in d.log_lines("closed why=proxy"):
            check(int(re.search(r" ms=(\d+)", line).group(1)) >= 290, line)
        # An open connection has no such limit.
        s = d.connect()
        s.sendall(LINE)
        check_proxied(s)
        expect_gone(d.connect())
        check_proxied(s)


def test_a_peer_that_is_not_listed():
    """It is an ordinary client: it need not send one, and is not believed."""
    with daemon(**{"from": ["192.0.2.0/24", "127.0.0.2", "::/0"]}) as d:
        s = d.connect()
        check_direct(d, s)
        s = d.connect()
        s.sendall(b"say " + LINE)
        equal(receive(s, len(LINE)), LINE)
        check_direct(d, s)
        s = d.connect(source="127.0.0.2")
        s.sendall(LINE)
        check_proxied(s)


def test_unix_peers():
    with daemon("unix:@sluice-proxy-%d" % os.getpid(),
                **{"from": ["unix"]}) as d:
        s = d.connect()
        s.sendall(v2(rest=tcp4()))
        found = facts(s)
        equal(found["remote"], "192.0.2.7:4411")
        equal(found["peer"], "unix")


def test_tls_behind_it():
    for header in LINE, v2(rest=tcp4() + tlv(1, b"h2")):
        with daemon(make=tls_listener) as d:
            def client(pieces):
                p = Peer(d.connect())
                pieces(p, header + p.hello())
                p.handshake()
                p.write(b"facts\n")
                line = b""
                while not line.endswith(b"\n"):
                    line += p.receive(1)
                check(b" remote=192.0.2.7:4411 " in line, line)
                check(b"peer=" + address(p.sock).encode() in line, line)

            client(lambda p, data: p.sock.sendall(data))
            client(lambda p, data: [p.sock.sendall(data[i:i + 1])
                                    for i in range(len(data))])
            # The handshake has its own time, and a header is needed.
            p = Peer(d.connect())
            p.sock.sendall(p.hello())
            expect_gone(p.sock)
            d.wait_log("conn 3 p .* closed why=proxy .* does not begin with a "
                       "PROXY header")


def test_limits_are_those_of_the_client():
    with daemon(limits={"per_address": 2}, workers=2) as d:
        def client(name):
            s = d.connect()
            s.sendall(v2(rest=tcp4(name)) + b"say hi\n")
            return s

        kept = []
        for last in 1, 1, 2, 2, 3:
            kept.append(client("192.0.2.%d" % last))
            equal(receive(kept[-1], 3), b"hi\n")
        expect_gone(client("192.0.2.1"))
        d.wait_log(r"p: refused 192\.0\.2\.1:4411: limits\.per_address \(2\)")
        d.wait_log(r"p 192\.0\.2\.1:4411 closed why=limit")
        equal(receive(client("192.0.2.3"), 3), b"hi\n")
        # A proxy's own connections are not counted.
        for _ in range(4):
            s = d.connect()
            s.sendall(v2(0x20, 0) + b"say hi\n")
            equal(receive(s, 3), b"hi\n")
            kept.append(s)


def test_a_reload_changes_it():
    with daemon(**{"from": ["127.0.0.2"]}) as d:
        old = d.connect()
        check_direct(d, old)
        waiting = d.connect(source="127.0.0.2")
        waiting.sendall(LINE[:10])
        first = d.connect(source="127.0.0.2")
        first.sendall(LINE)
        check_proxied(first)
        d.listener("p")["proxy_protocol"] = {"from": [HERE]}
        d.write_config()
        equal(d.reload_ready(), 2)
        check_direct(d, old)
        check_proxied(first)
        check_direct(d, d.connect(source="127.0.0.2"))
        s = d.connect()
        s.sendall(LINE)
        check_proxied(s)
        # One that has begun with a header goes on with it.
        waiting.sendall(LINE[10:])
        check_proxied(waiting)


main()
