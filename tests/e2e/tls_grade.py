"""testssl.sh has nothing to object to in our TLS."""

import json
import os
import shutil
import signal
import subprocess

from sluice_test import Daemon, Skip, check, equal, main, plugin, scratch
from harness import certs
from harness.places import patience
from harness.tls import authority, keys, tls_listener

# Protocols, ciphers, forward secrecy, defaults, preferences, headers (which
# versions that give a grade require), vulnerabilities.  All of them wait for
# answers that a server without faults never sends: about 100 seconds.
CHECKS = "-p", "-s", "-f", "-S", "-P", "-h", "-U"
LONGEST_SECONDS = 180
# FATAL: it has given up.  Below MEDIUM is LOW, and what is only told.
BAD = "MEDIUM", "HIGH", "CRITICAL", "FATAL"
# A certificate has to have one.  Nothing is fetched from it.
REVOCATION = "crlDistributionPoints = URI:http://localhost/ca.crl"


def pair():
    """An RSA and an EC certificate, each with the CA between it and the root."""
    middle = certs.make(scratch(), "middle", authority(), ca=True)
    for kind in ("rsa", "ec"):
        leaf = certs.make(scratch(), kind, middle, kind=kind,
                          subject="localhost", names=("DNS:localhost",),
                          more=REVOCATION)
        leaf.cert = certs.chain(leaf.cert + ".chain", leaf, middle)
        yield leaf


def run(command):
    """Its children go with it."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL,
                               start_new_session=True)
    try:
        process.wait(patience(LONGEST_SECONDS))
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def findings(d):
    """What it says about the listener: {id of a finding: its rows}."""
    program = shutil.which("testssl") or shutil.which("testssl.sh")
    if program is None:
        raise Skip("testssl.sh is not installed")
    path = os.path.join(scratch(), "found.json")
    # It does not look up any name, and connects to us alone.
    command = [program, *CHECKS, "--quiet", "--color", "0", "--warnings",
               "off", "--nodns", "none", "--ip", "127.0.0.1", "--add-ca",
               authority().cert, "--jsonfile", path,
               "localhost:%d" % d.port("echo")]
    run(command)
    found = {}
    with open(path) as file:
        for row in json.load(file):
            name = row["id"].split(" ")[0]
            found.setdefault(name, []).append(row)
    return found


def texts(found, name):
    return [row["finding"] for row in found.get(name, [])]


def test_nothing_of_medium_severity_or_worse():
    with Daemon(tls_listener("echo", plugin("echo"), keys(*pair()))) as d:
        found = findings(d)
    bad = ["%(severity)s %(id)s: %(finding)s" % row
           for rows in found.values() for row in rows
           if row["severity"] in BAD]
    check(not bad, "\n".join(bad))
    # It has got so far as to know.
    for name, text in (("TLS1_2", "offered"), ("TLS1_1", "not offered"),
                       ("heartbleed", "not vulnerable"),
                       ("LUCKY13", "not vulnerable")):
        check(texts(found, name)[0].startswith(text), name,
              texts(found, name))
    equal(texts(found, "cert_chain_of_trust"), ["passed.", "passed."],
          "both chains")
    # Version 3.0 gives no grade.
    for grade in texts(found, "overall_grade"):
        equal(grade, "A+", "grade")


main()
