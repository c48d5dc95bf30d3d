"""Another program takes over: systemd sees the same service all the while."""

import os
import re
import socket

from machine_test import (ADDRESS, ECHO, Machine, check, connect, echoes,
                          equal, main, wait_until)

PROGRAM = "/usr/sbin/sluiced"


def replace_program(m):
    """The same, but another file, as dpkg does."""
    m.run("cp", "--preserve", PROGRAM, PROGRAM + ".new")
    m.run("mv", PROGRAM + ".new", PROGRAM)


def program_of(pid):
    return os.stat("/proc/%d/exe" % pid).st_ino


def life(m):
    """What stays as long as it is the same service."""
    return [m.show(name) for name in (
        "MainPID", "NRestarts", "ActiveEnterTimestampMonotonic",
        "ExecMainStartTimestampMonotonic", "InvocationID")]


def notices(m, regex):
    """What systemd has been told, in order; it says so at level debug."""
    text = m.run("journalctl", "--no-pager", "--output=cat", "_PID=1")
    return re.findall(r"sluiced\.service: Got notification message from PID "
                      r"(\d+) \(([^)]*%s[^)]*)\)" % regex, text)


def wait_notices(m, regex, count):
    return wait_until(lambda: (lambda found: len(found) >= count and found)(
        notices(m, regex)), "%d times %s" % (count, regex))


def listen_debug(m):
    m.run("systemd-analyze", "log-level", "debug")


def serves(m, generation):
    equal(m.generation(), generation)
    check(m.is_active(), m.show("ActiveState"))
    echoes(connect(ADDRESS))


def test_it_is_the_same_service():
    with Machine("sluice") as m:
        listen_debug(m)
        connection = connect(ADDRESS)
        echoes(connection)
        master, before = m.master(), life(m)
        old, worker = program_of(master), m.of_role("worker")
        changed = int(m.show("StateChangeTimestampMonotonic"))
        replace_program(m)
        m.run("sluicectl", "upgrade")

        equal(m.master(), master)
        check(program_of(master) != old, "it is the old program")
        serves(m, 2)
        equal(life(m), before)
        # It went from active to reloading and back.
        check(int(m.show("StateChangeTimestampMonotonic")) > changed)
        pid = before[0]
        told = [text for by, text in wait_notices(m, "READY=1|RELOADING=1", 2)
                if by == pid]
        equal([re.search("READY|RELOADING", text)[0] for text in told],
              ["RELOADING", "READY"], told)
        wait_until(lambda: "generation 2" in m.show("StatusText"),
                   "the status that systemctl shows")
        m.wait_message("generation 2 ready")
        # The connection stays with its worker.
        echoes(connection)
        check(set(worker) & set(m.of_role("worker")), "no old worker")


def test_reloads_and_a_stop_after_it():
    with Machine("sluice") as m:
        m.configure(ECHO + 'drain_timeout = "1m";\n')
        m.systemctl("reload")
        connection = connect(ADDRESS)
        echoes(connection)
        m.run("sluicectl", "upgrade")
        before = life(m)
        m.systemctl("reload")
        serves(m, 4)
        m.configure("wrokers = 1;\n")
        m.systemctl("reload", status=1)
        m.wait_message("wrokers")
        serves(m, 4)
        m.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main",
              "sluiced")
        m.wait_message("reload refused", 2)
        equal(life(m), before)
        # The old worker's connection may end as those of the others.
        m.run("systemctl", "stop", "--no-block", "sluiced")
        wait_until(lambda: m.show("ActiveState") == "deactivating", "a stop")
        echoes(connection)
        connection.close()
        m.check_no_process()
        equal(m.show("Result"), "success")


def test_the_watchdog_hears_the_new_program():
    with Machine("sluice") as m:
        listen_debug(m)
        m.drop_in("[Service]\nWatchdogSec=2s\n")
        m.systemctl("restart")
        before = life(m)
        m.run("sluicectl", "upgrade")
        beats = len(notices(m, "WATCHDOG=1"))
        # It would be restarted if four did not come.
        wait_notices(m, "WATCHDOG=1", beats + 6)
        equal(life(m), before)


def test_one_that_cannot_take_over_changes_nothing():
    with Machine("sluice") as m:
        connection = connect(ADDRESS)
        echoes(connection)
        master, before = program_of(m.master()), life(m)
        m.configure("wrokers = 1;\n")
        replace_program(m)
        said = m.run("sluicectl", "upgrade", status=1)
        check("wrokers" in said, said)
        m.run("sh", "-c", "echo text > %s.new && chmod 755 %s.new && "
              "mv %s.new %s" % ((PROGRAM,) * 4))
        m.run("sluicectl", "upgrade", status=1)
        wait_until(m.is_active, "the old state")
        equal(life(m), before)
        equal(program_of(m.master()), master)
        serves(m, 1)
        echoes(connection)


def test_one_that_cannot_serve_is_no_end():
    """The old workers serve, and the service is active, not reloading."""
    with Machine("sluice") as m:
        connection, before = connect(ADDRESS), life(m)
        echoes(connection)
        with socket.create_server(("127.0.0.1", 7008)):
            m.configure(ECHO.replace('"127.0.0.1:7007"',
                                     '["127.0.0.1:7007", "127.0.0.1:7008"]'))
            replace_program(m)
            said = m.run("sluicectl", "upgrade", status=1)
            check("in use" in said, said)
            wait_until(lambda: m.is_active()
                       and "cannot serve" in m.show("StatusText"),
                       "the state of the service")
            echoes(connection)
            echoes(connect(ADDRESS))
        m.run("systemctl", "kill", "--signal=USR2", "--kill-whom=main",
              "sluiced")
        wait_until(lambda: "generation 2" in m.show("StatusText"),
                   "the way out")
        serves(m, 2)
        echoes(connection)
        echoes(connect("127.0.0.1:7008"))
        equal(life(m), before)


main()
