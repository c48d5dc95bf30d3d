"""sl_timer(): timers fire once, have an id, belong to a connection or a
service, and survive reloads."""

import os
import signal

from sluice_test import (Daemon, SLOW, compile_plugin, equal,
                         listener, main, receive_line, test_plugin)


def timers(d, connection, since=0):
    return [line.split("timer ")[1].split()[0] for line in
            d.messages(r"trace %d timer " % connection, since)]


def test_order_and_once():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"timer 3 %d\ntimer 1 %d\ntimer 2 %d\nat timer say x\n"
                  % (300 * SLOW, 100 * SLOW, 200 * SLOW))
        d.wait_trace("timer 3", 1)
        equal(timers(d, 1), ["1", "2", "3"])
        clock = d.connect()
        clock.sendall(b"tick %d 4\n" % (100 * SLOW))
        for _ in range(4):
            receive_line(clock)
        equal(timers(d, 1), ["1", "2", "3"])


def test_replaced_and_cancelled():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"timer 1 3600000\ntimer 1 %d\n"      # replaced
                  b"timer 2 %d\ntimer 2 0\n"            # cancelled
                  b"timer 5 0\n"                        # never set
                  b"timer 3 %d\n"
                  % (50 * SLOW, 50 * SLOW, 200 * SLOW))
        d.wait_trace("timer 3", 1)
        equal(timers(d, 1), ["1", "3"])
        equal({line.split("= ")[1] for line in
               d.messages("trace 1 call timer")}, {"0"})


def test_end_with_their_connection():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s, other = d.connect(), d.connect()
        s.sendall(b"timer 1 %d\nclose\n" % (150 * SLOW))
        s.close()
        d.wait_trace("close", 1)
        other.sendall(b"timer 1 %d\n" % (300 * SLOW))
        d.wait_trace("timer 1", 2)
        equal(timers(d, 1), [])


def test_same_id_on_many_connections():
    with Daemon(listener("c", test_plugin("command"))) as d:
        for i in range(50):
            d.connect().sendall(b"timer 1 %d\n" % ((20 + 5 * i) * SLOW))
        for i in range(50):
            d.wait_trace("timer 1", i + 1)


def test_of_a_service():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        s.sendall(b"service-timer 7 %d\nclose\n" % (100 * SLOW))
        s.close()
        d.wait_trace("close", 1)
        d.wait_log("trace 0 service-timer 7")   # outlives the connection


def test_in_start_and_again_and_again():
    with Daemon(listener("s", test_plugin("service"),
                         options={"timer": "20ms"})) as d:
        d.wait_log("service timer 7 v1", count=5)
        # After a change of options, only the new service's timer runs.
        d.listener("s")["options"]["timer"] = "0"
        d.write_config()
        d.reload_ready()
        since = d.mark()
        d.listener("s")["options"]["timer"] = "10ms"
        d.write_config()
        d.reload_ready()
        d.wait_log("service timer 7", since, count=3)


def test_of_connections_survive_a_reload():
    """Timers set by old code call the new code."""
    with Daemon(listener("c", "./command.so"), start=False) as d:
        compile_plugin("command", d.path("command.so"), VERSION="v1")
        d.start()
        s = d.connect()
        s.sendall(b"timer 1 %d\nsay ok\n" % (700 * SLOW))
        receive_line(s)
        compile_plugin("command", d.path("command.so"), VERSION="v2")
        d.reload_ready()
        if d.log_lines("trace 1 timer"):
            return      # the reload was slower than the timer
        d.wait_log("trace 1 timer 1 v2")


def test_of_services_survive_a_reload_with_the_state():
    with Daemon(listener("s", "./service.so",
                         options={"timer": "50ms"}), start=False) as d:
        compile_plugin("service", d.path("service.so"), VERSION="v1",
                       WITHOUT_RELOAD=True)
        d.start()
        d.wait_log("service timer 7 v1")
        compile_plugin("service", d.path("service.so"), VERSION="v2",
                       WITHOUT_RELOAD=True)
        d.reload_ready()
        d.wait_log("service timer 7 v2", count=2)


def test_refused_reload_leaves_them():
    with Daemon(listener("s", test_plugin("service"),
                         options={"timer": "20ms"})) as d:
        d.wait_log("service timer")
        d.listener("s")["options"]["fail"] = True
        d.write_config()
        d.reload_refused()
        since = d.mark()
        d.wait_log("service timer 7", since, count=3)


def test_due_while_stopped():
    """Timers that are due together come in the order of their times."""
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        os.kill(d.workers()[0], signal.SIGSTOP)
        s.sendall(b"timer 4 40\ntimer 2 20\ntimer 3 30\ntimer 1 10\n"
                  b"timer 5 50\n")
        os.kill(d.workers()[0], signal.SIGCONT)
        d.wait_trace("timer 5", 1)
        equal(timers(d, 1), ["1", "2", "3", "4", "5"])


main()
