"""A reload adds, moves and removes the status page, or changes nothing."""

import signal
import socket

from sluice_test import (Daemon, Response, check, children, equal, fetch,
                         free_address, is_alive, listener, main,
                         page_addresses, page_connect, page_process, plugin,
                         receive, receive_all, title, wait_until)
from harness.activation import systemd_daemon


def daemon(**settings):
    return Daemon(listener("a", plugin("echo")), control="control.sock",
                  **settings)


def ready(d, address):
    equal(fetch(d, "/readyz", address=address).text, "ready\n")


def title_count(d):
    return len([pid for pid in children(d.pid)
                if title(pid) == "sluiced: status" and is_alive(pid)])


def gone(d, address):
    wait_until(lambda: d.refuses(address), "the page at %s to go" % address)


def set_page(d, listen):
    if listen is None:
        d.settings.pop("status", None)
    else:
        d.settings["status"] = {"listen": listen}
    d.write_config()


def test_added_moved_and_removed():
    one, other = free_address(), free_address()
    with daemon() as d:
        set_page(d, one)
        d.reload_ready()
        ready(d, one)
        first = page_process(d)
        d.reload_ready()
        equal(page_process(d), first, "after a reload without a change")
        set_page(d, [one, other])
        d.reload_ready()
        ready(d, one)
        ready(d, other)
        set_page(d, other)
        d.reload_ready()
        ready(d, other)
        gone(d, one)
        equal(page_addresses(d), [other])
        set_page(d, None)
        d.reload_ready()
        gone(d, other)
        # At once again, though its process may still be dying.
        set_page(d, other)
        d.reload_ready()
        ready(d, other)


def test_an_address_that_is_taken_refuses_the_reload():
    one = free_address()
    with daemon(status={"listen": one}) as d:
        first = page_process(d)
        other = socket.create_server(("127.0.0.1", 0))
        taken = "127.0.0.1:%d" % other.getsockname()[1]
        set_page(d, [free_address(), taken])
        said = d.reload_refused()
        check("status: cannot listen on %s: Address already in use" % taken
              in said, said)
        other.close()
        # The port that the kernel gave a listener.
        taken = d.addresses("a")[0]
        set_page(d, taken)
        said = d.reload_refused()
        check("cannot listen on %s: listener \"a\"" % taken in said, said)
        ready(d, one)
        equal(page_process(d), first)
        s = d.connect("a")
        s.sendall(b"x")
        equal(s.recv(1), b"x")
        s.close()


def test_an_address_of_a_listener_is_a_mistake():
    address = free_address()
    with Daemon(listener("a", plugin("echo"), address),
                status={"listen": address}, start=False) as d:
        d.start(wait=False)
        d.wait_log("listen: %s is already used by listener \"a\" in"
                   % address)
        d.wait_exit(1)


def test_a_rollback_brings_it_back():
    one, other = free_address(), free_address()
    with daemon(status={"listen": one}) as d:
        set_page(d, other)
        d.reload_ready()
        ready(d, other)
        equal(d.sluicectl("rollback").returncode, 0)
        ready(d, one)
        gone(d, other)


def test_an_address_goes_from_a_listener_to_the_page_and_back():
    address = free_address()
    with Daemon(listener("a", plugin("echo"), address),
                listener("b", plugin("echo"))) as d:
        a = d.listeners.pop(0)
        set_page(d, address)
        d.reload_ready()
        ready(d, address)
        d.listeners.insert(0, a)
        set_page(d, None)
        d.reload_ready()
        s = d.connect("a")
        s.sendall(b"x")
        equal(s.recv(1), b"x")
        s.close()


def half_read(d):
    """A client that has asked for a page, and has not read all of it."""
    s = page_connect(d, receive_buffer=4096)
    s.sendall(b"GET /metrics HTTP/1.1\r\nHost: here\r\n\r\n")
    equal(receive(s, 8), b"HTTP/1.1")
    return s


def reads_the_rest(s):
    answer = Response(b"HTTP/1.1" + receive_all(s))
    check(len(answer.body) > 256 << 10, "a page that fits into buffers:",
          len(answer.body))
    equal(len(answer.body), int(answer.headers["content-length"]))
    s.close()


def test_a_client_gets_the_rest_of_its_answer():
    """The process that serves it accepts no more, and ends after it."""
    with Daemon(*[listener("a%d" % i, plugin("echo")) for i in range(50)],
                status={"listen": "127.0.0.1:0"}) as d:
        clients = [half_read(d)]
        first = page_process(d)
        d.settings["status"]["listen"] = "127.0.0.2:0"
        d.write_config()
        d.reload_ready()
        address = page_addresses(d)[0]
        check(address.startswith("127.0.0.2:"), address)
        wait_until(lambda: title_count(d) == 2, "two processes")
        clients.append(half_read(d))
        d.signal(signal.SIGUSR2)
        d.wait_log("generation 3 ready")
        for s in clients:
            reads_the_rest(s)
        wait_until(lambda: not is_alive(first), "the end of the first one")
        ready(d, address)


def test_a_socket_of_systemd():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = "127.0.0.1:%d" % sock.getsockname()[1]
        with systemd_daemon([sock], "web", listener("a", plugin("echo")),
                            status={"listen": "systemd:web"}) as d:
            ready(d, address)
            equal(page_addresses(d), [address])
            # It is kept for the next one that wants it.
            set_page(d, None)
            d.reload_ready()
            wait_until(lambda: "no longer a status page at http://%s/"
                       % address in " ".join(d.messages("status page")),
                       "the page to go")
            set_page(d, "systemd:web")
            d.reload_ready()
            ready(d, address)
            set_page(d, "systemd:other")
            check("other" in d.reload_refused())
            ready(d, address)


def test_a_socket_of_systemd_stays_over_an_upgrade():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        address = "127.0.0.1:%d" % sock.getsockname()[1]
        with systemd_daemon([sock], "web", listener("a", plugin("echo")),
                            status={"listen": "systemd:web"}) as d:
            first = page_process(d)
            d.signal(signal.SIGUSR2)
            d.wait_log("generation 2 ready")
            wait_until(lambda: page_process(d) != first, "another process")
            ready(d, address)


if __name__ == "__main__":
    main()
