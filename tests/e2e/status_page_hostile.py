"""Slow clients, many clients and any bytes: the page is there for the others."""

import random
import socket
import ssl
import time

from sluice_test import (SANITIZED, SLOW, Daemon, check, close_all,
                         descriptors, equal, fetch, fetch_bytes, listener,
                         main, memory, page_addresses, page_connect,
                         page_process, plugin, receive, receive_all,
                         wait_until)

STATUS = {"listen": "127.0.0.1:0"}
QUICK_SECONDS = 2
CLIENTS_MAX = 100
MORE = (64 if SANITIZED else 4) << 20       # bytes of memory


def daemon(count=1, **settings):
    return Daemon(*[listener("a%d" % i, plugin("echo")) for i in range(count)],
                  status=STATUS, **settings)


def quick(d, path="/healthz"):
    """A client that behaves is served, and soon."""
    begun = time.monotonic()
    answer = fetch(d, path)
    took = time.monotonic() - begun
    equal(answer.status, 200)
    check(took < QUICK_SECONDS * SLOW, "it took", took)
    return answer


def echoes(d):
    s = d.connect("a0")
    s.sendall(b"x")
    equal(receive(s, 1), b"x")
    s.close()


def many(d, count, first=b"", **how):
    """Connections in one go, from a few addresses of our own."""
    found = []
    for i in range(count):
        s = page_connect(d, source="127.0.%d.1" % (i % 5), **how)
        try:
            s.sendall(first)
        except OSError:
            pass
        found.append(s)
    return found


def test_a_thousand_slow_clients():
    with daemon() as d:
        quick(d)
        pid = page_process(d)
        before, most = memory(pid), 0
        slow = many(d, 1000, b"GET / HT")
        for turn in range(5):
            for s in slow:
                try:
                    s.send(b"T")
                except OSError:
                    pass        # it had to make room
            quick(d)
            quick(d, "/metrics")
            echoes(d)
            most = max(most, len(descriptors(pid)))
        check(most < 2 * CLIENTS_MAX + 50, most, "descriptors")
        check(memory(pid) < before + MORE, memory(pid), before)
        equal(page_process(d), pid)
        # The rest has ten seconds for its request, and is told so.
        answered = 0
        for s in slow:
            s.settimeout(30)
            try:
                answered += b"408 Request Timeout" in s.recv(4096)
            except OSError:
                pass
        check(answered > CLIENTS_MAX // 2, answered, "were told")
        close_all(slow)
        wait_until(lambda: len(descriptors(pid)) < 30, "the descriptors back")


def test_clients_that_do_not_read():
    with daemon(count=50) as d:
        size = len(quick(d, "/metrics").body)
        check(size > 400000, size)
        pid = page_process(d)
        before = memory(pid)
        slow = many(d, 300, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
                    receive_buffer=2048)
        for _ in range(3):
            equal(len(quick(d, "/metrics").body) > 400000, True)
            echoes(d)
        check(memory(pid) < before + MORE, memory(pid), before)
        close_all(slow)
        equal(page_process(d), pid)


def test_a_slow_client_that_is_alone_may_be_slow():
    with daemon() as d:
        s = page_connect(d)
        for byte in b"GET /healthz HTTP/1.1\r\nHost: here\r\n\r\n":
            s.sendall(bytes([byte]))
            time.sleep(0.02)	# this client is slow
        check(receive_all(s).endswith(b"\r\n\r\nok\n"))
        s.close()


def test_a_flood_asks_the_master_once_a_second():
    with daemon(arguments=["-v"]) as d:
        quick(d)
        question = r"control socket: process %d: reading -> working" % \
            page_process(d)
        mark, begun, requests = d.mark(), time.monotonic(), 0
        while time.monotonic() - begun < 3:
            for path in "/", "/metrics", "/readyz", "/nothing":
                check(fetch(d, path).status in (200, 404))
                requests += 1
        asked = len(d.log_lines(question, mark))
        check(1 <= asked <= time.monotonic() - begun + 2, asked, "of",
              requests)
        check(requests > 20, requests)


# Whole requests, and the status of their answer.
ODD = [
    (b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    (b"GET http://here/healthz HTTP/1.1\r\nHost: here\r\n\r\n", (200, 404)),
    (b"GET /%68ealthz HTTP/1.1\r\nHost: here\r\n\r\n", 200),
    (b"GET /../healthz HTTP/1.1\r\nHost: here\r\n\r\n", 404),
    (b"GET /healthz HTTP/1.1\r\n\r\n", (200, 400)),   # no Host
    (b"nonsense\r\n\r\n", 400),
    (b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 405),
    (b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 500000\r\n\r\n"
     + 500000 * b"x", 405),
    (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
     b"5\r\nhello\r\n0\r\n\r\n", 405),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
     200),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
     b"Content-Length: 5\r\n\r\nhello", (100, 200)),
    (b"GET /" + 20000 * b"x" + b" HTTP/1.1\r\nHost: x\r\n\r\n", (413, 414)),
    (b"GET / HTTP/1.1\r\nHost: x\r\nCookie: " + 20000 * b"x" + b"\r\n\r\n",
     (413, 431)),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999"
     b"9999\r\n\r\n", (400, 413)),
    (b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /readyz HTTP/1.1\r\n"
     b"Host: x\r\n\r\n", 200),                        # one is answered
]


def test_odd_requests_have_a_clear_answer():
    with daemon() as d:
        pid = page_process(d)
        for request, expected in ODD:
            answer = fetch_bytes(d, request)
            expected = expected if isinstance(expected, tuple) else (expected,)
            check(answer.status in expected, answer.status, request[:60])
        equal(quick(d).text, "ok\n")
        equal(page_process(d), pid)


def test_any_bytes():
    rng = random.Random(17)
    pieces = [b"GET ", b"POST ", b"/", b"/metrics", b" HTTP/1.1", b"\r\n",
              b"\n", b"\r", b"Host: x", b"Accept: ", b"\0", b"%", b"%00",
              b"Content-Length: ", b"Transfer-Encoding: chunked", b"5", b":",
              b"\xff\xfe", b" ", b"\t", b"Connection: keep-alive", b"?", b"&",
              b"HTTP/9.9", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"]
    with daemon() as d:
        pid = page_process(d)
        for _ in range(2):
            clients = []
            for _ in range(CLIENTS_MAX - 10):
                data = b"".join(rng.choice(pieces) if rng.random() < 0.9
                                else rng.randbytes(rng.randrange(64))
                                for _ in range(rng.randrange(1, 30)))
                s = page_connect(d)
                s.sendall(data + b"\r\n\r\n")
                clients.append((s, data))
            quick(d)
            # A request that is not complete is answered after ten seconds.
            for s, data in clients:
                answer = receive_all(s)
                check(answer.startswith(b"HTTP/1."), answer[:80], data)
                s.close()
        equal(quick(d).text, "ok\n")
        equal(page_process(d), pid)


def test_a_request_that_ends_in_its_middle_waits_for_nothing():
    """Its end may come at any moment, also together with its last bytes."""
    rng = random.Random(19)
    part = [b"GET", b"GET /healthz HTTP/1.1\r\nHo",
            b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab"]
    with daemon() as d:
        quick(d)
        for _ in range(600):
            s = page_connect(d)
            s.sendall(rng.choice(part))
            for _ in range(rng.choice((0, 100, 10000))):
                pass
            s.shutdown(socket.SHUT_WR)
            answer = receive_all(s)
            check(answer.startswith(b"HTTP/1.1 400 "), answer[:80])
            s.close()


def test_who_speaks_tls():
    with daemon() as d:
        context = ssl.create_default_context()
        try:
            s = page_connect(d)
            context.wrap_socket(s, server_hostname="here")
            check(False, "a handshake with a server of plain text")
        except (ssl.SSLError, OSError):
            pass
        quick(d)


if __name__ == "__main__":
    main()
