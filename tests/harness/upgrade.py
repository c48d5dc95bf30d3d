"""Daemons whose binary other files replace, and what is put there."""

import os

from harness.build import compiler, scratch
from harness.checks import check, equal, wait_until
from harness.daemon import Daemon
from harness.net import receive
from harness.places import SLUICED
from harness.process import descriptors, is_alive
from harness.program import run_program

OLD, NEW = b"0.1.0", b"9.9.9"


def binary():
    return os.path.join(scratch(), "sluiced")


def bytes_of(path):
    with open(path, "rb") as file:
        return file.read()


def replace(content, mode=0o755):
    """As a package manager does: another file comes under the name."""
    with open(binary() + ".new", "wb") as file:
        file.write(content)
    os.chmod(binary() + ".new", mode)
    os.rename(binary() + ".new", binary())


def newer():
    """A binary that says that it is of another version."""
    content = bytes_of(SLUICED)
    check(b"sluiced " + OLD in content, "the version in the binary")
    return content.replace(b"sluiced " + OLD, b"sluiced " + NEW)


def program(body):
    """A binary that does something else."""
    source = os.path.join(scratch(), "other.c")
    with open(source, "w") as file:
        file.write("#include <signal.h>\n#include <stdio.h>\n"
                   "#include <stdlib.h>\n#include <string.h>\n"
                   "#include <sys/resource.h>\n#include <unistd.h>\n"
                   "int main(int argc, char **argv)\n"
                   "{ (void)argc; (void)argv; %s; return 0; }" % body)
    result = run_program(compiler("CC", "cc") + ["-o", source[:-2], source])
    equal(result.returncode, 0, result.stderr)
    return bytes_of(source[:-2])


def trial_format():
    """What a binary has to say first in a trial."""
    result = run_program([SLUICED, "--child", "trial", "/nowhere"])
    first = result.stdout.split("\n")[0]
    check(first.startswith("sluiced takes over format "), result.stdout)
    return first.split(": ")[0]


def boastful(spoil=""):
    """A binary that takes itself for good, and is the newer one."""
    path = os.path.join(scratch(), "boastful")
    with open(path, "wb") as file:
        file.write(newer())
    os.chmod(path, 0o755)
    return program('if (argc > 2 && strcmp(argv[2], "trial") == 0)\n'
                   '{ puts("%s: sluiced 9.9.9\\nready"); return 0; }\n'
                   '%s; execv("%s", argv)' % (trial_format(), spoil, path))


def daemon(*listeners, env=None, launcher=(), **settings):
    replace(bytes_of(SLUICED))
    return Daemon(*listeners, control="control.sock", pairs=False,
                  launcher=list(launcher) + [
                      "/bin/sh", "-c", 'shift; exec "$BINARY" "$@"', "sh"],
                  env=dict(env or {}, BINARY=binary()), **settings)


def echoes(s, data=b"x"):
    s.sendall(data)
    equal(receive(s, len(data)), data)


def run(d, *words, status=0):
    result = d.sluicectl(*words)
    equal(result.returncode, status, result.stdout + result.stderr)
    return result.stdout + result.stderr


def sockets_of(pid):
    return {what for what in (descriptors(pid) or {}).values()
            if what.startswith("socket:")}


def accept_no_more(d):
    """Wait until old workers have closed the sockets that the master has."""
    def accept(one):
        return (one["state"] == "draining"
                and sockets_of(one["pid"]) & sockets_of(d.pid))
    wait_until(lambda: not any(map(accept, d.ask("status")["old_workers"])),
               "the old workers to accept no more")


def upgraded(d, generation=2, settles=True):
    replace(newer())
    said = run(d, "upgrade")
    check("generation %d ready" % generation in said, said)
    if settles:
        accept_no_more(d)


def old_workers_end(d, old):
    wait_until(lambda: not any(is_alive(pid) for pid in old),
               "the old workers to end")


def row(d, name="echo"):
    return next(one for one in d.ask("status")["listeners"]
                if one["name"] == name)
