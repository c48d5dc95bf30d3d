"""A system without what sluiced needs: one line says so, and what to do."""

import os
import re
import subprocess

from sluice_test import (SANITIZED, SLUICED, Daemon, Skip, check, equal,
                         listener, main, need, need_root, plugin,
                         run_program)

ECHO = listener("echo", plugin("echo"))


def errors(before, arguments=(), **settings):
    """The errors of a start that fails, after commands of a shell."""
    d = Daemon(*settings.pop("listeners", [ECHO]), start=False, **settings)
    shell = before + '; exec "$@"'
    arguments = [a.replace("CONF", d.config) for a in arguments or
                 ("-c", "CONF")]
    result = run_program(["sh", "-c", shell, "sh", SLUICED] + arguments)
    d.remove()
    equal(result.returncode, 1, result.stderr)
    if "-c" not in arguments or "-t" in arguments:
        return result.stderr.splitlines()
    return re.findall(r" error master: (.*)", result.stderr)


def inside(flags, before):
    """The same in namespaces; the shell of `before` is in them."""
    need_root()
    if SANITIZED:
        raise Skip("the sanitizers need /proc")
    command = [need("unshare")] + flags
    if subprocess.run(command + ["true"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("no namespaces here")
    quoted = " ".join(command)
    return "[ -n \"$INSIDE\" ] || INSIDE=1 exec %s sh -c '%s; exec \"$@\"' " \
        "sh \"$@\"" % (quoted, before)


def one_line(lines, *parts):
    equal(len(lines), 1, lines)
    for part in parts:
        check(part in lines[0], part, "in", lines[0])


def test_memory_may_not_be_executed():
    before = inside(["--pid", "--fork", "--mount-proc"],
                    "echo 2 > /proc/sys/vm/memfd_noexec")
    result = run_program(["sh", "-c", before, "sh", "cat",
                          "/proc/sys/vm/memfd_noexec"])
    if result.stdout.strip() != "2":
        raise Skip("this kernel has no vm.memfd_noexec of a pid namespace")
    for arguments in ((), ("-t", "-c", "CONF"),
                      ("--describe", plugin("echo"))):
        one_line(errors(before, arguments),
                 "set the sysctl vm.memfd_noexec")


def test_proc_of_another_namespace():
    before = inside(["--pid", "--fork"], "true")
    for arguments in ((), ("-t", "-c", "CONF"),
                      ("--describe", plugin("echo"))):
        one_line(errors(before, arguments), "another pid namespace",
                 "unshare --mount-proc")


def test_no_proc():
    before = inside(["--mount"], "mount -t tmpfs none /proc")
    one_line(errors(before), "/proc is not mounted", "mount -t proc")


def test_no_dev_null():
    one_line(errors(inside(["--mount"], "mount -t tmpfs none /dev")),
             "cannot start: cannot open /dev/null", "make /dev complete")


def test_root_without_the_right_to_change_users():
    """As in a container, or in a user namespace."""
    need_root()
    for before in (inside(["--user", "--map-root-user"], ":"),
                   "exec %s --bounding-set=-setuid,-setgid \"$@\""
                   % need("setpriv")):
        d = Daemon(ECHO, start=False, user="nobody")
        result = run_program(["sh", "-c", before + '; exec "$@"', "sh",
                              SLUICED, "-c", d.config])
        d.remove()
        equal(result.returncode, 1, result.stderr)
        check(re.search(r"error probe: cannot become uid \d+, gid \d+: "
                        r"set\w+: (Operation not permitted: root has no "
                        r"CAP_SETUID or CAP_SETGID here; allow them, or|"
                        r"Invalid argument: this user namespace has no such)",
                        result.stderr), result.stderr)


def test_hardly_any_descriptors():
    one_line(errors("ulimit -n 8"), "at least 16", "LimitNOFILE=")


def test_too_few_descriptors_for_the_addresses():
    if SANITIZED:
        raise Skip("the sanitizers need descriptors")
    many = [listener("l%d" % number, plugin("echo")) for number in range(200)]
    lines = errors("ulimit -n 60", listeners=many)
    equal(len(lines), 2, lines)
    check(re.search(r"sluice\.conf:\d+: cannot listen on .*: Too many open "
                    r"files: the limit RLIMIT_NOFILE is 60; raise it",
                    lines[0]), lines[0])
    equal(lines[1], "could not start: 1 problem")


def test_too_few_descriptors_for_the_plugins():
    if SANITIZED:
        raise Skip("the sanitizers need descriptors")
    d = Daemon(start=False)
    with open(plugin("echo"), "rb") as file:
        code = file.read()
    for number in range(60):
        with open(d.path("p%d.so" % number), "wb") as file:
            file.write(code + b"%d" % number)       # each another image
    lines = errors("ulimit -n 30", listeners=[
        listener("l%d" % number, d.path("p%d.so" % number))
        for number in range(60)])
    equal(len(lines), 2, lines)
    check(re.search(r"plugin: .*: Too many open files: the limit "
                    r"RLIMIT_NOFILE is 30; raise it", lines[0]), lines[0])
    d.remove()


def test_a_link_local_address_without_its_interface():
    lines = errors("true", listeners=[
        listener("echo", plugin("echo"), listen="[fe80::1]:7777")])
    check(re.search(r"sluice\.conf:\d+: .*link-local.*\[fe80::1%eth0\]:7777",
                    lines[0]), lines)


def test_a_port_that_needs_a_capability():
    need_root()
    d = Daemon(listener("echo", plugin("echo"), listen="*:80"), start=False)
    os.chown(d.directory, 65534, 65534)
    # A network of its own has the kernel's default for these ports.
    d.launcher = [need("unshare"), "--net", need("setpriv"),
                  "--reuid=65534", "--regid=65534", "--clear-groups"]
    if subprocess.run(d.launcher + ["true"],
                      stderr=subprocess.DEVNULL).returncode != 0:
        d.remove()
        raise Skip("no namespaces here")
    with d:
        d.start(wait=False)
        d.wait_exit(1)
        line = d.log_lines(r" error master: .*\.conf:\d+: ")[0]
        for part in ("ports below 1024 need the capability "
                     "CAP_NET_BIND_SERVICE", "uid 65534",
                     "net.ipv4.ip_unprivileged_port_start"):
            check(part in line, part, "in", line)


def start_as(d, *command):
    """A start that fails, without privileges.  Returns the first error."""
    need_root()
    os.chown(d.directory, 54321, 65534)
    d.launcher = [need("setpriv"), "--reuid=54321", "--regid=65534",
                  "--clear-groups"] + list(command)
    with d:
        d.start(wait=False)
        d.wait_exit(1)
        return d.log_lines(r" error master: ")[0]


def test_too_few_processes():
    if SANITIZED:
        raise Skip("the sanitizers need another one to look for leaks")
    line = start_as(Daemon(ECHO, start=False), need("prlimit"), "--nproc=1")
    for part in ("cannot start a reader: no more processes are allowed",
                 "ulimit -u for uid 54321", "TasksMax="):
        check(part in line, part, "in", line)


def test_a_socket_for_somebody_else():
    d = Daemon(listener("echo", plugin("echo"), owner="daemon"), start=False)
    d.listeners[0]["listen"] = "unix:" + d.path("socket")
    d.write_config()
    line = start_as(d)
    check("Operation not permitted; leave out owner, or start sluiced as root"
          in line, line)


main()
