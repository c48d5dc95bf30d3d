"""The unit on a real systemd: start, reloads, stops, deaths, and its journal."""

import ctypes
import json
import os
import re
import signal
import time

from machine_test import (ADDRESS, ECHO, Machine, Skip, check, connect,
                          echoes, equal, expect_gone, is_alive, main,
                          wait_until)

PTRACE_ATTACH, WALL = 16, 0x40000000


def test_reload_says_whether_it_was_done():
    with Machine("sluice") as m:
        connection = connect(ADDRESS)
        echoes(connection)
        m.configure(ECHO + 'drain_timeout = "5s";\n')
        m.systemctl("reload")
        equal(m.generation(), 2)

        m.configure(ECHO + "wrokers = 1;\n")
        said = m.systemctl("reload", status=1)
        check("sluiced.service" in said, said)
        check(m.is_active())
        equal(m.generation(), 2)
        m.wait_message(r"sluice\.conf:6.*wrokers")
        # What sluicectl prints for systemctl is there, too.
        entries = [entry for entry in m.journal()
                   if "wrokers" in entry["MESSAGE"]]
        check({"sluiced", "sluicectl"} <= {entry["SYSLOG_IDENTIFIER"]
                                           for entry in entries}, entries)
        echoes(connection)


def test_sighup_reloads():
    with Machine("sluice") as m:
        m.run("systemctl", "kill", "--signal=HUP", "--kill-whom=main",
              "sluiced")
        m.wait_message("generation 2 ready")
        wait_until(lambda: "generation 2" in m.show("StatusText"),
                   "the status that systemctl shows")
        check(m.is_active())


def test_stop_lets_connections_end():
    """Also after TimeoutStopSec: the master asks for more time."""
    with Machine("sluice") as m:
        m.configure(ECHO + 'drain_timeout = "1m";\n')
        m.systemctl("reload")
        m.drop_in("[Service]\nTimeoutStopSec=2s\n")
        m.systemctl("restart")
        connection = connect(ADDRESS)
        echoes(connection)
        m.run("systemctl", "stop", "--no-block", "sluiced")
        wait_until(lambda: m.show("ActiveState") == "deactivating", "a stop")
        begun = time.monotonic()
        while time.monotonic() < begun + 4:
            echoes(connection)
            time.sleep(0.1)
        equal(m.show("ActiveState"), "deactivating")
        connection.close()
        m.check_no_process()
        equal(m.show("Result"), "success")


def seize(pid):
    """Stop a process for good: a stopped one would get SIGCONT from systemd."""
    if ctypes.CDLL(None).ptrace(PTRACE_ATTACH, pid, None, None) == -1:
        raise Skip("ptrace is refused")
    os.waitpid(pid, WALL)


def test_a_stop_that_hangs_is_ended_by_systemd():
    with Machine("sluice") as m:
        m.drop_in("[Service]\nTimeoutStopSec=1s\n")
        connection = connect(ADDRESS)
        echoes(connection)
        master = m.master()
        seize(master)
        m.run("systemctl", "stop", "--no-block", "sluiced")
        status = os.waitpid(master, WALL)[1]
        equal(os.WTERMSIG(status), signal.SIGKILL)
        m.check_no_process()
        wait_until(lambda: m.show("ActiveState") == "failed", "a failure")
        equal(m.show("Result"), "timeout")
        expect_gone(connection)
        m.systemctl("start")
        echoes(connect(ADDRESS))


def test_restart_is_another_daemon():
    with Machine("sluice") as m:
        before = m.master()
        m.systemctl("restart")
        check(m.master() != before)
        equal(m.generation(), 1)
        echoes(connect(ADDRESS))


def dies_and_comes_back(m, kill):
    m.drop_in("[Service]\nRestartSec=100ms\nWatchdogSec=2s\n"
              "TimeoutAbortSec=1s\n")
    m.systemctl("restart")
    master, old = m.master(), m.processes()
    connection = connect(ADDRESS)
    echoes(connection)
    kill(master)
    wait_until(lambda: m.show("NRestarts") == "1" and m.is_active(),
               "a restart")
    expect_gone(connection)
    echoes(connect(ADDRESS))
    check(not any(is_alive(pid) for pid in old), "an old process lives")
    equal(m.generation(), 1)


def test_a_killed_master_is_replaced():
    with Machine("sluice") as m:
        dies_and_comes_back(m, lambda pid: os.kill(pid, signal.SIGKILL))


def test_the_watchdog_replaces_a_master_that_hangs():
    with Machine("sluice") as m:
        dies_and_comes_back(m, lambda pid: os.kill(pid, signal.SIGSTOP))
        text = m.run("journalctl", "--no-pager", "--unit=sluiced")
        check("Watchdog timeout" in text, text)


def test_a_killed_worker_is_replaced_by_the_master():
    with Machine("sluice") as m:
        master, workers = m.master(), m.of_role("worker")
        os.kill(workers[0], signal.SIGKILL)
        wait_until(lambda: len(set(m.of_role("worker")) - {workers[0]})
                   == len(workers), "as many workers")
        equal(m.master(), master)
        equal(m.show("NRestarts"), "0")


def test_the_journal_has_levels():
    with Machine("sluice") as m:
        m.configure("nonsense\n")
        m.systemctl("reload", status=1)
        entries = [entry for entry in m.journal()
                   if entry["SYSLOG_IDENTIFIER"] == "sluiced"]
        levels = {entry["PRIORITY"] for entry in entries}
        check({"3", "6"} <= levels, levels)
        for entry in entries:
            check(not entry["MESSAGE"].startswith("<"), entry)
        equal([entry["PRIORITY"] for entry in entries
               if "generation 1 ready" in entry["MESSAGE"]], ["6"])
        # What an operator types when something is wrong.
        text = m.run("journalctl", "--no-pager", "--unit=sluiced",
                     "--priority=err", "--output=cat")
        check("nonsense" in text or "sluice.conf" in text, text)
        check("generation 1 ready" not in text, text)


def test_the_journal_has_objects():
    with Machine("sluice") as m:
        m.configure(ECHO + 'log : { format = "json"; access = true; };\n')
        m.systemctl("restart")
        connection = connect(ADDRESS)
        echoes(connection, b"12345")
        connection.close()
        line = m.wait_message('"why"')[0]
        said = json.loads(line)
        equal((said["listener"], said["in"], said["why"]),
              ("echo", 5, "peer"))
        entry = next(entry for entry in m.journal()
                     if entry["MESSAGE"] == line)
        equal((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"]),
              ("6", "sluiced"))


def test_the_journal_hears_syslog():
    """In the sandbox of the unit: /dev/log is there, and leads to the journal."""
    with Machine("sluice") as m:
        m.configure(ECHO + 'log : { syslog = "local3"; };\n')
        m.systemctl("restart")
        connection = connect(ADDRESS)
        echoes(connection, b"12345")
        connection.close()
        line = m.wait_message(r"conn \d+ echo .* closed why=peer in=5")[0]
        check(re.match(r"worker \d: ", line), line)
        entry = next(entry for entry in m.journal()
                     if entry["MESSAGE"] == line)
        equal((entry["PRIORITY"], entry["SYSLOG_IDENTIFIER"],
               entry["SYSLOG_FACILITY"], entry["_TRANSPORT"],
               entry["_SYSTEMD_UNIT"]),
              ("6", "sluiced", "19", "syslog", "sluiced.service"))
        m.configure(ECHO + 'nonsense\n')
        m.systemctl("reload", status=1)
        check([entry for entry in m.journal()
               if entry["PRIORITY"] == "3" and
               entry["_TRANSPORT"] == "syslog" and
               "nonsense" in entry["MESSAGE"]])


main()
