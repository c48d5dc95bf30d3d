"""Addresses of a listener, and what it does to a socket that is in the way."""

import grp
import os
import pwd
import signal
import socket
import stat

from sluice_test import (Daemon, Skip, check, equal, free_address,
                         listener, main, need_localhost, need_root, plugin,
                         receive, receive_line, test_plugin)
from harness.activation import systemd_daemon


def echoes(d, address=None, name=None):
    s = d.connect(name, address=address)
    s.sendall(b"hello")
    equal(receive(s, 5), b"hello", "echo at %s" % address)
    return s


def need_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        raise Skip("there is no IPv6 here") from None


def cannot_start(d, text):
    d.start(wait=False)
    d.wait_log(text)
    d.wait_exit(1)


def test_several():
    with Daemon(listener("echo", plugin("echo"),
                         ["127.0.0.1:0", "127.0.0.2:0",
                          "unix:@sluice-test-several-%d" % os.getpid()]),
                workers=2) as d:
        addresses = d.addresses("echo")
        equal(len(addresses), 3)
        for address in addresses:
            for _ in range(5):
                echoes(d, address)


def test_ipv6():
    need_ipv6()
    with Daemon(listener("c", test_plugin("command"), "[::1]:0")) as d:
        address = d.addresses("c")[0]
        check(address.startswith("[::1]:"), address)
        s = d.connect()
        s.sendall(b"facts\n")
        said = s.recv(1000).decode()
        check("local=%s " % address in said, said)
        check("remote=[::1]:%d " % s.getsockname()[1] in said, said)


def test_every_address_of_a_name():
    need_localhost()
    need_ipv6()
    found = {info[4][0] for info in socket.getaddrinfo(
        "localhost", 1, type=socket.SOCK_STREAM)}
    with Daemon(listener("echo", plugin("echo"), "localhost:0")) as d:
        addresses = d.addresses("echo")
        equal({a.rpartition(":")[0].strip("[]") for a in addresses}, found)
        for address in addresses:
            echoes(d, address)


def test_dual_stack():
    need_ipv6()
    with Daemon(listener("c", test_plugin("command"), "*:0")) as d:
        address = d.addresses("c")[0]
        check(address.startswith("*:"), address)
        port = address.rpartition(":")[2]
        for host in ("127.0.0.1", "[::1]"):
            s = d.connect(address="%s:%s" % (host, port))
            s.sendall(b"facts\n")
            said = s.recv(1000).decode()
            check("remote=%s:%d " % (host, s.getsockname()[1]) in said, said)
            check("local=%s:%s " % (host, port) in said, said)


def test_unix_mode_and_owner():
    with Daemon(listener("echo", plugin("echo"), "unix:/nowhere"),
                start=False) as d:
        path = d.path("socket")
        one = d.listener("echo")
        one["listen"] = "unix:" + path
        one["mode"] = "0620"
        if os.geteuid() == 0:
            one["owner"] = "daemon:games"
        d.write_config()
        d.start()
        status = os.stat(path)
        check(stat.S_ISSOCK(status.st_mode))
        equal(oct(stat.S_IMODE(status.st_mode)), "0o620", "mode")
        if os.geteuid() == 0:
            equal((status.st_uid, status.st_gid),
                  (pwd.getpwnam("daemon").pw_uid,
                   grp.getgrnam("games").gr_gid), "owner")
        echoes(d)
        # A reload applies another mode, or keeps it, and never unlinks.
        inode = status.st_ino
        d.reload_ready()
        equal(os.stat(path).st_ino, inode)
        echoes(d)
        d.stop()
        check(not os.path.lexists(path), "the path is left behind")


def test_unix_relative_owner_forms():
    need_root()
    with Daemon(listener("one", plugin("echo"), "unix:/x", owner=":games"),
                listener("two", plugin("echo"), "unix:/y", owner="daemon"),
                start=False) as d:
        d.listener("one")["listen"] = "unix:" + d.path("one")
        d.listener("two")["listen"] = "unix:" + d.path("two")
        d.write_config()
        d.start()
        equal(os.stat(d.path("one")).st_gid, grp.getgrnam("games").gr_gid)
        equal(os.stat(d.path("one")).st_uid, 0)
        equal(os.stat(d.path("two")).st_uid, pwd.getpwnam("daemon").pw_uid)


def unix_daemon(**settings):
    d = Daemon(listener("echo", plugin("echo")), start=False, **settings)
    d.listener("echo")["listen"] = "unix:" + d.path("socket")
    d.write_config()
    return d


def test_stale_socket_is_taken_over():
    with unix_daemon() as d:
        s = socket.socket(socket.AF_UNIX)
        s.bind(d.path("socket"))
        s.close()               # the path is left, and nothing listens
        d.start()
        echoes(d)


def test_socket_in_use_is_not_taken_over():
    with unix_daemon() as d:
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(d.path("socket"))
            s.listen()
            inode = os.stat(d.path("socket")).st_ino
            cannot_start(d, "socket: .*another process")
            equal(os.stat(d.path("socket")).st_ino, inode)


def test_a_file_is_never_unlinked():
    with unix_daemon() as d:
        d.write("precious\n", "socket")
        cannot_start(d, "socket")
        with open(d.path("socket")) as file:
            equal(file.read(), "precious\n")


def test_a_path_that_is_no_longer_ours_is_left():
    with unix_daemon() as d:
        d.start()
        echoes(d)
        os.unlink(d.path("socket"))
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(d.path("socket"))
            other.listen()
            d.stop()
            check(os.path.exists(d.path("socket")), "a foreign path is gone")


def test_abstract():
    address = "unix:@sluice-test-abstract-%d" % os.getpid()
    with Daemon(listener("c", test_plugin("command"), address),
                workers=2) as d:
        equal(d.addresses("c"), [address])
        for _ in range(10):
            s = d.connect()
            s.sendall(b"facts\n")
            check("local=%s " % address in s.recv(1000).decode())
        # Another daemon cannot have the same name.
        with Daemon(listener("c", test_plugin("command"), address),
                    start=False) as other:
            cannot_start(other, "in use")


def test_systemd():
    with socket.create_server(("127.0.0.1", 0)) as one, \
            socket.create_server(("127.0.0.1", 0)) as two:
        where = ["127.0.0.1:%d" % s.getsockname()[1] for s in (one, two)]
        with systemd_daemon(
                [one, two], "first:second",
                listener("b", plugin("discard"), "systemd:second"),
                listener("a", plugin("echo"), "systemd:first")) as d:
            for _ in range(10):
                echoes(d, where[0])
            d.connect(address=where[1]).sendall(b"x")
            # After a reload drops it, the next can use it again.
            a = d.listeners.pop()
            d.write_config()
            d.reload_ready()
            d.listeners.append(a)
            d.write_config()
            d.reload_ready()
            echoes(d, where[0])


def test_systemd_and_upgrades():
    """The sockets go from program to program, also one that is not used."""
    with socket.create_server(("127.0.0.1", 0)) as one, \
            socket.create_server(("127.0.0.1", 0)) as two:
        where = ["127.0.0.1:%d" % s.getsockname()[1] for s in (one, two)]
        with systemd_daemon(
                [one, two], "first:second",
                listener("a", plugin("echo"), "systemd:first")) as d:
            for generation in range(2, 5):
                d.signal(signal.SIGUSR2)
                d.wait_log("generation %d ready" % generation)
                echoes(d, where[0])
            d.listener("a")["listen"] = "systemd:second"
            d.write_config()
            d.reload_ready()
            echoes(d, where[1])


def test_systemd_variables_are_not_passed_on():
    with socket.create_server(("127.0.0.1", 0)) as one:
        with systemd_daemon([one], "first", listener(
                "c", test_plugin("command"), "systemd:first")) as d:
            s = d.connect(address="127.0.0.1:%d" % one.getsockname()[1])
            for name in (b"FDS", b"PID", b"FDNAMES"):
                s.sendall(b"getenv LISTEN_%s\n" % name)
                equal(receive_line(s), "(unset)")


def test_systemd_unix_and_missing_name():
    with socket.socket(socket.AF_UNIX) as s:
        s.bind("\0sluice-test-systemd-%d" % os.getpid())
        s.listen()
        with systemd_daemon([s], "sock", listener(
                "a", plugin("echo"), "systemd:sock")) as d:
            echoes(d, "unix:@sluice-test-systemd-%d" % os.getpid())
            d.listeners.append(listener("b", plugin("echo"),
                                        "systemd:other"))
            d.write_config()
            check("other" in d.reload_refused())


def test_systemd_without_systemd():
    with Daemon(listener("a", plugin("echo"), "systemd:web"),
                start=False) as d:
        cannot_start(d, "systemd:web|web")


def test_port_zero_keeps_its_port():
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        before = d.addresses("echo")
        check(not before[0].endswith(":0"), before)
        for _ in range(3):
            d.reload_ready()
        for _ in range(10):
            echoes(d, before[0])


def test_port_in_use():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        address = "127.0.0.1:%d" % busy.getsockname()[1]
        with Daemon(listener("echo", plugin("echo"), address),
                    start=False) as d:
            cannot_start(d, address + ".*in use|in use.*" + address)


def test_second_daemon_of_the_same_user():
    """SO_REUSEPORT must not let two daemons share a port by mistake."""
    with Daemon(listener("echo", plugin("echo")), workers=2) as d:
        address = d.addresses("echo")[0]
        with Daemon(listener("echo", plugin("echo"), address), workers=2,
                    start=False) as other:
            cannot_start(other, "in use")
        for _ in range(10):
            echoes(d, address)


def test_restart_on_the_same_port():
    """Connections in TIME_WAIT do not keep a new daemon from starting."""
    address = free_address()
    for _ in range(3):
        with Daemon(listener("c", test_plugin("command"), address)) as d:
            s = d.connect()
            s.sendall(b"close\n")
            equal(s.recv(1), b"")
            s.close()
            d.wait_trace("close", 1)


main()
