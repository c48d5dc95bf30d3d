"""Failing or skipping a test, and waiting for a condition."""

import os
import shutil
import socket
import time

from harness.places import patience


class Skip(Exception):
    """This test cannot run here; the text says why."""


class Failure(Exception):
    """The daemon did not keep a promise."""


def check(condition, *what):
    if not condition:
        raise Failure(" ".join(str(w) for w in what))


def equal(got, expected, what="value"):
    if got != expected:
        raise Failure("%s: got %s, expected %s"
                      % (what, brief(got), brief(expected)))


def brief(value):
    text = repr(value)
    return text if len(text) <= 300 else (
        "%s ... %s (%d characters)" % (text[:140], text[-140:], len(text)))


def wait_until(condition, what, seconds=None):
    """Poll until condition() is true, and return what it returned."""
    end = time.monotonic() + patience(seconds)
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise Failure("waited in vain for "
                          + (what() if callable(what) else what))
        time.sleep(0.005)


def need(program):
    path = shutil.which(program)
    if path is None:
        raise Skip("%s is not installed" % program)
    return path


def need_localhost():
    try:
        socket.getaddrinfo("localhost", None)
    except socket.gaierror as error:
        raise Skip("localhost has no address here (%s); see /etc/hosts" %
                   error.strerror) from None


def need_root():
    if os.geteuid() != 0:
        raise Skip("only root can test this")
