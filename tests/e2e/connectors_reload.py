"""Connectors and reloads: what changes, what carries on, and what is refused."""

from sluice_test import (Daemon, check, connector, equal, expect_end, listener,
                         main, plugin, receive, receive_line, test_plugin,
                         wait_until)
from harness.upstream import BlackHole, Upstream, nobody

NEVER = {"first": "1h", "max": "1h"}


def feed(peer, path=None, name="feed", **settings):
    settings.setdefault("retry", {"first": "10ms", "max": "50ms"})
    return connector(name, path or test_plugin("stamp"),
                     getattr(peer, "address", peer), **settings)


def stamp(version, **defines):
    return test_plugin("stamp", VERSION=version, **defines)


def daemon(*connectors, **settings):
    return Daemon(connectors=list(connectors), control="control.sock",
                  **settings)


def change(d, *connectors):
    d.settings["connectors"] = list(connectors)
    d.write_config()
    return d.reload_ready()


def ask(s):
    s.sendall(b"x\n")
    return receive_line(s)


def await_state(d, name, wanted):
    wait_until(lambda: [w["state"] for w in d.connector(name).values()]
               == [wanted], lambda: "%s to be %s: %s" % (
                   name, wanted, d.connector(name)))


def test_the_connection_carries_on_in_new_code():
    with Upstream() as peer, daemon(feed(peer), workers=2) as d:
        s = peer.accept()
        equal(ask(s), "v1 1 x")
        change(d, feed(peer, stamp("v2")))
        equal(ask(s), "v2 2 x")
        # New options, too.
        change(d, feed(peer, stamp("v2"), options={"greeting": "hi"}))
        check(" 3 x" in ask(s), "not the same connection")
        check(not peer.has_more(), "a second connection")
        s.close()


def test_code_that_cannot_use_its_state_gets_another():
    with Upstream() as peer, daemon(feed(peer)) as d:
        s = peer.accept()
        equal(ask(s), "v1 1 x")
        change(d, feed(peer, stamp("v2"), on_reload="close"))
        expect_end(s)
        s.close()
        s = peer.accept()
        equal(ask(s), "v2 1 x")
        # A plugin of another name.  A listener would drain here.
        change(d, feed(peer, plugin("echo")))
        expect_end(s)
        s.close()
        s = peer.accept()
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        # But this is what was asked for.
        change(d, feed(peer, stamp("v3"), on_reload="drain"))
        s.sendall(b"y")
        equal(receive(s, 1), b"y")
        check(not peer.has_more(), "a second connection")
        s.close()
        s = peer.accept()
        equal(ask(s), "v3 1 x")
        s.close()


def test_another_target():
    with Upstream() as one, Upstream() as other, daemon(feed(one)) as d:
        s = one.accept()
        equal(ask(s), "v1 1 x")
        change(d, feed(other))
        d.wait_log("no longer connecting to %s for feed" % one.address)
        expect_end(s)
        s.close()
        d.wait_log("feed .* closed why=reload")
        s = other.accept()
        equal(ask(s), "v1 1 x")
        check(not one.has_more(), "the old target")
        # And back, by the generation before.
        equal(d.sluicectl("rollback").returncode, 0)
        expect_end(s)
        s.close()
        s = one.accept()
        equal(ask(s), "v1 1 x")
        s.close()


def test_another_target_while_waiting_or_connecting():
    with Upstream() as peer, BlackHole() as hole, daemon(
            feed(nobody(), name="waiting", retry=NEVER),
            feed(hole, name="connecting",
                 timeouts={"connect": "1h"})) as d:
        await_state(d, "waiting", "waiting")
        await_state(d, "connecting", "connecting")
        change(d, feed(peer, name="waiting", retry=NEVER),
               feed(peer, name="connecting"))
        found = [peer.accept(), peer.accept()]
        equal([ask(s) for s in found], ["v1 1 x"] * 2)
        await_state(d, "waiting", "up")
        await_state(d, "connecting", "up")
        for s in found:
            s.close()


def test_removed_and_added():
    with Upstream() as peer, BlackHole() as hole, daemon(
            feed(peer, name="up"), feed(hole, name="connecting"),
            feed(nobody(), name="waiting", retry=NEVER),
            drain_timeout="1h") as d:
        s = peer.accept()
        equal(ask(s), "v1 1 x")
        await_state(d, "waiting", "waiting")
        change(d, feed(peer, name="another"))
        expect_end(s)
        s.close()
        s = peer.accept()
        equal(ask(s), "v1 1 x")
        equal([c["name"] for c in d.ask("status")["connectors"]],
              ["another"])
        d.wait_log("no longer connecting to .* for connecting")
        change(d, feed(peer, name="another"), feed(peer, name="up"))
        other = peer.accept()
        equal([ask(s), ask(other)], ["v1 2 x", "v1 1 x"])
        s.close()
        other.close()


def test_a_refused_reload_changes_nothing():
    with Upstream() as peer, BlackHole() as hole, daemon(
            feed(peer, name="up"), feed(nobody(), name="waiting", retry=NEVER),
            feed(hole, name="connecting",
                 timeouts={"connect": "1h"})) as d:
        s = peer.accept()
        equal(ask(s), "v1 1 x")
        names = "up", "waiting", "connecting"
        for name in names[1:]:
            await_state(d, name, name)

        def shown():
            found = [d.connector(name)[1] for name in names]
            return [(w["state"], w["attempts"], w["error"]) for w in found]

        before = shown()
        wait = d.connector("waiting")[1]["next_ms"]
        # `start` of the last one refuses, after PREPARE of all the others.
        d.settings["connectors"] = [
            feed(hole, stamp("v2"), name="up"),
            feed(peer, stamp("v2"), name="waiting"),
            feed(peer, stamp("v2"), name="connecting"),
            feed(peer, name="new"),
            feed(peer, test_plugin("connector"), name="last",
                 options={"fail": True})]
        d.write_config()
        said = d.reload_refused()
        check('connector "last"' in said, said)
        equal(shown(), before)
        check(wait - 60000 < d.connector("waiting")[1]["next_ms"] <= wait,
              "the wait went on")
        equal(ask(s), "v1 2 x")
        check(not peer.has_more(), "a second connection")
        s.close()


def test_per_worker_changes():
    with Upstream() as peer, daemon(feed(peer), workers=3) as d:
        found = [peer.accept()]
        equal(ask(found[0]), "v1 1 x")
        change(d, feed(peer, per_worker=True))
        found += [peer.accept(), peer.accept()]
        equal([ask(s) for s in found], ["v1 2 x", "v1 1 x", "v1 1 x"])
        change(d, feed(peer))
        for s in found[1:]:
            expect_end(s)
        equal(ask(found[0]), "v1 3 x")
        equal(len(d.connector("feed")), 1)
        check(not peer.has_more(), "another connection")
        for s in found:
            s.close()


def test_a_listener_becomes_a_connector_and_back():
    with Upstream() as peer, Daemon(listener("both", test_plugin("stamp")),
                                    control="control.sock") as d:
        client = d.connect()
        equal(ask(client), "v1 1 x")
        d.listeners = []
        change(d, feed(peer, name="both"))
        s = peer.accept()
        equal([ask(s), ask(client)], ["v1 1 x", "v1 2 x"])
        d.listeners = [listener("both", test_plugin("stamp"))]
        d.settings["connectors"] = []
        d.write_config()
        d.reload_ready()
        expect_end(s)
        s.close()
        equal(ask(client), "v1 3 x")
        equal(ask(d.connect(address=d.addresses("both")[-1])), "v1 1 x")


def test_a_canary_makes_no_second_connection():
    with Upstream() as peer, Upstream() as other, daemon(
            feed(peer, name="one"), feed(other, name="two"), workers=3,
            canary={"workers": 1, "time": "1s"}) as d:
        s, t = peer.accept(), other.accept()
        equal([ask(s), ask(t)], ["v1 1 x"] * 2)
        d.settings["connectors"] = [
            feed(peer, stamp("v2"), name="one"),
            feed(other, stamp("v2"), name="two")]
        d.write_config()
        since = d.mark()
        d.reload(wait=False)
        d.wait_log("canary: generation 2 serves in worker 1", since)
        found = {ask(s)[:2], ask(t)[:2]}
        d.wait_log("generation 2 ready", since)
        equal([ask(s), ask(t)], ["v2 3 x"] * 2)
        # Worker 1 has one of them.  (The canary may be over by now.)
        check("v2" in found, found)
        check(not peer.has_more() and not other.has_more(), "a second one")
        s.close()
        t.close()


def test_the_plugin_is_told_of_each_failure():
    with daemon(feed(nobody(), test_plugin("connector"))) as d:
        d.wait_log("trace .*connect_error .*Connection refused")


if __name__ == "__main__":
    main()
