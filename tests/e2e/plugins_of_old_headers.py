"""Plugins built with the header of any released version can be loaded."""

import os
import subprocess

from sluice_test import (Daemon, SOURCE, TEST_SOURCES, check, compiler,
                         listener, main, receive_line)

HEADERS = os.path.join(SOURCE, "tests/abi")


def test_every_header():
    versions = sorted(os.listdir(HEADERS))
    check("0.1.0" in versions, "the first header is gone: %s" % versions)
    for version in versions:
        with Daemon(listener("old", "./old.so"), start=False) as d:
            subprocess.run(
                compiler("CC", "cc") +
                ["-std=gnu11", "-fPIC", "-shared", "-fvisibility=hidden",
                 "-I" + os.path.join(HEADERS, version),
                 '-DVERSION="of %s"' % version, "-o", d.path("old.so"),
                 os.path.join(TEST_SOURCES, "stamp.c")], check=True)
            d.start()
            s = d.connect()
            s.sendall(b"hello\n")
            check(("of " + version) in receive_line(s),
                  "version %s does not answer" % version)


main()
