"""sl_connect(): a plugin makes connections, and they live as others do."""

import os
import socket

from sluice_test import (DEADLINE, Daemon, check, compile_plugin, equal,
                         expect_end, free_address, listener, main, pattern, plugin,
                         receive, receive_all, receive_line, test_plugin,
                         wait_until)


def serve(address=("127.0.0.1", 0)):
    s = socket.create_server(address)
    s.settimeout(DEADLINE)
    return s


def accept(server):
    s, _ = server.accept()
    s.settimeout(DEADLINE)
    return s


def where(server):
    return "%s %d" % server.getsockname()[:2]


def ask_for(d, text):
    s = d.connect()
    s.sendall(text.encode() + b"\n")
    return s


def connector(path=None, **options):
    return listener("c", path or test_plugin("connector"), options=options)


def test_bytes_flow_both_ways_and_over_a_reload():
    data = pattern(3 << 20)
    with serve() as server, Daemon(connector(),
                                   control="control.sock") as d:
        client = ask_for(d, where(server))
        peer = accept(server)
        client.sendall(b"up")
        equal(receive(peer, 2), b"up")
        d.listeners = [connector(compile_plugin(
            "connector", d.path("v2.so"), VERSION="v2"))]
        d.write_config()
        d.reload()
        peer.sendall(b"down")
        equal(receive(client, 4), b"down")
        client.sendall(data[:1 << 16])
        equal(receive(peer, 1 << 16), data[:1 << 16])
        client.shutdown(socket.SHUT_WR)
        expect_end(peer)
        peer.sendall(b"last")
        peer.close()
        equal(receive_all(client), b"last")
        d.wait_trace("close closed by the plugin v2", 2)
        d.wait_trace("close the peer finished v2", 1)
        counts = d.ask("status")["listeners"][0]["counts"]
        equal((counts["accepted"], counts["outgoing"]), (1, 1))


def test_what_fails_says_why():
    refused = free_address().replace(":", " ")
    with Daemon(connector()) as d:
        for text, error in (
                (refused, "could not connect: Connection refused "
                          "ECONNREFUSED stage=2"),
                ("/nowhere/s", "unix:/nowhere/s: could not connect: No such "
                               "file or directory ENOENT stage=2"),
                ("@nobody", "unix:@nobody: could not connect: Connection "
                            "refused ECONNREFUSED stage=2")):
            client = ask_for(d, text)
            equal(receive_all(client), b"")
            check(d.messages("trace [0-9]+ connect_error .*" + error), error)
        check(d.messages("conn [0-9]+ c unix:@nobody closed why=connect .*"
                         "stage=connect errno=ECONNREFUSED "
                         "reason=.Connection refused.$"), "an access line")
        client = ask_for(d, "127.0.0.1 0")
        equal(receive_all(client), b"cannot\n")


def test_a_name():
    with serve() as server, Daemon(connector()) as d:
        client = ask_for(d, "localhost %d" % server.getsockname()[1])
        peer = accept(server)
        peer.sendall(b"hi")
        peer.close()
        equal(receive_all(client), b"hi")
        d.wait_log("conn [0-9]+ c 127.0.0.1:%d closed" %
                   server.getsockname()[1])


def test_a_unix_peer():
    with Daemon(connector()) as d:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("\0sluice-test-%d" % os.getpid())
            server.listen()
            server.settimeout(DEADLINE)
            client = ask_for(d, "@sluice-test-%d" % os.getpid())
            peer = accept(server)
            peer.sendall(b"hi")
            peer.close()
            equal(receive_all(client), b"hi")


def nobody_came(server):
    server.setblocking(False)
    try:
        server.accept()
        return False
    except BlockingIOError:
        return True
    finally:
        server.settimeout(DEADLINE)


def test_from_start():
    with serve() as server, serve() as second, Daemon(
            connector(link=where(server))) as d:
        peer = accept(server)
        equal(receive_line(peer), "hello v1")
        peer.close()                    # it comes back from `close`
        peer = accept(server)
        equal(receive_line(peer), "hello v1")
        d.listeners = [connector(link=where(second), fail=True)]
        d.write_config()
        d.reload_refused()
        check(nobody_came(second), "a reload that was refused connects")
        d.listeners.append(listener("new", test_plugin("connector"),
                                    options={"link": where(second)}))
        d.write_config()
        d.reload_refused()
        check(nobody_came(second), "a listener that was refused connects")
        equal(d.messages("connect_error"), [])
        d.listeners[0] = connector(link=where(server), unref=True)
        d.write_config()
        d.reload()
        equal(receive_line(accept(second)), "hello v1")
        d.stop(close_clients=False)


def test_a_link_that_is_refused_is_tried_again():
    address = free_address()
    with Daemon(connector(link=address.replace(":", " "))) as d:
        wait_until(lambda: len(d.messages("connect_error")) >= 3,
                   "three attempts")
        host, port = address.split(":")
        with serve((host, int(port))) as server:
            equal(receive_line(accept(server)), "hello v1")


def test_a_drain_ends():
    """...though the plugin connects again whenever it is closed."""
    with serve() as server:
        d = Daemon(connector(link=where(server)), drain_timeout="1s")
        with d:
            peer = accept(server)
            d.stop(close_clients=False)
            equal(d.messages("no link"), ["c: no link: ESHUTDOWN"])
            peer.close()
        d = Daemon(connector(link=where(server), unref=True),
                   drain_timeout="1h")
        with d:
            peer = accept(server)
            d.stop(close_clients=False)
            peer.close()


def test_a_listener_that_is_gone_ends():
    with serve() as server, Daemon(
            connector(link=where(server)), listener("e", plugin("echo")),
            drain_timeout="100ms") as d:
        accept(server)
        del d.listeners[0]
        d.write_config()
        d.reload()
        d.wait_log("c: no link: ESHUTDOWN")


main()
