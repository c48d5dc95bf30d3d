"""No two connections have the same sl_id(), across workers, generations and
restarts."""

import os

from sluice_test import (Daemon, check, equal, id_of, listener, main, receive_line,
                         test_plugin)


def ids(d, count):
    found = []
    for _ in range(count):
        s = d.connect()
        found.append(id_of(s))
        s.close()
    return found


def test_workers_generations_and_respawns():
    with Daemon(listener("c", test_plugin("command"),
                         options={"trace": False}), workers=2) as d:
        found = ids(d, 50)
        d.reload_ready()
        found += ids(d, 50)
        since = d.mark()
        for pid in d.workers():
            os.kill(pid, 9)
        d.wait_log(r"worker 1 \(pid \d+\) started", since)
        d.wait_log(r"worker 2 \(pid \d+\) started", since)
        found += ids(d, 50)
        equal(len(set(found)), len(found), "different ids")
        check(min(found) > 0)


def test_find():
    with Daemon(listener("c", test_plugin("command"))) as d:
        one, two = d.connect(), d.connect()
        two.sendall(b"say x\n")
        receive_line(two)
        one.sendall(b"find 1\nfind 2\nfind 3\nfind 0\n")
        d.wait_trace("call find", 1, count=4)
        equal([line[-1] for line in d.messages("call find")],
              ["1", "1", "0", "0"])
        two.close()
        d.wait_trace("close", 2)
        since = d.mark()
        one.sendall(b"find 2\n")
        d.wait_trace("call find = 0", 1, since)


main()
