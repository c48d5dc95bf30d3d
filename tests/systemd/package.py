"""The packages: installed, upgraded, removed and purged by dpkg."""

import os

from machine_test import (ADDRESS, ECHO, SOURCE, Machine, check, connect,
                          echoes, equal, main, wait_until)

CONF = "/etc/sluice/sluice.conf"
# What dpkg and users of Debian packages keep, or what the machine itself writes.
OURS_NOT = ("/var/lib/dpkg/", "/var/log/", "/var/tmp/", "/var/cache/",
            "/var/lib/systemd/", "/etc/passwd", "/etc/group", "/etc/shadow",
            "/etc/gshadow", "/etc/.pwd.lock")


def files(m):
    found = m.run("find", "/", "-xdev", "-not", "-type", "d").splitlines()
    found += m.run("find", "/run", "-name", "*sluice*").splitlines()
    return {path for path in found if not path.startswith(OURS_NOT)}


def test_it_serves_when_it_is_installed_and_is_enabled():
    with Machine("sluice") as m:
        check(m.is_active())
        equal(m.systemctl("is-enabled").strip(), "enabled")
        echoes(connect(ADDRESS))
        equal(m.generation(), 1)
        equal(m.run("sluiced", "-t", status=0).count("\n") > 0, True)


def test_all_plugins_are_there():
    """The example with all of them is one that can be served."""
    with Machine("sluice", "sluice-plugins") as m:
        m.run("cp", "/usr/share/doc/sluice/examples/sluice.conf", CONF)
        m.systemctl("reload")
        equal(m.generation(), 2)
        connection = connect("127.0.0.1:7010")
        connection.sendall(b"four\n")
        equal(connection.recv(100), b"1: 4\n")


def test_an_upgrade_keeps_the_configuration_and_serves_again():
    with Machine("sluice") as m:
        m.configure(ECHO.replace("7007", "7008"))
        edited = m.read(CONF)
        before = m.master()
        m.install("sluice")
        equal(m.read(CONF), edited)
        check(m.master() != before, "the old daemon still runs")
        echoes(connect("127.0.0.1:7008"))


def test_removed_it_has_stopped_and_keeps_the_configuration():
    with Machine("sluice") as m:
        m.configure(ECHO + "# mine\n")
        m.run("dpkg", "--remove", "sluice")
        m.check_no_process()
        check("# mine" in m.read(CONF))
        m.install("sluice")
        check("# mine" in m.read(CONF))
        echoes(connect(ADDRESS))


def test_purged_it_leaves_nothing():
    with Machine() as m:
        before = files(m)
        m.install("sluice")
        m.install("sluice-plugins")
        m.install("sluice-dev")
        check(len(files(m)) > len(before) + 20, "files were not seen")
        m.run("dpkg", "--purge", "sluice-dev", "sluice-plugins", "sluice")
        wait_until(lambda: not m.exists("/run/sluice"), "no /run/sluice")
        equal(files(m) - before, set(), "files that are left")
        equal(m.run("systemctl", "--failed", "--plain", "--no-legend"), "")


def test_the_autopkgtest():
    """A plugin is made with sluice-dev, served, and replaced."""
    path = os.path.join(SOURCE, "packaging/debian/tests/serve-plugin")
    with Machine("sluice", "sluice-plugins", "sluice-dev") as m:
        with open(path) as file:
            m.write("/usr/local/bin/serve-plugin", file.read(), 0o755)
        m.run("/usr/local/bin/serve-plugin")
        check(m.is_active())
        equal(m.generation(), 2)


main()
