"""SIGTERM at any moment of a reload: exit status 0, and no process is left."""

import os
import random
import signal
import time

from sluice_test import (SANITIZED, Daemon, compile_plugin, equal, listener,
                         main, receive_line, scratch)

ROUNDS = 8 if SANITIZED else 30
LONGEST = 0.12		# seconds; a reload of one plugin is over by then


def test_sigterm_storm():
    seed = random.randrange(1 << 32)
    print("# seed %d" % seed)
    rng = random.Random(seed)
    images = []
    for version in ("v1", "v2"):
        with open(compile_plugin(
                "stamp", os.path.join(scratch(), version + ".so"),
                VERSION=version), "rb") as file:
            images.append(file.read())
    for i in range(ROUNDS):
        moment = rng.random() * LONGEST
        print("# round %d: after %.2f ms" % (i, moment * 1000))
        with Daemon(listener("stamp", "./stamp.so"), start=False,
                    workers=2) as d:
            def install(content):
                with open(d.path("stamp.new"), "wb") as file:
                    file.write(content)
                os.chmod(d.path("stamp.new"), 0o755)
                os.rename(d.path("stamp.new"), d.path("stamp.so"))

            install(images[0])
            d.start()
            s = d.connect()
            s.sendall(b"x\n")
            equal(receive_line(s), "v1 1 x")
            install(images[1])
            d.signal(signal.SIGHUP)
            time.sleep(moment)
            d.signal(signal.SIGTERM)
            # Open connections are served to their end.
            s.sendall(b"y\n")
            equal(receive_line(s)[2:], " 2 y")
            s.close()
            d.wait_exit()	# checks status, orphans and the log


main()
