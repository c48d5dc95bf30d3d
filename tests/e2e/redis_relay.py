"""The sample plugin redis-relay, with a real Redis."""

import socket
import subprocess

from sluice_test import (DEADLINE, Daemon, check, connector, equal,
                         free_address, listener, main, need, plugin, receive,
                         receive_all, receive_line, wait_until)
from harness.build import scratch
from harness.program import Program, run_sluiced


class Redis(Program):
    """redis-server on an address of this test's."""

    def __init__(self, address, *arguments):
        super().__init__()
        need("redis-server")
        self.port = address.rpartition(":")[2]
        self.spawn(["redis-server", "--port", self.port, "--bind",
                    "127.0.0.1", "--save", "", "--appendonly", "no",
                    "--dir", scratch(), *arguments])
        self.wait_log("Ready to accept connections")
        self.password = []
        if "--requirepass" in arguments:
            self.password = ["-a", arguments[-1], "--no-auth-warning"]

    def publish(self, channel, text):
        """Returns how many connections have subscribed to it."""
        done = subprocess.run(
            ["redis-cli", "-p", self.port, *self.password, "publish", channel,
             text], check=True, stdout=subprocess.PIPE, text=True,
            timeout=DEADLINE)
        return int(done.stdout)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def conf(address, channels=("news",), options=()):
    return [connector("redis", plugin("redis-relay"), address,
                      per_worker=True,
                      retry={"first": "20ms", "max": "100ms"},
                      options={"to": "news", "channels": list(channels),
                               **dict(options)})]


def daemon(address, workers=2, **more):
    return Daemon(listener("news", plugin("redis-relay")),
                  connectors=conf(address, **more), workers=workers,
                  control="control.sock")


def clients(d, count=1):
    """So many, which workers have accepted."""
    sockets = [d.connect() for _ in range(count)]
    wait_until(lambda: d.ask("status")["listeners"][0]["counts"]["accepted"]
               >= count, "%d accepted" % count)
    return sockets


def test_messages_reach_the_clients_of_each_worker():
    address = free_address()
    with Redis(address) as redis, daemon(address) as d:
        wait_until(lambda: redis.publish("news", "warm-up") == 2,
                   "a subscription from each worker")
        sockets = clients(d, 16)        # each worker has some, very likely
        redis.publish("other", "not for us")
        redis.publish("news", "hello\nworld")
        for s in sockets:
            equal(receive_line(s), "hello world")


def test_it_comes_back_when_redis_does():
    address = free_address()
    with daemon(address, workers=1) as d:
        s, = clients(d)
        for round_ in ("first", "second"):
            with Redis(address) as redis:
                wait_until(lambda: redis.publish("news", round_) == 1,
                           "a subscription")
                equal(receive_line(s), round_)


def test_a_password():
    address = free_address()
    with Redis(address, "--requirepass", "secret") as redis:
        with daemon(address, workers=1) as d:
            d.wait_log("Redis says: NOAUTH")
        with daemon(address, workers=1,
                    options={"password": "secret"}) as d:
            s, = clients(d)
            wait_until(lambda: redis.publish("news", "in") == 1,
                       "a subscription")
            equal(receive_line(s), "in")


def test_new_code_and_new_channels_keep_the_clients():
    address = free_address()
    with Redis(address) as redis, daemon(address, workers=1) as d:
        wait_until(lambda: redis.publish("none", "0") == 0 and
                   redis.publish("news", "0") == 1, "a subscription")
        s, = clients(d)
        redis.publish("news", "1")
        equal(receive_line(s), "1")
        d.settings["connectors"] = conf(address, ("news", "more"))
        d.write_config()
        d.reload()
        wait_until(lambda: redis.publish("more", "2") == 1, "more")
        equal(receive_line(s), "2")


def test_nonsense_of_a_server_is_named_and_tried_again():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        with daemon("127.0.0.1:%d" % server.getsockname()[1],
                    workers=1) as d:
            for nonsense in (b"HTTP/1.1 400 Bad Request\r\n\r\n",
                             b"*2\r\n*9\r\n*9\r\n*9\r\n*9\r\n*9\r\n",
                             b"$-2\r\n", b"$3\r\nabcd\r\n", b"+OK\rX"):
                peer, _ = server.accept()
                peer.settimeout(DEADLINE)
                equal(receive(peer, 9), b"*2\r\n$9\r\nS")
                mark = d.mark()
                peer.sendall(nonsense)
                d.wait_log("this is not what Redis says", since=mark)
                receive_all(peer)
                peer.close()


def test_a_message_in_one_byte_segments():
    message = b"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        with daemon("127.0.0.1:%d" % server.getsockname()[1],
                    workers=1) as d:
            s, = clients(d)
            peer, _ = server.accept()
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for i in range(len(message)):
                peer.sendall(message[i:i + 1])
            peer.sendall(message * 3)
            for _ in range(4):
                equal(receive_line(s), "hello")


def test_a_listener_of_another_plugin_is_not_told():
    address = free_address()
    with Redis(address) as redis, Daemon(
            listener("echo", plugin("echo")), control="control.sock",
            connectors=conf(address, options={"to": "echo"})) as d:
        s, = clients(d)
        d.wait_log('to: this worker has no listener "echo" with this plugin: '
                   "messages are lost")
        wait_until(lambda: redis.publish("news", "x") == 1, "a subscription")
        wait_until(lambda: d.ask("status")["connectors"][0]["counts"][
            "counters"].get("lost"), "a count of what is lost")
        s.sendall(b"mine")
        equal(receive(s, 4), b"mine")


def test_mistakes_have_a_sentence():
    for options in {"channels": ["news"], "to": ""}, {"channels": [],
                                                      "to": "news"}:
        with Daemon(listener("news", plugin("redis-relay")),
                    start=False) as d:
            d.settings["connectors"] = conf("127.0.0.1:1", options=options)
            d.write_config()
            result = run_sluiced("-t", "-c", d.config)
            check("go together" in result.stderr, result.stderr)


main()
