"""The status process serves what sluicectl shows, over HTTP."""

import json
import os
import signal

from sluice_test import (SANITIZED, Daemon, Skip, check, close_all, equal,
                         fetch, free_address, listener, main, memory,
                         page_addresses, page_process, plugin, receive,
                         test_plugin, wait_until)

STATUS = {"listen": "127.0.0.1:0"}
OPEN = "application/openmetrics-text"


def echo(name, **settings):
    return listener(name, plugin("echo"), **settings)


def stable(text):
    """Without what differs from one moment to the next."""
    return [line for line in text.splitlines()
            if "uptime" not in line and "resident_memory" not in line]


def test_what_is_at_each_path():
    with Daemon(echo("a"), echo("b"), status=STATUS, workers=2,
                control="control.sock") as d:
        s = d.connect("a")
        s.sendall(b"hello")
        equal(receive(s, 5), b"hello")
        equal((fetch(d, "/healthz").status, fetch(d, "/healthz").text),
              (200, "ok\n"))
        equal((fetch(d, "/readyz").status, fetch(d, "/readyz").text),
              (200, "ready\n"))
        asked = d.ask("status")
        # The page may be a second old.
        wait_until(lambda: json.loads(fetch(d, "/status.json").text)
                   ["listeners"] == asked["listeners"], "the same as status")
        answer = fetch(d, "/status.json")
        equal(answer.headers["content-type"], "application/json")
        equal(json.loads(answer.text).keys(), asked.keys())
        answer = fetch(d, "/metrics")
        equal(answer.headers["content-type"],
              "text/plain; version=0.0.4; charset=utf-8")
        equal(stable(answer.text), stable(d.sluicectl("metrics").stdout))
        answer = fetch(d, "/metrics", Accept=OPEN)
        equal(answer.headers["content-type"],
              OPEN + "; version=1.0.0; charset=utf-8")
        equal(stable(answer.text),
              stable(d.sluicectl("metrics", "--openmetrics").stdout))
        s.close()


def test_every_answer_is_whole_and_safe():
    with Daemon(echo("a"), status=STATUS) as d:
        for path in "/healthz", "/nothing", "/status.json":
            answer = fetch(d, path)
            equal(int(answer.headers["content-length"]), len(answer.body))
            equal(answer.headers["cache-control"], "no-store")
            equal(answer.headers["x-content-type-options"], "nosniff")
            check("default-src 'none'"
                  in answer.headers["content-security-policy"])
            head = fetch(d, path, method="HEAD")
            equal((head.status, head.body), (answer.status, b""))
            equal(head.headers["content-type"],
                  answer.headers["content-type"])
        answer = fetch(d, "/nothing?/healthz")
        equal(answer.status, 404)
        check("/metrics" in answer.text and "/healthz" in answer.text)
        equal(fetch(d, "/healthz?x=y&/").status, 200)
        for method in "POST", "PUT", "DELETE", "OPTIONS", "BREW":
            answer = fetch(d, "/healthz", method=method)
            equal((answer.status, answer.headers["allow"]),
                  (405, "GET, HEAD"), method)


def test_without_the_key_there_is_no_process():
    with Daemon(echo("a")) as d:
        check(not page_addresses(d), "there is a page")
        equal(d.messages("status"), [])


def test_it_needs_little_memory():
    """Of a hundred listeners that all have something to show."""
    if SANITIZED:
        raise Skip("the sanitizers need memory themselves")
    with Daemon(*[echo("listener-%d" % i) for i in range(100)], status=STATUS,
                workers=2) as d:
        made = [d.connect("listener-%d" % i) for i in range(100)]
        for s in made:
            s.sendall(b"hello")
            equal(receive(s, 5), b"hello")
        wait_until(lambda: "<svg" in fetch(d, "/").text, "some history")
        pid = page_process(d)
        for _ in range(3):
            seen = fetch(d, "/status.json").body
            for path in "/", "/metrics", "/readyz":
                equal(fetch(d, path).status, 200)
            equal(fetch(d, "/metrics", Accept=OPEN).status, 200)
            # The answer of another second has been read.
            wait_until(lambda: fetch(d, "/status.json").body != seen, "news")
        check(memory(pid) <= 8 << 20, memory(pid) / (1 << 20), "MiB")
        close_all(made)


def test_unix_sockets():
    with Daemon(echo("a"), start=False) as d:
        path = d.path("page")
        d.settings["status"] = {"listen": ["unix:" + path, "unix:@sluice-page-"
                                           + free_address()], "mode": "0600"}
        d.write_config()
        d.start()
        equal(os.stat(path).st_mode & 0o777, 0o600)
        for address in page_addresses(d):
            equal(fetch(d, "/readyz", address=address).text, "ready\n")


def test_a_daemon_that_stops_is_not_ready_but_healthy():
    with Daemon(echo("a"), status=STATUS) as d:
        s = d.connect("a")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        address = page_addresses(d)[0]
        d.signal(signal.SIGTERM)
        d.wait_log("draining for at most")
        wait_until(lambda: fetch(d, "/readyz", address=address).status == 503,
                   "readyz to say that it stops")
        equal(fetch(d, "/readyz", address=address).text,
              "sluiced is stopping\n")
        equal(fetch(d, "/healthz", address=address).status, 200)
        s.close()
        d.wait_exit()


def test_a_listener_that_its_plugin_has_stopped_is_not_ready():
    with Daemon(listener("c", test_plugin("command")), echo("a"),
                status=STATUS) as d:
        equal(fetch(d, "/readyz").status, 200)
        s = d.connect("c")
        s.sendall(b"stop 0\n")
        wait_until(lambda: fetch(d, "/readyz").status == 503,
                   "the listener to be missed")
        equal(fetch(d, "/readyz").text,
              "listener c listens on no address: it was stopped\n")
        s.close()


def test_a_reload_does_not_make_it_unready():
    """Workers serve while they prepare, however long that takes."""
    with Daemon(listener("a", test_plugin("crasher"), options={}),
                status=STATUS, control="control.sock") as d:
        equal(fetch(d, "/readyz").status, 200)
        d.listeners[0]["options"] = {"at": "start", "how": "sleep",
                                     "ms": 1800}
        d.listeners[0]["name"] = "b"    # it is started anew
        d.write_config()
        d.reload(wait=False)
        states = set()

        def prepared():
            answer = fetch(d, "/readyz")
            equal((answer.status, answer.text), (200, "ready\n"))
            said = d.ask("status")
            states.add(said["workers"][0]["state"])
            up = [line for line in fetch(d, "/metrics").text.splitlines()
                  if line.startswith("sluice_worker_up{")]
            check(up and all(line.endswith(" 1") for line in up), up)
            return said["generation"] == 2
        wait_until(prepared, "generation 2")
        check("preparing" in states, states)


def test_a_drained_listener_is_not_ready():
    with Daemon(echo("a"), echo("b"), status=STATUS,
                control="control.sock") as d:
        equal(d.sluicectl("drain", "b").returncode, 0)
        wait_until(lambda: fetch(d, "/readyz").status == 503, "the drain")
        equal(fetch(d, "/readyz").text, "listener b is drained\n")
        equal(d.sluicectl("undrain", "b").returncode, 0)
        wait_until(lambda: fetch(d, "/readyz").status == 200, "the end of it")


if __name__ == "__main__":
    main()
