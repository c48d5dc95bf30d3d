"""The load generator of bench/ works: in each mode it checks every byte, and
it detects a server that sends wrong ones."""

import os
import re
import subprocess

from sluice_test import (SOURCE, Daemon, Failure, check, compile_plugin,
                         compiler, equal, listener, main, plugin, scratch)
from harness.places import patience
from harness.process import children, peer_ports
from harness.program import Program
from harness.tls import keys, leaf, tls_listener

BENCH = os.path.join(SOURCE, "bench")


def build(name, *sources, libraries=()):
    path = os.path.join(scratch(), name)
    if not os.path.exists(path):
        subprocess.run(compiler("CC", "cc") + [
            "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-o", path] + [
                os.path.join(BENCH, source) for source in sources] +
                       list(libraries), check=True)
    return path


def load_program():
    return build("load", "load.c", "load_accept.c", "load_broadcast.c",
                 "load_echo.c", "load_result.c", "load_socket.c", "load_tls.c",
                 libraries=("-lssl", "-lcrypto"))


def load(address, *words):
    """Returns its result as texts by name, and messages by port."""
    result = subprocess.run(
        [load_program(), *map(str, words), address], input="\n", text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=patience())
    if result.returncode != 0:
        raise Failure(result.stderr.strip())
    values = dict(re.findall(r"(\w+)=(\S+)", re.findall(
        r"^load .*$", result.stdout, re.M)[-1]))
    ports = re.findall(r"^connection port=(\d+) messages=(\d+)$",
                       result.stdout, re.M)
    return values, {int(port): int(count) for port, count in ports}


class Floor(Program):
    what = "the floor"

    def __init__(self, *words):
        super().__init__()
        self.spawn([build("floor", "floor.c"), *words])
        self.address = self.wait_log(r"listening on (\S+)$").group(1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def echoes(address):
    values, _ = load(address, "-n", 500, "-c", 10, "-d", 4)
    equal(values["messages"], "500")
    equal(load(address, "-n", 50, "-c", 2, "-s", 300000)[0]["messages"], "50")
    check(int(load(address, "-m", "accept", "-n", 100, "-c", 5)[0]["messages"])
          >= 100, "accepted too few")
    for size in (0, 1):
        load(address, "-m", "idle", "-c", 20, "-s", size)
    _, ports = load(address, "-p", "-n", 500, "-c", 10)
    equal((len(ports), sum(ports.values())), (10, 500))


def test_echo():
    with Floor() as floor:
        echoes(floor.address)
    with Daemon(listener("echo", plugin("echo"))) as d:
        echoes(d.addresses("echo")[0])


def test_tls():
    with Daemon(tls_listener("echo", plugin("echo"), keys(leaf())),
                tls_listener("chargen", plugin("chargen"), keys(leaf()))) as d:
        address = d.addresses("echo")[0]
        for words in ((), ("-s", 16384), ("-s", 300000)):
            equal(load(address, "-T", "-n", 200, "-c", 10, "-d", 4,
                       *words)[0]["messages"], "200")
        load(address, "-T", "-m", "idle", "-c", 20, "-s", 1)
        for words in ((), ("-R",)):
            values, _ = load(address, "-m", "handshake", "-n", 50, "-c", 5,
                             *words)
            check(int(values["messages"]) >= 50, "too few handshakes")
        fails(d.addresses("chargen")[0], "-T", "-n", 10)


def test_broadcast():
    """Each of twenty members receives everything; deliveries are counted."""
    words = ("-m", "broadcast", "-c", 21)
    room = compile_plugin(os.path.join(BENCH, "room.c"),
                          os.path.join(scratch(), "room.so"))
    with Floor("-m", "broadcast") as floor, Daemon(
            listener("room", room)) as d:
        for address in (floor.address, d.addresses("room")[0]):
            for more in ((), ("-d", 3), ("-s", 100000)):
                values, _ = load(address, *words, *more, "-n", 1000)
                check(int(values["messages"]) >= 1000, "heard too few")


def test_several_processes():
    """The ports show which process serves which connection."""
    with Floor("-n", "3") as floor:
        workers = children(floor.pid)
        equal(len(workers), 3)
        with subprocess.Popen(
                [load_program(), "-m", "idle", "-c", "60", "-s", "1",
                 floor.address], stdin=subprocess.PIPE,
                stdout=subprocess.PIPE) as one:
            one.stdout.readline()
            ports = [peer_ports(pid) for pid in workers]
            one.stdin.close()
        equal(sum(map(len, ports)), 60)
        equal(len(set().union(*ports)), 60)
        check(all(ports), "a process has no connection")


def fails(address, *words):
    try:
        load(address, *words)
    except Failure as failure:
        check("wrong" in str(failure), failure)
    else:
        raise Failure("load took what it never sent")


def test_wrong_bytes_are_detected():
    with Daemon(listener("chargen", plugin("chargen"))) as d:
        for words in (("-n", 10), ("-m", "broadcast", "-n", 10)):
            fails(d.addresses("chargen")[0], *words)


main()
