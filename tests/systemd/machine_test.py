"""What tests on a real systemd import: a machine of their own.

A test is a program with functions named test_*, which ends with main().  Each
boots a Machine, installs the packages of `make deb` there, and asks systemd.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

from harness.checks import Failure, Skip, check, equal, wait_until
from harness.machine import Machine
from harness.net import connect, expect_gone, receive, receive_all
from harness.places import SOURCE
from harness.process import is_alive, title
from harness.runner import main

ECHO = """
listeners = (
	{ name = "echo"; listen = "127.0.0.1:7007"; plugin = "echo"; }
);
"""
ADDRESS = "127.0.0.1:7007"


def echoes(connection, text=b"hello"):
    connection.sendall(text)
    equal(receive(connection, len(text)), text)


def status_fields(pid):
    """What /proc says of a process, by name."""
    with open("/proc/%d/status" % pid) as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file
                    if ":\t" in line)
