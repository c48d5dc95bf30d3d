"""Somebody sets the clock: certificates follow the calendar, timers do not."""

import ctypes
import os
import re
import signal
import ssl
import struct
import subprocess
import time

from sluice_test import (SANITIZED, SLOW, SLUICED, Daemon, Skip, check,
                         compile_plugin, equal, expect_gone, main, plugin,
                         scratch, test_plugin, wait_until)
from harness import certs, openssl
from harness.certs import DAY
from harness.tls import (V12, V13, Peer, authority, client_context, keys,
                         leaf, made, tls_connect, tls_listener)

BOTH = V12, V13
JUMPS = 400, -400		# days; a certificate of ours lasts for 91
# Longer than any test, but far less than a jump.
LONG = {"idle": "1h", "handshake": "1h", "linger": "1h", "close": "1h",
        "write": "1h"}


def sanitizer():
    """The runtime that must come before all other libraries, if any."""
    if not SANITIZED:
        return []
    needs = subprocess.run(["ldd", SLUICED], stdout=subprocess.PIPE,
                           text=True, check=True).stdout
    found = re.search(r"libasan\S* => (\S+)", needs)
    if not found:
        raise Skip("this sanitizer is not a library that LD_PRELOAD can "
                   "have before another")
    return [found.group(1)]


class Jumpy(Daemon):
    """A daemon whose calendar the test can set, for all its processes."""

    count = 0

    def __init__(self, *listeners, **settings):
        Jumpy.count += 1
        library = os.path.join(scratch(), "clock%d.so" % Jumpy.count)
        self.offset = library + ".offset"
        with open(self.offset, "wb") as file:
            file.write(bytes(8))
        before = sanitizer()
        compile_plugin("clock", library)
        super().__init__(*listeners, env={
            "LD_PRELOAD": ":".join(before + [library])}, **settings)

    def jump(self, days):
        """Set it to so many days from the true time."""
        with open(self.offset, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", days * DAY))

    def check_day(self, line, days):
        """Is a line of the log from that day?"""
        about = [time.strftime("%Y-%m-%d", time.gmtime(
            time.time() + days * DAY - ago)) for ago in (0, 60 * SLOW)]
        check(line[:10] in about, "not", days, "days from now:", line)


def command(tls=None, **settings):
    return tls_listener("c", test_plugin("command"), tls, **settings)


def talk(p, text=b"hello\n"):
    p.write(b"say " + text)
    equal(p.receive(len(text)), text)


def test_connections_live_on():
    """One that is open, one in its handshake, one that lingers."""
    for days in JUMPS:
        with Jumpy(command(timeouts=LONG)) as d:
            opened = tls_connect(d)
            talk(opened)
            lingers = tls_connect(d)
            lingers.write(b"close\n")
            lingers.receive_all()
            begins = Peer(d.connect())
            hello = begins.hello()
            begins.sock.sendall(hello[:len(hello) // 2])
            d.jump(days)
            for _ in range(20):
                talk(opened)
            begins.sock.sendall(hello[len(hello) // 2:])
            talk(begins.handshake())
            d.check_day(d.wait_log("trace 3 open").string, days)
            d.jump(0)
            talk(opened)
            talk(begins)
            equal(d.log_lines(r"conn \d+ .*closed "), [], "ended")
            lingers.sock.close()
            d.wait_log("conn 2 .*closed why=local ")
            equal(len(d.log_lines(r"conn \d+ .*closed ")), 1, "ended")


def test_timeouts_keep_their_own_time():
    """They begin before the jump, and end neither earlier nor later."""
    limit = 0.5 * SLOW
    limits = {"idle": "%dms" % (limit * 1000),
              "handshake": "%dms" % (limit * 1000), "linger": "20ms"}
    for days in JUMPS:
        with Jumpy(tls_listener("echo", plugin("echo"),
                                timeouts=limits)) as d:
            for which, why in (tls_connect, "idle"), (
                    lambda d: Peer(d.connect()), "handshake"):
                since, begun = d.mark(), time.monotonic()
                p = which(d)
                d.jump(days)
                line = d.wait_log(r"conn \d+ .*closed why=", since).string
                check(time.monotonic() - begun > 0.9 * limit, "too early")
                check("why=%s " % why in line, line)
                d.check_day(line, days)
                expect_gone(p.sock)
                d.jump(0)


def knock(d, version, cert):
    """Show a certificate.  None, or why the client is not let in."""
    p = Peer(d.connect(), client_context(version, cert=cert))
    try:
        talk(p.handshake())
        p.close_notify()
        p.receive_all()
    except ssl.SSLError as error:
        return str(error)
    finally:
        p.sock.close()


def test_client_certificates_follow_the_calendar():
    made["clients"] = certs.make(scratch(), "clients", ca=True,
                                 start=-1000 * DAY, end=1000 * DAY)
    member = leaf("member", "clients")
    for version in BOTH:
        with Jumpy(command(keys(verify="require",
                                ca=authority("clients").cert))) as d:
            equal(knock(d, version, member), None, "today")
            for days, alert, reason in (
                    (400, "certificate expired", "certificate has expired"),
                    (-400, "bad certificate",
                     "certificate is not yet valid")):
                since = d.mark()
                d.jump(days)
                got = knock(d, version, member)
                check(got is not None and alert in got, days, "got", got)
                line = d.wait_log("closed why=handshake ", since).string
                check(reason in line, line)
                d.jump(0)
                equal(knock(d, version, member), None, "today again")


def test_reload_looks_at_the_calendar():
    """The old generation serves on, also by a worker that is new."""
    for days, reason in (400, "expired on "), (-400, "is not valid before "):
        with Jumpy(command(), pairs=False) as d:
            p = tls_connect(d)
            d.jump(days)
            text = d.reload_refused()
            for part in ('listener "c": ', leaf().cert, reason):
                check(part in text, part, "is missing:", text)
            talk(p)
            talk(tls_connect(d))
            since = d.mark()
            os.kill(d.workers()[0], signal.SIGKILL)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
            talk(tls_connect(d))
            d.jump(0)
            d.reload_ready()
            talk(tls_connect(d))


def visit(d, context, session=None):
    """Connect, talk, end: (resumed, the session that we have then)."""
    p = tls_connect(d, context=context, session=session)
    talk(p)
    result = p.tls.session_reused, p.tls.session
    p.close_notify()
    p.receive_all()
    p.sock.close()
    return result


def make_younger(session):
    """As if it had begun now.  Otherwise our OpenSSL would not offer it."""
    lib = openssl.load()
    # The pointer comes behind what each object of Python has.
    inner = ctypes.c_void_p.from_address(id(session) + object.__basicsize__)
    lib.SSL_SESSION_get_time.restype = ctypes.c_long
    if lib.SSL_SESSION_get_time(inner) != session.time:
        raise Skip("sessions of this Python cannot be changed")
    lib.SSL_SESSION_set_time(inner, ctypes.c_long(int(time.time())))


def resumes(d, context, session):
    make_younger(session)
    return visit(d, context, session)[0]


def test_sessions_end_in_time():
    """However far back the clock is set, a session has its timeout."""
    limit = 2 * SLOW
    for version in BOTH:
        for days in JUMPS:
            with Jumpy(command(keys(
                    session_timeout="%ds" % limit))) as d:
                context = client_context(version)
                begun = time.monotonic()
                session = visit(d, context)[1]
                d.jump(days)
                if days < 0:
                    check(resumes(d, context, session) or
                          time.monotonic() - begun > limit, "in time")
                wait_until(lambda: not resumes(d, context, session),
                           "the session to end")
                d.jump(0)
                wait_until(lambda: not resumes(d, context, session),
                           "the session to end, with the true clock")


def test_new_sessions_after_a_jump():
    for version in BOTH:
        for days in JUMPS:
            with Jumpy(command()) as d:
                context = client_context(version)
                visit(d, context)
                d.jump(days)
                resumed, session = visit(d, context)
                check(not resumed, "there was nothing to resume")
                check(resumes(d, context, session), version, days)
                check(resumes(d, context, session), "again")


def test_old_sessions_after_a_jump_forward():
    """By the calendar they are too old, so the handshake is a full one."""
    for version in BOTH:
        with Jumpy(command()) as d:
            context = client_context(version)
            session = visit(d, context)[1]
            check(resumes(d, context, session), "before")
            d.jump(400)
            check(not resumes(d, context, session), "after")


main()
