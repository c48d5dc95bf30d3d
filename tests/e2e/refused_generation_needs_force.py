"""A generation that was rolled back is not committed again without --force."""

from sluice_test import (Daemon, check, equal, expect_gone, listener, main,
                         receive, test_plugin)

REFUSED = (r"this is the same as generation 2, which was rolled back because "
           r"it crashed; to serve it nevertheless: sluicectl reload --force")


def room(at, **settings):
    return listener("room", test_plugin("crasher"),
                    options={"at": at, "how": "segv"}, **settings)


def crash(d):
    since = d.mark()
    s = d.connect()
    s.sendall(b"x")
    expect_gone(s)
    d.wait_log(r"was killed", since)


def take_back(d, number):
    for _ in range(3):
        crash(d)
    d.wait_log(r"generation %d ready \(as generation %d\)"
               % (number, number - 2))


def answers(d):
    s = d.connect()
    s.sendall(b"x")
    equal(receive(s, 1), b"x")


def change(d, *listeners):
    d.listeners[:] = listeners
    d.write_config()


def test_the_same_again():
    with Daemon(room("never"), pairs=False) as d:
        change(d, room("data"))
        equal(d.reload_ready(), 2)
        take_back(d, 3)
        for _ in range(2):
            said = d.reload_refused()
            check(REFUSED in said, said)
            check("reload refused: 1 problem; keeping generation 3" in said,
                  said)
        answers(d)
        # A different configuration is tried.
        change(d, room("never", backlog=7))
        equal(d.reload_ready(), 4)
        change(d, room("data", backlog=7))
        equal(d.reload_ready(), 5)
        # The bad one is still known.
        change(d, room("data"))
        check(REFUSED in d.reload_refused(), "forgotten")


def test_force():
    with Daemon(room("never"), pairs=False, control="control.sock") as d:
        change(d, room("data"))
        equal(d.reload_ready(), 2)
        take_back(d, 3)
        told = d.sluicectl("reload", "--wait")
        equal(told.returncode, 1, told.stderr)
        check("to serve it nevertheless: sluicectl reload --force" in
              told.stdout + told.stderr, told)
        told = d.sluicectl("reload", "--wait", "--force")
        equal(told.returncode, 0, told.stderr)
        d.wait_log("generation 4 ready: ")
        take_back(d, 5)
        check("the same as generation 4," in d.reload_refused(), "forgotten")


main()
