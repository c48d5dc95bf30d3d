"""sluicectl metrics prints all counts as Prometheus reads them."""

import re
import shutil
import subprocess

from sluice_test import (Daemon, Skip, check, close_all, equal,
                         expect_gone, listener, main, plugin, receive,
                         receive_line, test_plugin)

SAMPLE = re.compile(r'([a-z_][a-z0-9_]*)(?:\{(.*)\})? (-?[0-9.]+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


def labels_of(text):
    found, at = {}, 0
    while at < len(text):
        match = LABEL.match(text, at)
        check(match, "labels", text)
        check(match.group(1) not in found, "twice", text)
        found[match.group(1)] = match.group(2)
        at = match.end()
    return found


def parse(text, ends):
    """{family: (type, {(sample, labels): value})}; checks the format."""
    families, now = {}, None
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            name, kind = line.split()[2:]
            check(name not in families, "twice", name)
            families[name] = (kind, {})
            now = name
        elif line.startswith("# HELP "):
            equal(line.split()[2], now, "the help of another family")
        elif line != "# EOF":
            match = SAMPLE.match(line)
            check(match, line)
            check(match.group(1) in [now + end for end in ends], line)
            key = (match.group(1), frozenset(
                labels_of(match.group(2) or "").items()))
            check(key not in families[now][1], "twice", line)
            families[now][1][key] = float(match.group(3))
    return families


def metrics(d):
    result = d.sluicectl("metrics")
    equal((result.returncode, result.stderr), (0, ""))
    return parse(result.stdout, ("", "_bucket", "_sum", "_count"))


def value(families, name, **labels):
    """The sum of the samples that have these labels."""
    return sum(number for (sample, have), number in families[name][1].items()
               if sample == name and labels.items() <= dict(have).items())


def daemon(*listeners, **settings):
    return Daemon(*listeners, control="control.sock", **settings)


def echo(name, **settings):
    return listener(name, plugin("echo"), **settings)


def test_they_are_what_status_says():
    with daemon(echo("a", limits={"connections": 3}), echo("b"),
                workers=2) as d:
        made = [d.connect("a") for _ in range(3)]
        for s in made:
            s.sendall(b"hello")
            equal(receive(s, 5), b"hello")
        expect_gone(d.connect("a"))
        made.pop().close()
        d.wait_log("closed why=peer")
        m = metrics(d)
        for name, want in (("connections_accepted_total", 3),
                           ("received_bytes_total", 15),
                           ("sent_bytes_total", 15)):
            equal(value(m, "sluice_" + name, listener="a"), want, name)
            equal(value(m, "sluice_" + name, listener="b"), 0, name)
            equal(value(m, "sluice_worker_" + name), want, name)
        equal(value(m, "sluice_connections", listener="a", plugin="echo"), 2)
        equal(value(m, "sluice_connections_refused_total",
                    limit="connections"), 1)
        equal(value(m, "sluice_connections_closed_total", reason="peer"), 1)
        equal(value(m, "sluice_connections_closed_total",
                    reason="input-limit"), 0)
        equal(value(m, "sluice_build_info", version=d.ask("status")["version"]),
              1)
        equal((value(m, "sluice_generation"), value(m, "sluice_worker_up")),
              (1, 2))
        d.write("nonsense")
        d.reload_refused()
        equal(value(metrics(d), "sluice_last_reload_ok"), 0)
        close_all(made)


def test_histograms_add_up():
    with daemon(listener("room", test_plugin("crasher"),
                         options={"at": "data", "how": "sleep", "ms": 20}),
                workers=1) as d:
        s = d.connect()
        for _ in range(5):
            s.sendall(b"x")
            equal(receive(s, 1), b"x")
        kind, samples = metrics(d)["sluice_callback_duration_seconds"]
        equal(kind, "histogram")
        name = "sluice_callback_duration_seconds_"
        buckets = sorted((float(dict(have)["le"]), number)
                         for (sample, have), number in samples.items()
                         if sample == name + "bucket")
        equal(len(buckets), 26)
        numbers = [number for _, number in buckets]
        equal(sorted(numbers), numbers, "buckets")
        count = next(number for (sample, _), number in samples.items()
                     if sample == name + "count")
        equal(numbers[-1], count)
        below = next(number for le, number in buckets if le >= 0.01)
        equal(count - below, 5, "callbacks of over 10 ms")
        total = next(number for (sample, _), number in samples.items()
                     if sample == name + "sum")
        check(0.1 <= total < 5, "the sum", total)


def test_what_plugins_count():
    with daemon(listener("c", test_plugin("counter")),
                listener("other", test_plugin("counter")), workers=1) as d:
        for name in ("c", "other"):
            s = d.connect(name)
            for line in b"count dotted.name 3\n", b"count dotted-name 2\n":
                s.sendall(line)
                receive_line(s)
        m = metrics(d)["sluice_plugin_dotted_name_total"]
        equal(m[0], "counter")
        equal(sorted((dict(have)["listener"], dict(have)["counter"], number)
                     for (_, have), number in m[1].items()),
              [("c", "dotted-name", 2), ("c", "dotted.name", 3),
               ("other", "dotted-name", 2), ("other", "dotted.name", 3)])


def test_openmetrics():
    """The same with the names and the end that this format wants."""
    with daemon(echo("a")) as d:
        result = d.sluicectl("metrics", "--openmetrics")
        check(result.stdout.endswith("\n# EOF\n"), "the end")
        found = parse(result.stdout, ("", "_total", "_info", "_bucket",
                                      "_sum", "_count"))
        for name, (kind, samples) in found.items():
            check(not name.endswith(("_total", "_info")), name)
            for sample, _ in samples:
                if kind == "counter":
                    equal(sample, name + "_total")
        equal(found["sluice_build"][0], "info")


def test_promtool_has_nothing_to_say():
    tool = shutil.which("promtool")
    if tool is None:
        raise Skip("promtool is not here (Debian: prometheus)")
    with daemon(echo("a"), listener("c", test_plugin("counter"))) as d:
        s = d.connect("c")
        s.sendall(b"count x 1\n")
        receive_line(s)
        text = d.sluicectl("metrics").stdout
        result = subprocess.run([tool, "check", "metrics"], input=text,
                                text=True, capture_output=True, check=False)
        equal((result.returncode, result.stderr), (0, ""), "promtool")


if __name__ == "__main__":
    main()
