"""A call that a plugin may not make returns -1 and errno; nothing crashes."""

import os
import re

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive_line, test_plugin)

OUTPUT = ("sl_write", "sl_writev", "sl_send", "sl_sendv", "sl_flush")
FLOW = ("sl_pause", "sl_resume", "sl_pipe", "sl_unpipe", "sl_timeout",
        "sl_timer", "sl_set_nodelay", "sl_set_keepalive", "sl_set_tos")
ENDING = ("sl_shutdown", "sl_end", "sl_close", "sl_terminate")


def phase(name, listen="127.0.0.1:0", expect_log=lambda d: None):
    """The results of all calls: [(call, result, errno name)]."""
    with Daemon(listener("b", test_plugin("badcalls"), listen,
                         timeouts={"linger": "200ms"})) as d:
        s = d.connect()
        s.sendall(name.encode())
        if name in ("null", "strange", "sockets", "thread"):
            equal(receive_line(s), "done")
        else:
            expect_gone(s)
        s.close()
        d.wait_log("bad close why")
        other = d.connect()
        other.sendall(b"alive?")
        equal(receive_line(other), "done")
        expect_log(d)
    found = []
    for line in d.lines:
        match = re.search(r"bad (\w+) (sl_\w+)\((.*)\).* = (-?\d+) (\S+)$",
                          line)
        if match:
            found.append((match.group(1), match.group(2), match.group(3),
                          int(match.group(4)), match.group(5)))
    return found


def expect(found, which, calls, results):
    seen = set()
    for name, call, arguments, result, error in found:
        if name == which and call in calls:
            seen.add(call)
            check((result, error) in results or result in results,
                  "%s %s(%s) returned %d %s" % (name, call, arguments,
                                                result, error))
    equal(seen, set(calls), "calls made")


def test_null():
    found = phase("null")
    expect(found, "null", OUTPUT + ENDING + FLOW,
           [(-1, "ENOTCONN"), (-1, "EINVAL")])
    for call in ("sl_write", "sl_send", "sl_close", "sl_pause"):
        expect(found, "null", [call], [(-1, "ENOTCONN")])
    expect(found, "null", ["sl_id", "sl_queued", "sl_service",
                           "sl_is_client", "sl_next",
                           "sl_find", "sl_first", "sl_connect",
                           "sl_find_service",
                           "sl_options", "sl_option_string",
                           "sl_option_int", "sl_option_count",
                           "sl_option_at", "sl_fd"], [0])
    expect(found, "null", ["sl_stop", "sl_count"], [-1])
    expect(found, "null", ["sl_refuse"], [-1])


def test_closed():
    """In `close` a plugin can read facts, and do nothing else."""
    found = phase("terminated")
    expect(found, "closed", OUTPUT + FLOW + ENDING, [(-1, "ENOTCONN")])
    expect(found, "closed", ["sl_state"], [7])
    expect(found, "closed", ["sl_fd", "sl_queued"], [0])
    expect(found, "terminated", ["sl_write", "sl_writev", "sl_send", "sl_sendv"],
           [(-1, "ENOTCONN"), (-1, "EPIPE")])
    for which in ("closed", "terminated"):
        expect(found, which, ["sl_id", "sl_local", "sl_remote",
                              "sl_peer", "sl_service"], [1])


def test_after_end():
    found = phase("ended")
    expect(found, "ended", ["sl_write", "sl_writev", "sl_send", "sl_sendv"],
           [(-1, "EPIPE")])
    expect(found, "ended", ["sl_pause", "sl_resume", "sl_timeout",
                            "sl_close", "sl_terminate"], [0])
    expect(found, "ended", ["sl_state"], [5, 6])


def test_after_shutdown():
    found = phase("shut")
    expect(found, "shut", ["sl_write", "sl_writev", "sl_send", "sl_sendv"],
           [(-1, "EPIPE")])
    expect(found, "shut", ["sl_close", "sl_terminate"],
           [0, (-1, "ENOTCONN")])


def test_after_close():
    found = phase("closing")
    expect(found, "closing", ["sl_write", "sl_writev", "sl_send", "sl_sendv"],
           [(-1, "EPIPE"), (-1, "ENOTCONN")])
    expect(found, "closing", ["sl_close", "sl_terminate"],
           [0, (-1, "ENOTCONN")])
    expect(found, "closing", ["sl_state"], [6, 7])


def test_strange_arguments():
    found = phase("strange")

    def result(call, text):
        for name, got_call, arguments, value, error in found:
            if (name, got_call, arguments) == ("strange", call, text):
                return value, error
        check(False, "no call", call, text)

    invalid = (-1, "EINVAL")
    for call, arguments in (
            ("sl_write", "c, &byte, SIZE_MAX"),
            ("sl_write", "c, &byte, (size_t)SSIZE_MAX + 1"),
            ("sl_write", "c, NULL, 1"),
            ("sl_writev", "c, overflow, 2"),
            ("sl_writev", "c, &null, 1"),
            ("sl_writev", "c, iov, -1"),
            ("sl_writev", "c, NULL, 1"),
            ("sl_writev", "c, iov, INT_MAX"),
            ("sl_send", "c, &byte, SIZE_MAX"),
            ("sl_send", "c, NULL, 1"),
            ("sl_sendv", "c, overflow, 2"),
            ("sl_sendv", "c, &null, 1"),
            ("sl_sendv", "c, iov, -1"),
            ("sl_end", "c, NULL, 1"),
            ("sl_end", "c, &byte, SIZE_MAX"),
            ("sl_shutdown", "c, 0"),
            ("sl_shutdown", "c, 0x80"),
            ("sl_count", 'service, "", 1'),
            ("sl_count", "service, NULL, 1")):
        equal(result(call, arguments), invalid, "%s(%s)" % (call, arguments))
    for call, arguments in (
            ("sl_write", "c, NULL, 0"), ("sl_write", "c, &byte, 0"),
            ("sl_send", "c, &byte, 0"),
            ("sl_timeout", "c, UINT64_MAX"), ("sl_timeout", "c, 0"),
            ("sl_timer", "service, c, UINT32_MAX, UINT64_MAX"),
            ("sl_timer", "service, c, UINT32_MAX, 0")):
        equal(result(call, arguments)[0], 0, "%s(%s)" % (call, arguments))
    values = [(call, arguments, value, error)
              for name, call, arguments, value, error in found
              if name == "strange"]
    counts = [(value, error) for call, _, value, error in values
              if call == "sl_count"]
    equal(counts, [invalid, invalid, invalid, invalid, (0, "-"),
                   (-1, "ENOSPC"), (0, "-")], "sl_count")
    expect(found, "strange", ["sl_find", "sl_listen_address",
                              "sl_option_string", "sl_option_int"], [0])
    equal(result("sl_option_count", 'o, "text"')[0], 1)
    equal(result("sl_option_count", 'o, "nothing"')[0], 0)
    for name, answer in (("NULL", 0), ('"nobody"', 0), ('"b"', 1)):
        found_it = [value for call, arguments, value, _ in values
                    if call == "sl_find_service" and name in arguments]
        equal(found_it, [answer], "sl_find_service " + name)
    # After all these calls the connection is still open.
    equal(result("sl_state", "c")[0], 3)


def test_other_threads():
    """Nothing that they call does a thing, and the log says so once."""
    def expect_log(d):
        lines = d.messages(r"in thread \d+")
        equal(len(lines), 1, "\n".join(lines))
        d.wait_log(r"warn +worker \d+: badcalls\.so calls sl_service\(\) "
                   r"in thread \d+, .* see \"Threads\"")
        # What it logs is there, without the connection or service.
        d.wait_log(r"worker \d+: bad thread line$")
        d.wait_log(r"worker \d+: bad thread line of a service$")

    found = phase("thread", expect_log=expect_log)
    expect(found, "thread", OUTPUT + FLOW + ENDING +
           ("sl_fd", "sl_broadcast", "sl_stop", "sl_reload", "sl_count",
            "sl_upgrade_tls"), [(-1, "EPERM"), (0, "EPERM")])
    expect(found, "thread", OUTPUT + FLOW + ENDING, [(-1, "EPERM")])
    expect(found, "thread", ("sl_id", "sl_room", "sl_local", "sl_next",
                             "sl_service", "sl_service_name", "sl_find",
                             "sl_first", "sl_find_service", "sl_now_ms",
                             "sl_tls_version"), [0, 1])
    for name, call, _, result, error in found:
        if name == "thread":
            equal(error, "EPERM", call)
    equal([result for name, _, _, result, _ in found if name == "anywhere"],
          [42, 0], "options")


def test_unix_sockets_have_no_tcp_options():
    found = phase("sockets", "unix:@sluice-test-bad-%d" % os.getpid())
    expect(found, "sockets", ["sl_set_nodelay", "sl_set_tos"],
           [(-1, "EOPNOTSUPP")])


def test_tcp_sockets_have():
    found = phase("sockets")
    expect(found, "sockets", ["sl_set_nodelay", "sl_set_keepalive",
                              "sl_set_tos"], [0])


def test_socket_options_reach_the_socket():
    with Daemon(listener("c", test_plugin("command")),
                listener("plain", test_plugin("command"), nodelay=False,
                         keepalive=False),
                listener("idle", test_plugin("command"),
                         keepalive="90s")) as d:
        s = d.connect("c")
        s.sendall(b"getsockopt\nsetsockopt\n")
        check(receive_line(s).startswith("nodelay=1 keepalive=1 "))
        d.wait_log("sockopt = nodelay 0 keepalive 1 idle 77 tos 16")
        for name, text in (("plain", "nodelay=0 keepalive=0 "),
                           ("idle", "nodelay=1 keepalive=1 idle=90")):
            s = d.connect(name)
            s.sendall(b"getsockopt\n")
            said = receive_line(s)
            check(said.startswith(text), name, said)


main()
