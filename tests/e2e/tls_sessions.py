"""Sessions are resumed by any worker, but only where the same rules hold."""

import os
import signal
import ssl

from sluice_test import (Daemon, check, equal, main, test_plugin, wait_until)
from harness import certs
from harness.build import scratch
from harness.tls import (V12, V13, authority, client_context, keys, leaf,
                         tls_connect, tls_listener)

BOTH = V12, V13


def command(name="c", tls=None):
    return tls_listener(name, test_plugin("command"), tls)


def visit(d, context, session=None, listener=None, name="localhost"):
    """Connect, talk, end: (resumed, the session that we have then)."""
    p = tls_connect(d, listener, context, name, session)
    p.write(b"say hello\n")
    equal(p.receive(6), b"hello\n")
    result = p.tls.session_reused, p.tls.session
    p.close_notify()
    p.receive_all()
    p.sock.close()
    return result


def resumes(d, context, session, **where):
    return visit(d, context, session, **where)[0]


def first(d, context, **where):
    resumed, session = visit(d, context, None, **where)
    check(not resumed, "there was nothing to resume")
    check(session.has_ticket, "no ticket")
    return session


def refused(d, context, session, **where):
    """The client is not let in, with or without the session."""
    try:
        visit(d, context, session, **where)
    except (ssl.SSLError, ConnectionResetError):
        return
    check(False, "it was let in")


def test_by_another_worker():
    for version in BOTH:
        with Daemon(command(), workers=2) as d:
            context = client_context(version)
            session = first(d, context)
            served = set()
            for i in range(1, 200):
                if len(served) == 2 and i > 20:
                    break
                check(resumes(d, context, session), "visit", i)
                served = {line.split("worker ")[1][0] for line in
                          d.log_lines("trace .* open")}
            equal(len(served), 2, "workers that served")


def test_after_a_reload():
    """Also with another certificate: the rules for clients are the same."""
    for version in BOTH:
        with Daemon(command(), workers=1) as d:
            context = client_context(version)
            session = first(d, context)
            d.reload_ready()
            check(resumes(d, context, session), "after a reload")
            d.listener("c")["tls"] = keys(leaf("rsa", kind="rsa"))
            d.write_config()
            d.reload_ready()
            check(resumes(d, context, session), "with a new certificate")


def test_after_the_death_of_a_worker():
    for version in BOTH:
        with Daemon(command()) as d:
            context = client_context(version)
            session = first(d, context)
            d.wait_trace("close", 1)
            since = d.mark()
            os.kill(d.workers()[0], signal.SIGKILL)
            d.wait_log(r"worker 1 \(pid \d+\) started", since)
            check(resumes(d, context, session), "by the new worker")


def test_not_by_another_daemon():
    context = client_context()
    with Daemon(command()) as d:
        session = first(d, context)
    with Daemon(command()) as d:
        check(not resumes(d, context, session), "its keys are others")


def test_not_on_another_listener():
    for version in BOTH:
        with Daemon(command("a"), command("b")) as d:
            context = client_context(version)
            session = first(d, context, listener="a")
            check(not resumes(d, context, session, listener="b"), version)
            check(resumes(d, context, session, listener="a"), version)


def names(**second):
    entries = [keys(leaf("one", names=("DNS:one.test",)),
                    names=["one.test"]),
               keys(leaf("two", names=("DNS:two.test",)),
                    names=["two.test"], **second)]
    return command(tls=keys(sni=entries))


def test_not_under_another_name():
    for version in BOTH:
        with Daemon(names()) as d:
            context = client_context(version)
            session = first(d, context, name="one.test")
            check(resumes(d, context, session, name="one.test"), "itself")
            context.check_hostname = False
            for name in "two.test", "localhost", None:
                check(not resumes(d, context, session, name=name), name)


def test_not_past_the_verification_of_another_name():
    for version in BOTH:
        with Daemon(names(verify="require",
                          ca=authority("clients").cert)) as d:
            context = client_context(version)
            session = first(d, context, name="one.test")
            refused(d, context, session, name="two.test")


def guarded(**more):
    return command(tls=keys(verify="require", ca=authority("clients").cert,
                            **more))


def test_client_certificates_are_resumed():
    for version in BOTH:
        with Daemon(guarded()) as d:
            context = client_context(version,
                                     cert=leaf("member", "clients"))
            session = first(d, context)
            check(resumes(d, context, session), "with the same CA")


def test_not_when_the_rules_have_changed():
    revoked = leaf("revoked", "clients")
    crl = certs.crl(os.path.join(scratch(), "clients.crl"),
                    authority("clients"), revoked)
    open_ones, closed = keys(), guarded()["tls"]
    for version in BOTH:
        plain = client_context(version)
        member = client_context(version, cert=revoked)
        for context, before, after in (
                (plain, open_ones, closed),
                (member, closed, keys(verify="require",
                                      ca=authority("others").cert)),
                (member, closed, dict(closed, crl=crl))):
            with Daemon(command(tls=before)) as d:
                session = first(d, context)
                d.listener("c")["tls"] = after
                d.write_config()
                d.reload_ready()
                refused(d, context, session)


def test_without_tickets():
    for version in BOTH:
        with Daemon(command(tls=keys(tickets=False))) as d:
            context = client_context(version)
            resumed, session = visit(d, context)
            check(session is None or not session.has_ticket, "a ticket")
            if session is not None:
                check(not resumes(d, context, session), "by its id")


def test_tickets_turned_off():
    with Daemon(command()) as d:
        context = client_context(V12)
        session = first(d, context)
        d.listener("c")["tls"] = keys(tickets=False)
        d.write_config()
        d.reload_ready()
        check(not resumes(d, context, session), "an old ticket is accepted")


def test_session_timeout():
    for version in BOTH:
        with Daemon(command(tls=keys(session_timeout="1s"))) as d:
            context = client_context(version)
            session = first(d, context)
            wait_until(lambda: not resumes(d, context, session),
                       "the session to end", 5)


main()
