"""Many SIGHUPs cause one reload at a time, and the last one counts."""

import random
import re
import signal
import time

from sluice_test import (SANITIZED, Daemon, check, compile_plugin, descriptors,
                         equal, is_alive, listener, main, receive_line,
                         test_plugin, wait_until)


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s).split()[0]


def settled(d, since):
    """Have all reloads ended?  Then starts and verdicts match."""
    begun = len(d.log_lines(r"reloading \(", since))
    done = len(d.log_lines(r"generation \d+ ready|reload refused", since))
    return begun > 0 and begun == done


def test_coalesced():
    with Daemon(listener("stamp", test_plugin("stamp")), workers=2) as d:
        s = d.connect()
        equal(ask(s), "v1")
        since = d.mark()
        for _ in range(500):
            d.signal(signal.SIGHUP)
        wait_until(lambda: settled(d, since), "the last reload")
        for _ in range(20):
            equal(ask(s), "v1")
        count = len(d.log_lines(r"generation \d+ ready", since))
        check(1 <= count < 100, count, "reloads")
        for pid in d.workers():
            check(is_alive(pid))


def test_the_last_one_counts():
    """A change made before the last SIGHUP is served."""
    with Daemon(listener("stamp", test_plugin("stamp"),
                         options={"greeting": "0"})) as d:
        s = d.connect()
        for i in range(1, 31):
            d.listener("stamp")["options"]["greeting"] = str(i)
            d.write_config()
            d.signal(signal.SIGHUP)
        wait_until(lambda: ask(s) == "v130", "the last configuration")


def test_rewritten_in_between():
    """In the end the last file is served, whenever it was written."""
    seed = random.randrange(1 << 32)
    print("# seed %d" % seed)
    rng = random.Random(seed)
    count = 30 if SANITIZED else 150
    with Daemon(listener("stamp", test_plugin("stamp"),
                         options={"greeting": "0"}), workers=2) as d:
        workers = d.workers()
        s = d.connect()
        since = d.mark()
        for i in range(1, count + 1):
            d.listener("stamp")["options"]["greeting"] = ".%d" % i
            d.listener("stamp")["backlog"] = 1000 + i
            d.write_config()
            d.signal(signal.SIGHUP)
            time.sleep(rng.random() * 0.02)
            if i % 10 == 0:
                check(ask(s).startswith("v1"), "the connection is served")
        wait_until(lambda: settled(d, since), "the storm to end")
        equal(ask(s), "v1.%d" % count)
        equal(ask(d.connect()), "v1.%d" % count)
        equal(d.log_lines("refused", since), [])
        equal(d.workers(), workers, "workers")
        check(all(is_alive(pid) for pid in workers), "one died")


def test_good_and_bad_mixed():
    with Daemon(listener("stamp", "./stamp.so"), start=False) as d:
        compile_plugin("stamp", d.path("stamp.so"), VERSION="v1")
        d.start()
        s = d.connect()
        good = d.text()
        since = d.mark()
        for i in range(30):
            d.write("nonsense" if i % 2 else good)
            d.signal(signal.SIGHUP)
            equal(ask(s), "v1")
        d.write(good)
        wait_until(lambda: settled(d, since), "the storm to end")
        numbers = [int(re.search(r"generation (\d+)", line).group(1))
                   for line in d.log_lines(r"generation \d+ ready")]
        equal(numbers, list(range(1, len(numbers) + 1)), "generations")
        d.reload_ready()
        equal(ask(s), "v1")


def test_descriptors_come_back():
    """Many reloads leave no descriptor open in master or workers."""
    with Daemon(listener("stamp", test_plugin("stamp")), workers=2) as d:
        d.reload_ready()

        def held():
            return [len(descriptors(pid) or ())
                    for pid in [d.pid] + d.workers()]

        before = held()
        for _ in range(15):
            d.reload_ready()
        wait_until(lambda: held() == before,
                   lambda: "descriptors to be %s again, from %s"
                   % (before, held()))


main()
