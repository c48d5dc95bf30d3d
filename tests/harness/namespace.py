"""A network and an /etc/resolv.conf of the test's own, in namespaces.

enter() moves the test program itself, so whatever it starts lives there, too.
Nothing outside is changed.  The loopback is up, and all ports are free.
"""

import contextlib
import ctypes
import os
import subprocess

from harness.build import make_directory
from harness.checks import Skip, need

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000

# In these nobody answers, not even that nobody is there.
SILENT4, SILENT6 = "198.51.100.2", "2001:db8:1::2"

_directory = None


def run(*command):
    result = subprocess.run(command, stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise Skip("%s: %s" % (" ".join(command), result.stderr.strip()))


def enter():
    """Do that once; Skip where it is refused."""
    global _directory
    if _directory is not None:
        return
    need("ip")
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNS | CLONE_NEWNET) == -1:
        raise Skip("no namespaces for the test: unshare: "
                   + os.strerror(ctypes.get_errno()))
    run("mount", "--make-rprivate", "/")
    run("ip", "link", "set", "lo", "up")
    directory = make_directory()
    for name in ("resolv.conf", "hosts"):
        path = os.path.join(directory, name)
        with open(path, "w"):
            pass
        os.chmod(path, 0o644)
        run("mount", "--bind", path, os.path.join("/etc", name))
    _directory = directory
    write_hosts()
    write_resolv_conf("nameserver 127.0.0.1")


def _write(name, lines):
    # It is mounted, so it cannot be replaced by a rename.
    with open(os.path.join(_directory, name), "w") as file:
        file.write("".join(line + "\n" for line in lines))


def write_hosts(*lines):
    _write("hosts", ("127.0.0.1 localhost",) + lines)


def write_resolv_conf(*lines):
    _write("resolv.conf", lines)


def silent_network():
    """Have the networks of SILENT4 and SILENT6."""
    if not os.path.exists("/proc/sys/net/ipv4/conf/silent"):
        run("ip", "link", "add", "silent", "type", "veth",
            "peer", "name", "nowhere")
        # Without ARP nobody notices that there is nobody.
        run("ip", "link", "set", "silent", "arp", "off")
        run("ip", "address", "add", "198.51.100.1/24", "dev", "silent")
        run("ip", "address", "add", "2001:db8:1::1/64", "dev", "silent",
            "nodad")
        run("ip", "link", "set", "silent", "up")
        run("ip", "link", "set", "nowhere", "up")


def has_ipv6():
    return os.path.exists("/proc/net/if_inet6")


@contextlib.contextmanager
def few_ports(first, last):
    """From which the kernel chooses the ports of sockets."""
    path = "/proc/sys/net/ipv4/ip_local_port_range"
    with open(path) as file:
        before = file.read()
    try:
        with open(path, "w") as file:
            file.write("%d %d" % (first, last))
        yield
    finally:
        with open(path, "w") as file:
            file.write(before)
