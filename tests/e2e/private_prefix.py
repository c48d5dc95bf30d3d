"""A prefix of one's own has its own run directory; the system's share /run."""

import os
import re
import shutil
import subprocess

from sluice_test import BUILD, Skip, check, equal, main, make_directory

MAKEFILE = os.path.join(BUILD, "Makefile")


def variable(name):
    with open(MAKEFILE) as file:
        return re.search(r"^%s = (.*)$" % name, file.read(), re.M).group(1)


def configured(*options):
    """The installed configuration, the directories, and the unit."""
    source = os.path.join(BUILD, variable("srcdir"))
    directory = make_directory()
    try:
        build, root = (os.path.join(directory, name)
                       for name in ("build", "root"))
        os.mkdir(build)
        for command in (
                [os.path.join(os.path.abspath(source), "configure"), "-q"] +
                list(options),
                ["make", "-s", "install-data-local",
                 "systemd/sluiced.service", "DESTDIR=" + root]):
            result = subprocess.run(command, cwd=build, text=True,
                                    stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT)
            if "source directory already configured" in result.stdout:
                raise Skip("the source directory is configured")
            equal(result.returncode, 0, result.stdout)
        path = next(path for path, _, files in os.walk(root)
                    if "sluice.conf" in files)
        with open(os.path.join(path, "sluice.conf")) as conf, \
             open(os.path.join(build, "systemd/sluiced.service")) as unit:
            return (conf.read(), [d[len(root):] for d, _, _ in
                                  os.walk(root)], unit.read())
    finally:
        shutil.rmtree(directory)


def test_a_prefix_of_ones_own():
    text, directories, unit = configured("--prefix=/home/x")
    check('control = "/home/x/var/run/sluice/control.sock"' in text, text)
    check("/home/x/var/run" in directories, directories)
    check("\nReadWritePaths=-/home/x/var/run\n" in unit, unit)


def test_the_systems_prefix():
    text, directories, unit = configured("--prefix=/usr", "--sysconfdir=/etc",
                                         "--localstatedir=/var")
    check('control = "/run/sluice/control.sock"' in text, text)
    check("/run" not in directories, directories)
    check("\nReadWritePaths=" not in unit, unit)


main()
