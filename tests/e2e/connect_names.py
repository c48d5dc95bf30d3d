"""sl_connect() to names: what resolvers may do, and what comes of it."""

import socket

from sluice_test import (DEADLINE, Daemon, Skip, check, compile_plugin, equal,
                         expect_end, listener, main, receive, receive_all,
                         test_plugin, wait_until)
from harness import namespace
from harness.dns import (AAAA, HELD, NEVER, NXDOMAIN, SERVFAIL, A, Host,
                         Resolver)
from harness.namespace import SILENT4, SILENT6, write_hosts, write_resolv_conf

HOME = "127.0.0.1"


class Peer:
    """A server, and what the test's client sees of it through the daemon."""

    def __init__(self, address=HOME):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.server = socket.create_server((address, 0), family=family)
        self.server.settimeout(DEADLINE)
        self.port = self.server.getsockname()[1]

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.server.close()

    def meet(self, d, name):
        """A connection to the name is made, and leads here."""
        self.take(ask_for(d, name, self.port))

    def take(self, client):
        one, _ = self.server.accept()
        with one, client:
            one.sendall(b"hi")
            one.shutdown(socket.SHUT_WR)
            equal(receive_all(client), b"hi")


def ask_for(d, name, port=80):
    client = d.connect()
    client.sendall(b"%s %d\n" % (name.encode(), port))
    return client


def daemon(arguments=(), **settings):
    namespace.enter()
    write_resolv_conf("nameserver 127.0.0.1")
    write_hosts()
    return Daemon(listener("c", test_plugin("connector"), **settings),
                  arguments=arguments)


def expect_failure(d, name, error, port=80):
    since = d.mark()
    with ask_for(d, name, port) as client:
        equal(receive_all(client), b"")
    d.wait_log("connect_error .*" + error, since)


def test_aliases():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        dns.hosts["a.test"] = Host([HOME], aliases=["b.test", "c.test"])
        peer.meet(d, "a.test")
        peer.meet(d, "A.Test.")
        # It is another name, and 60 s are not over.
        peer.meet(d, "a.test")
        equal(len(dns.questions()), 4)
        dns.hosts["end.test"] = Host(aliases=["nowhere.test"])
        dns.hosts["loop.test"] = Host(aliases=["loop.test", "loop.test"])
        for name in "end.test", "loop.test":
            expect_failure(d, name, "could not look up the name: .*stage=1")


def test_one_family_only():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        dns.hosts["four.test"] = Host([HOME])
        peer.meet(d, "four.test")
        if not namespace.has_ipv6():
            raise Skip("this kernel has no IPv6")
        with Peer("::1") as peer6:
            dns.hosts["six.test"] = Host(v6=["::1"])
            peer6.meet(d, "six.test")


def test_two_hundred_addresses():
    """They do not fit into a packet, and only some are tried."""
    many = ["127.0.2.%d" % n for n in range(1, 201)]
    with daemon() as d, Peer("127.0.2.7") as peer, Resolver() as dns:
        dns.hosts["many.test"] = Host(many)
        peer.meet(d, "many.test")
        check(("many.test", A, "tcp") in dns.asked, dns.asked)
    with daemon() as d, Peer("127.0.2.17") as peer, Resolver() as dns:
        dns.hosts["many.test"] = Host(many)
        expect_failure(d, "many.test",
                       "127.0.2.16:%d: Connection refused" % peer.port,
                       peer.port)


def test_a_time_to_live_of_nothing():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        dns.hosts["now.test"] = Host([HOME], ttl=0)
        for n in range(1, 4):
            peer.meet(d, "now.test")
            equal(len(dns.questions("now.test")), 2 * n)


def test_no_such_name():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        error = "gone.test:80: could not look up the name: " \
            "Domain name not found .*stage=1"
        expect_failure(d, "gone.test", error)
        expect_failure(d, "gone.test", error)
        check(d.messages("gone.test:80 closed why=resolve .* stage=resolve "
                         "reason=.Domain name not found.$"),
              "the access line")
        equal(len(dns.questions("gone.test")), 2)   # it is kept
        dns.hosts["soon.test"] = Host(rcode=NXDOMAIN, negative_ttl=None)
        expect_failure(d, "soon.test", "look up")
        dns.hosts["soon.test"] = Host([HOME])
        peer.meet(d, "soon.test")


def test_a_resolver_that_fails_and_then_does_not():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        dns.hosts["a.test"] = Host(rcode=SERVFAIL)
        expect_failure(d, "a.test", "no resolver has an answer")
        dns.hosts["a.test"] = Host([HOME])
        peer.meet(d, "a.test")


def test_answers_that_are_none():
    """Cut off anywhere, or for another question: nothing is believed."""
    spoilers = [lambda data, n=n: data[:n] for n in range(0, 48, 4)] + [
        lambda data: data[:-1],
        lambda data: bytes([data[0] ^ 1]) + data[1:],
        lambda data: data.replace(b"\4test", b"\4tess")]
    namespace.enter()
    with Resolver() as dns, Peer() as peer, \
            daemon(timeouts={"connect": "100ms"}) as d:
        for n, spoil in enumerate(spoilers):
            name = "a%d.test" % n
            dns.hosts[name], dns.spoil = Host([HOME]), spoil
            expect_failure(d, name, "look up", peer.port)
        dns.spoil = None
        with daemon() as other:
            peer.meet(other, "a0.test")


def test_no_answer_at_all():
    with daemon(timeouts={"connect": "200ms"}) as d, Resolver() as dns:
        dns.hosts["deaf.test"] = Host(delay4=NEVER, delay6=NEVER)
        expect_failure(d, "deaf.test", "ETIMEDOUT stage=")
        check(d.messages("closed why=resolve .*stage=timeout "
                         "errno=ETIMEDOUT"), "the access line")


def test_half_an_answer_is_enough():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        dns.hosts["half.test"] = Host([HOME], delay6=NEVER)
        peer.meet(d, "half.test")
        check(("half.test", AAAA, "udp") in dns.asked, dns.asked)


def test_the_other_half_comes_later():
    """...when the first has led nowhere."""
    with daemon(arguments=["-v"]) as d, Resolver() as dns:
        if not namespace.has_ipv6():
            raise Skip("this kernel has no IPv6")
        with Peer("::1") as peer:
            dns.hosts["late.test"] = Host(["127.0.0.9"], ["::1"], delay6=HELD)
            client = ask_for(d, "late.test", peer.port)
            d.wait_log("phase: resolve -> connect")
            dns.release()
            peer.take(client)


def test_an_address_that_is_silent():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        namespace.silent_network()
        dns.hosts["race.test"] = Host([SILENT4, HOME], [SILENT6])
        peer.meet(d, "race.test")
    with daemon(timeouts={"connect": "300ms"}) as d, Resolver() as dns:
        dns.hosts["black.test"] = Host([SILENT4])
        expect_failure(d, "black.test", "could not connect: "
                       + SILENT4 + ":80 does not answer ETIMEDOUT stage=4")
        check(d.messages("black.test:80 closed why=connect .*stage=timeout "
                         "errno=ETIMEDOUT reason=.%s:80 does not answer.$"
                         % SILENT4), "the access line")


def test_all_who_ask_share_a_question():
    with daemon(arguments=["-v"]) as d, Peer() as peer, Resolver() as dns:
        dns.hosts["busy.test"] = Host([HOME], ttl=0, delay4=HELD, delay6=HELD)
        clients = [ask_for(d, "busy.test", peer.port) for _ in range(20)]
        d.wait_log("phase: new -> resolve", count=20)
        wait_until(lambda: len(dns.held) == 2, "two questions")
        dns.release()
        for _ in clients:
            one, _ = peer.server.accept()
            with one:
                one.sendall(b"hi")
        for client in clients:
            equal(receive_all(client), b"hi")
        equal(len(dns.questions("busy.test")), 2)


def test_whoever_asked_is_gone():
    with daemon(timeouts={"connect": "1s"}) as d, Peer() as peer, \
            Resolver() as dns:
        dns.hosts["slow.test"] = Host([HOME], delay4=HELD, delay6=HELD)
        expect_failure(d, "slow.test", "look up .*ETIMEDOUT stage=", peer.port)
        dns.release()
        peer.meet(d, "slow.test")      # the late answer was kept
        equal(len(dns.asked), 2)


def test_a_reload_and_an_end_while_it_is_asked():
    with daemon() as d, Peer() as peer, Resolver() as dns:
        dns.hosts["slow.test"] = Host([HOME], ttl=0, delay4=HELD, delay6=HELD)
        client = ask_for(d, "slow.test", peer.port)
        wait_until(lambda: len(dns.held) == 2, "two questions")
        d.listeners = [listener("c", compile_plugin(
            "connector", d.path("v2.so"), VERSION="v2"))]
        d.write_config()
        d.reload_ready()
        dns.release()
        peer.take(client)
        d.wait_trace("open out v2")
        dns.hosts["never.test"] = Host(delay4=NEVER, delay6=NEVER)
        ask_for(d, "never.test", peer.port)
        wait_until(lambda: dns.questions("never.test"), "a question")


def test_a_resolver_that_dies():
    with daemon() as d, Peer() as peer:
        with Resolver({"a.test": Host([HOME], ttl=0)}):
            peer.meet(d, "a.test")
        expect_failure(d, "a.test", "no resolver has an answer")
        with Resolver({"a.test": Host([HOME], ttl=0)}):
            peer.meet(d, "a.test")


def test_another_resolv_conf():
    with daemon() as d, Peer() as peer:
        with Resolver({"a.test": Host(["127.0.0.9"])}):
            expect_failure(d, "a.test", "127.0.0.9:", peer.port)
        with Resolver({"a.test": Host([HOME])}, "127.0.0.53"):
            write_resolv_conf("nameserver 127.0.0.53")
            peer.meet(d, "a.test")     # the old answer is forgotten as well
            write_resolv_conf("nameserver 127.0.0.1", "nameserver 127.0.0.53",
                              "search test")
            peer.meet(d, "a")


def test_a_resolver_that_is_silent():
    deaf = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with daemon() as d, Peer() as peer, deaf, Resolver(
            {"a.test": Host([HOME])}, "127.0.0.53"):
        deaf.bind((HOME, 53))
        write_resolv_conf("nameserver 127.0.0.1", "nameserver 127.0.0.53")
        peer.meet(d, "a.test")


def test_hosts():
    with daemon() as d, Peer("127.0.0.8") as peer, Resolver() as dns:
        write_hosts("127.0.0.8 printer.test printer")
        peer.meet(d, "printer")
        peer.meet(d, "printer.test")
        dns.hosts["moved.test"] = Host(["127.0.0.9"])
        expect_failure(d, "moved.test", "127.0.0.9", peer.port)
        write_hosts("127.0.0.8 moved.test")     # the answer is forgotten
        peer.meet(d, "moved.test")
        dns.asked.clear()
        expect_failure(d, "localhost", "Connection refused", peer.port)
        equal(dns.asked, [])


main()
