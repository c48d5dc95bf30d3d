"""A callback that holds up its worker is told of when it returns: which one, for
whom it ran, and how long it took."""

from sluice_test import (Daemon, check, compile_plugin, equal, listener, main,
                         receive, test_plugin)

SLOW = (r"worker 1: conn (\d+) (\w+) 127\.0\.0\.1:(\d+): callback data of "
        r"plugin crasher took (\d+) ms; all other connections of this worker "
        r"waited")


def room(ms, name="room"):
    return listener(name, test_plugin("crasher"),
                    options={"at": "data", "how": "sleep", "ms": ms})


def say(s, times):
    for _ in range(times):
        s.sendall(b"x")
        equal(receive(s, 1), b"x")


def counted(d, name="room"):
    """How many of its callbacks were slow."""
    for one in d.ask("status")["listeners"]:
        if one["name"] == name:
            return one["counts"]["slow_callbacks"]
    raise KeyError(name)



def test_each_is_counted_with_its_true_duration():
    """Also those that end before the master looks at them twice."""
    with Daemon(room(110), room(250, "long"), workers=1,
                control="control.sock") as d:
        s = d.connect("room")
        say(s, 12)
        equal(counted(d), 12)
        match = d.wait_log(SLOW)
        equal((match.group(2), int(match.group(3))),
              ("room", s.getsockname()[1]))
        check(110 <= int(match.group(4)) < 250, match.group(0))
        equal(d.ask("status")["workers"][0]["slow_callbacks"], 12)
        say(d.connect("long"), 1)
        equal((counted(d), counted(d, "long")), (12, 1))
        match = d.wait_log(SLOW.replace(r"(\w+)", "(long)"))
        check(int(match.group(4)) >= 250, match.group(0))


def test_a_callback_without_a_connection_is_named_by_its_listener():
    with Daemon(listener("room", test_plugin("crasher"),
                         options={"at": "start", "how": "sleep",
                                  "ms": 150})) as d:
        d.wait_log(r"worker 1: room: callback start of plugin crasher "
                   r"took \d+ ms; ")


LOADS = """
#include <unistd.h>
#include <sluice.h>

__attribute__((constructor)) static void
begin(void)
{
	usleep(120000);
}

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	return sl_write(c, buf, len);
}

SL_PLUGIN(.name = "loads", .version = "1",
    .server = SL_HANDLERS(.data = on_data));
"""


def test_a_plugin_that_is_slow_to_load_is_named():
    """Its constructors run where the callbacks do, and hold up as much."""
    with Daemon(room(5), workers=1) as d:
        compile_plugin(LOADS, d.path("loads.so"))
        d.listeners.append(listener("loads", "./loads.so"))
        d.write_config()
        d.reload_ready()
        match = d.wait_log(r"worker 1: loading of plugin \S*/loads\.so took "
                           r"(\d+) ms; all connections of this worker waited")
        check(int(match.group(1)) >= 120, match.group(0))


def test_lines_are_limited_and_those_left_out_are_counted():
    """Every callback is slow, and the log does not grow with them."""
    with Daemon(room(5), workers=1, slow_callback="5ms",
                control="control.sock") as d:
        say(d.connect(), 200)
        equal(counted(d), 200)
        lines = d.log_lines(SLOW)
        check(len(lines) < 60, len(lines), "lines")
        d.wait_log(SLOW + r"; \d+ more were slow since the last such line")


def test_the_limit_is_a_key_that_a_reload_changes():
    with Daemon(room(20), workers=1, slow_callback="10ms",
                control="control.sock") as d:
        s = d.connect()
        say(s, 1)
        equal(counted(d), 1)
        for value, added in (("0", 0), ("10s", 0), ("20ms", 1)):
            d.settings["slow_callback"] = value
            d.write_config()
            d.reload_ready()
            before = counted(d)
            say(s, 2)
            equal(counted(d), before + 2 * added, value)


if __name__ == "__main__":
    main()
