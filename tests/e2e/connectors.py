"""Connectors: the daemon makes connections, and makes them again."""

import grp
import os
import pwd
import re
import shutil
import signal
import socket
import ssl
import struct

from sluice_test import (Daemon, check, connector, equal, expect_end,
                         expect_gone, listener, main, need_root, plugin,
                         receive, receive_line, test_plugin, wait_until)
from harness import certs
from harness.upstream import Upstream, nobody


QUICK = {"first": "10ms", "max": "50ms"}


def feed(peer, path=None, name="feed", **settings):
    settings.setdefault("retry", QUICK)
    return connector(name, path or plugin("echo"),
                     getattr(peer, "address", peer), **settings)


def daemon(*connectors, listeners=(), **settings):
    return Daemon(*listeners, connectors=list(connectors),
                  control="control.sock", **settings)


def is_served(s):
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def await_up(d, name="feed", count=1):
    wait_until(
        lambda: sum(w["up"] for w in d.connector(name).values()) == count,
        lambda: "%s to be up: %s" % (name, d.connector(name)))


def test_kept_up_after_close_reset_and_refusal():
    with Upstream() as peer, daemon(feed(peer)) as d:
        s = peer.accept()
        is_served(s)
        s.close()
        s = peer.accept()
        is_served(s)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                     struct.pack("ii", 1, 0))
        s.close()
        s = peer.accept()
        is_served(s)
        address = peer.address
        peer.close()
        s.close()
        d.wait_log("feed: .*Connection refused; next attempt in")
        wait_until(lambda: d.connector("feed")[1]["attempts"] > 2,
                   "more attempts")
        with Upstream(address) as again:
            is_served(again.accept())
            await_up(d)


def test_status_says_how_it_is():
    with Upstream() as peer, daemon(
            feed(peer), feed(nobody(), name="none",
                             retry={"first": "1h", "max": "1h"})) as d:
        s = peer.accept()
        await_up(d)
        up = d.connector("feed")[1]
        equal((up["state"], up["up"], up["attempts"], up["error"],
               up["next_ms"]), ("up", True, 1, None, None))
        check(re.match(r"20\d\d-\d\d-\d\dT.*Z$", up["since"]), up)
        d.wait_log("none: .*refused")
        none = d.connector("none")[1]
        check(not d.log_lines("conn .* none .*closed"), "an access line")
        equal((none["state"], none["up"], none["attempts"], none["error"]),
              ("waiting", False, 1, "could not connect: Connection refused"))
        check(1000000 < none["next_ms"] <= 5400000, none)
        said = d.ask("status")["connectors"][0]
        equal((said["name"], said["connect"], said["plugin"],
               said["per_worker"]), ("feed", peer.address, "echo", False))
        equal(said["counts"]["outgoing"], 1)
        text = d.sluicectl("status").stdout
        check(re.search(r"^CONNECTOR +WORKER +STATE +SINCE", text, re.M), text)
        check(re.search(r"^feed +1 +up +20\S+ +1 +echo 1\.0 +"
                        + re.escape(peer.address), text, re.M), text)
        check(re.search(r"^none +1 +waiting .*Connection refused", text, re.M),
              text)
        s.close()


def test_one_worker_connects_and_its_successor_takes_over():
    with Upstream() as peer, daemon(feed(peer, test_plugin("stamp")),
                                workers=4) as d:
        s = peer.accept()
        await_up(d)
        states = d.connector("feed")
        equal(len(states), 1)
        worker = next(iter(states))
        os.kill(d.workers()[worker - 1], signal.SIGKILL)
        expect_gone(s)
        s = peer.accept()
        s.sendall(b"hello\n")
        equal(receive_line(s), "v1 1 hello")
        equal(list(d.connector("feed")), [worker])
        check(not peer.has_more(), "a second connection")
        s.close()


def test_a_dead_worker_is_down():
    with Upstream() as peer, daemon(
            feed(peer, test_plugin("crasher"),
                 options={"at": "open", "how": "abort"}), probation=0) as d:
        wait_until(lambda: d.connector("feed")[1]["state"] == "down",
                   "a state without a process")
        equal(d.connector("feed")[1]["up"], False)
        d.wait_log(r"worker 1: in callback open of plugin crasher .*, "
                   r"connector feed$")


def test_per_worker():
    with Upstream() as peer, daemon(feed(peer, per_worker=True), workers=3) as d:
        all_of_them = [peer.accept() for _ in range(3)]
        await_up(d, count=3)
        equal(sorted(d.connector("feed")), [1, 2, 3])
        os.kill(d.workers()[1], signal.SIGKILL)
        all_of_them.append(peer.accept())
        await_up(d, count=3)
        check(not peer.has_more(), "a fourth connection")
        for s in all_of_them:
            s.close()


def test_names_and_unix_sockets():
    with Daemon(start=False) as d:
        with Upstream("unix:" + d.path("peer")) as peer, Upstream() as tcp:
            port = tcp.address.rpartition(":")[2]
            os.chmod(d.directory, 0o755)
            d.settings["connectors"] = [
                feed(peer, name="path"),
                feed("localhost:" + port, name="name")]
            d.write_config()
            d.start()
            is_served(peer.accept())
            is_served(tcp.accept())
            d.wait_log("path: connected to unix:")
            d.wait_log("name: connected to 127.0.0.1:" + port)


def test_a_unix_socket_that_the_workers_may_not_use():
    """Which user they are is what an operator has to know."""
    need_root()
    with Daemon(start=False) as d:
        with Upstream("unix:" + d.path("peer")) as peer:
            os.chmod(d.path("peer"), 0o600)
            os.chmod(d.directory, 0o755)
            d.settings["connectors"] = [feed(peer)]
            d.settings.update(user="daemon", group="daemon")
            d.write_config()
            d.start()
            user = pwd.getpwnam("daemon")
            d.wait_log("Permission denied for uid %d, gid %d" %
                       (user.pw_uid, grp.getgrnam("daemon").gr_gid))


def test_tls():
    with Upstream() as peer, daemon(start=False) as d:
        ours = certs.make(d.directory, "ours", names=("IP:127.0.0.1",))
        other = certs.make(d.directory, "other")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(ours.cert, ours.key)

        def shake():
            return context.wrap_socket(peer.accept(), server_side=True)

        d.settings["connectors"] = [feed(
            peer, tls={"ca": other.cert}, retry={"first": "1h", "max": "1h"})]
        d.write_config()
        d.start()
        try:
            shake().recv(1)
        except ssl.SSLError as error:
            check("UNKNOWN_CA" in str(error), error)
        d.wait_log("feed: .*TLS handshake failed.*; next attempt in")
        equal(d.connector("feed")[1]["up"], False)
        # A reload with the right CA, in the same file, cuts the wait short.
        shutil.copy(ours.cert, other.cert)
        d.reload_ready()
        s = shake()
        is_served(s)
        await_up(d)
        s.close()


def test_the_plugin_stops_it():
    with Upstream() as peer, daemon(feed(peer, test_plugin("command"))) as d:
        s = peer.accept()
        s.sendall(b"stop 0\n")
        d.wait_log("connector feed was stopped by its plugin")
        await_up(d)
        s.close()
        wait_until(lambda: d.connector("feed")[1]["state"] == "stopped",
                   "the stop")
        check(not peer.has_more(), "another attempt")
        d.reload_ready()
        s = peer.accept()
        s.sendall(b"stop 1\n")
        expect_end(s)
        s.close()
        wait_until(lambda: d.connector("feed")[1]["state"] == "stopped",
                   "the stop")
        check(not peer.has_more(), "another attempt")


def test_a_drain_does_not_wait_and_does_not_connect():
    with Upstream() as peer, daemon(
            feed(peer), listeners=[listener("echo", plugin("echo"))],
            drain_timeout="1h") as d:
        s = peer.accept()
        client = d.connect()
        is_served(client)
        d.signal(signal.SIGTERM)
        d.wait_log("drain")
        is_served(client)
        is_served(s)                    # it is needed until the last
        s.close()
        wait_until(lambda: d.log_lines("conn .* feed .*closed"), "the end")
        is_served(client)
        check(not peer.has_more(), "another attempt")
        client.close()
        d.wait_exit(0)
        check(not peer.has_more(), "another attempt")


def test_the_end_closes_it():
    with Upstream() as peer, daemon(feed(peer), drain_timeout="1h") as d:
        s = peer.accept()
        is_served(s)
        d.signal(signal.SIGTERM)
        expect_end(s)
        s.close()
        d.wait_exit(0)
        check(d.log_lines("feed .*closed why=shutdown"), "why it ended")


if __name__ == "__main__":
    main()
