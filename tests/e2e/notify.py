"""What the daemon tells systemd over NOTIFY_SOCKET."""

import os
import signal
import socket
import time

from sluice_test import (DEADLINE, SLOW, Daemon, check, equal, free_address,
                         listener, main, plugin, receive, receive_line,
                         test_plugin, wait_until)


class Notified(Daemon):
    """A daemon whose NOTIFY_SOCKET the test reads."""

    def __init__(self, *listeners, abstract=False, **settings):
        super().__init__(*listeners, start=False, **settings)
        path = self.path("notify")
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind("\0" + path if abstract else path)
        self.notify.settimeout(DEADLINE * SLOW)
        self.env["NOTIFY_SOCKET"] = "@" + path if abstract else path
        self.wants_start = True
        self.told, self.status = [], ""

    def next(self, key):
        """The next message with this key, as a dict."""
        while True:
            text = self.notify.recv(4096).decode()
            self.told.append(text)
            message = dict(line.split("=", 1) for line in
                           text.strip().split("\n"))
            self.status = message.get("STATUS", self.status)
            if key in message:
                return message


def test_going_back():
    with Notified(listener("echo", plugin("echo"))) as d:
        d.next("READY")
        d.listener("echo")["backlog"] = 100
        d.write_config()
        d.reload_ready()
        d.next("READY")
        for _ in range(3):
            s = d.connect()
            s.sendall(b"x")
            receive(s, 1)  # the worker has committed this generation
            s.close()
            pid = d.workers()[0]
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: d.workers()[0] != pid, "the next")
        while "crashed" not in d.status:
            d.next("STATUS")
        equal(d.status, "generation 2 crashed 3 times in its first 30 s; "
              "going back to generation 1")
        d.next("RELOADING")
        d.next("READY")
        equal(d.status, "generation 3 (as generation 1): 1 listener, "
              "1 worker; generation 2 crashed too often")


def test_a_canary():
    with Notified(listener("echo", plugin("echo")), workers=2,
                  canary={"workers": 1, "time": "300ms"}) as d:
        d.next("READY")
        d.reload(wait=False)
        d.next("RELOADING")
        while "canary" not in d.status:
            d.next("STATUS")
        equal(d.status, "canary: generation 2 serves in worker 1 for 300 ms")
        d.next("READY")
        equal(d.status, "generation 2: 1 listener, 2 workers")


def life(**settings):
    with Notified(listener("echo", plugin("echo")), **settings) as d:
        equal(d.next("READY")["READY"], "1")
        check("generation 1" in d.status, d.status)

        before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        d.reload_ready()
        after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        message = d.next("RELOADING")
        equal(message["RELOADING"], "1")
        check(before <= int(message["MONOTONIC_USEC"]) <= after, message)
        d.next("READY")
        check("generation 2" in d.status, d.status)

        d.write("nonsense")
        d.reload_refused()
        d.next("RELOADING")
        d.next("READY")             # the old generation goes on
        check("refused" in d.status and "keeping generation 2" in d.status,
              d.status)

        d.stop()
        equal(d.next("STOPPING")["STOPPING"], "1")


def test_life():
    life()


def test_abstract_socket():
    life(abstract=True)


def test_not_ready_before_it_serves():
    with Notified(listener("echo", plugin("echo"))) as d:
        d.next("READY")
        ready = [line for line in d.told if "READY=1" in line]
        equal(len(ready), 1)
        s = d.connect()
        s.sendall(b"x")
        equal(s.recv(1), b"x")


def test_not_ready_when_it_cannot_start():
    d = Notified(listener("bad", test_plugin("badabi")))
    d.wants_start = False
    with d:
        d.start(wait=False)
        d.wait_log("badabi")
        d.wait_exit(1)
        d.notify.setblocking(False)
        try:
            while True:
                text = d.notify.recv(4096)
                check(b"READY=1" not in text, text)
        except BlockingIOError:
            pass


def test_children_do_not_know_of_it():
    d = Notified(listener("c", test_plugin("command")))
    d.env.update(WATCHDOG_USEC="60000000")
    with d:
        s = d.connect()
        s.sendall(b"getenv PATH\ngetenv NOTIFY_SOCKET\n"
                  b"getenv WATCHDOG_USEC\n")
        equal(receive_line(s), os.environ["PATH"])
        equal(receive_line(s), "(unset)")
        equal(receive_line(s), "(unset)")


def fill(d):
    """Fill the queue of the notification socket."""
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.setblocking(False)
    try:
        while True:
            s.sendto(b"X=1", d.env["NOTIFY_SOCKET"])
    except BlockingIOError:
        pass
    return s


def test_ready_is_told_again():
    """A message that did not fit in the queue is sent later."""
    d = Notified(listener("echo", plugin("echo")))
    d.wants_start = False
    filler = fill(d)
    with d:
        d.start()
        d.wait_log("the service manager does not take .*; trying again")
        s = d.connect()
        s.sendall(b"x")
        receive(s, 1)           # the daemon serves meanwhile
        d.next("READY")
        check("generation 1" in d.status, d.status)
        filler.close()


def test_late_messages_are_in_order():
    with Notified(listener("echo", plugin("echo"))) as d:
        d.next("READY")
        filler = fill(d)
        for _ in range(5):
            d.reload_ready()
        d.write("nonsense")
        d.reload_refused()
        d.signal(signal.SIGHUP)
        d.wait_log("reload refused", count=2)
        d.connect()             # stays open, so that the daemon drains
        d.signal(signal.SIGTERM)
        d.wait_log("draining")
        d.told.clear()
        d.next("STOPPING")
        said = [line for line in "\n".join(d.told).split("\n")
                if line.partition("=")[0] in ("RELOADING", "READY",
                                              "STOPPING")]
        equal(said, ["RELOADING=1", "READY=1", "STOPPING=1"])
        equal(d.status, "stopping: draining connections")
        filler.close()


def watched(us, pid="$$"):
    return ["sh", "-c", "export WATCHDOG_USEC=%d WATCHDOG_PID=%s; "
            'exec "$@"' % (us, pid), "sh"]


def test_the_loop_says_that_it_is_alive():
    d = Notified(listener("echo", plugin("echo")))
    d.launcher = watched(2000000)
    begun = time.monotonic()
    with d:
        for _ in range(4):
            d.next("WATCHDOG")
        # Four in each period; the first came at once.
        check(time.monotonic() - begun > 1.4, "too often")


def test_a_loop_that_stood_still_does_not():
    d = Notified(listener("echo", plugin("echo")))
    d.launcher = watched(2000000)
    with d:
        d.next("READY")
        os.kill(d.pid, signal.SIGSTOP)
        time.sleep(1.5)         # longer than the watchdog's period
        os.kill(d.pid, signal.SIGCONT)
        d.wait_log(r"the master's event loop was \d+ ms late; leaving out "
                   "one WATCHDOG=1")
        d.told.clear()
        d.next("WATCHDOG")      # it goes on when the loop is on time again


def test_no_watchdog_for_another_pid():
    d = Notified(listener("echo", plugin("echo")))
    d.launcher = watched(4000, "1")
    with d:
        d.next("READY")
        for _ in range(3):
            d.reload_ready()
            d.next("READY")
        equal([text for text in d.told if "WATCHDOG" in text], [])


def test_time_limits_are_extended():
    """A long drain extends the time limits of the service manager."""
    with Notified(listener("echo", plugin("echo")),
                  drain_timeout="60s") as d:
        d.next("READY")
        d.reload_ready()
        d.next("RELOADING")
        equal(d.next("EXTEND_TIMEOUT_USEC"),
              {"EXTEND_TIMEOUT_USEC": "15000000"})
        d.next("READY")
        s = d.connect()
        s.sendall(b"x")
        receive(s, 1)
        d.signal(signal.SIGTERM)
        d.next("STOPPING")
        for _ in range(2):      # again, before the first has run out
            d.next("EXTEND_TIMEOUT_USEC")
        s.close()
        d.wait_exit()


def test_socket_that_is_gone_harms_nothing():
    with Daemon(listener("echo", plugin("echo")),
                env={"NOTIFY_SOCKET": "/nonexistent/notify"}) as d:
        d.reload_ready()
        d.signal(signal.SIGTERM)
        d.wait_exit()


def test_an_upgrade():
    """The program that comes tells the same manager, and beats on."""
    for abstract in (False, True):
        with Notified(listener("echo", plugin("echo"), free_address()),
                      abstract=abstract) as d:
            d.env["WATCHDOG_USEC"] = "1000000"
            d.stop()
            d.start()
            d.next("READY")
            d.signal(signal.SIGUSR2)
            d.next("RELOADING")
            d.next("READY")
            equal(d.status, "generation 2: 1 listener, 1 worker")
            d.wait_log("takes over from sluiced")
            d.next("WATCHDOG")
            d.next("WATCHDOG")
            equal(d.messages("environment|WATCHDOG"), [])


main()
