"""A real Prometheus reads the metrics, and what lies in conf/ fits them."""

import json
import os
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

from sluice_test import (SOURCE, Daemon, Skip, check, connector, equal,
                         expect_gone, fetch, free_address, listener, main,
                         make_directory, page_addresses, plugin, receive,
                         test_plugin, wait_until)
from harness.program import Program
from harness.tls import keys, leaf

RULES = os.path.join(SOURCE, "conf", "sluice.rules.yml")
DASHBOARD = os.path.join(SOURCE, "conf", "grafana-sluice.json")

PROMETHEUS = """
global: { scrape_interval: 1s, evaluation_interval: 1s }
rule_files: [ %s ]
scrape_configs:
  - job_name: sluice
    static_configs: [ { targets: [ "%s" ] } ]
"""


def program(name):
    found = shutil.which(name)
    if found is None:
        raise Skip(name + " is not here (Debian: prometheus)")
    return found


def daemon():
    """One that has all metrics that there can be."""
    return Daemon(listener("a", plugin("echo")),
                  listener("p", plugin("proxy"), options={
                      "upstreams": [free_address()], "fail_count": 0}),
                  listener("secure", plugin("echo"), tls=keys(leaf())),
                  connectors=[connector("feed", test_plugin("connector"),
                                        free_address())],
                  status={"listen": "127.0.0.1:0"})


class Prometheus(Program):
    what = "Prometheus"

    def __init__(self, d):
        super().__init__()
        self.address = free_address()
        directory = make_directory()
        path = os.path.join(directory, "prometheus.yml")
        with open(path, "w", encoding="ascii") as file:
            file.write(PROMETHEUS % (RULES, page_addresses(d)[0]))
        self.spawn([program("prometheus"), "--config.file=" + path,
                    "--storage.tsdb.path=" + os.path.join(directory, "data"),
                    "--web.listen-address=" + self.address])
        self.wait_log("Server is ready to receive web requests")

    def ask(self, path, **arguments):
        url = "http://%s/api/v1/%s?%s" % (self.address, path,
                                          urllib.parse.urlencode(arguments))
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]

    def value(self, query):
        """The one value of a query, or None."""
        found = self.ask("query", query=query)["result"]
        return float(found[0]["value"][1]) if found else None


def test_prometheus_scrapes_it():
    program("prometheus")
    with daemon() as d:
        s = d.connect("a")
        s.sendall(b"hello")
        equal(receive(s, 5), b"hello")
        p = Prometheus(d)
        try:
            wait_until(lambda: p.value("up") is not None, "a scrape")
            target = p.ask("targets")["activeTargets"][0]
            equal((target["health"], target["lastError"]), ("up", ""))
            wait_until(lambda: p.value(
                "sluice_received_bytes_total{listener=\"a\"}") == 5, "5 bytes")
            equal(p.value("sluice_connections{listener=\"a\"}"), 1)
            equal(p.value("sum(sluice_callback_duration_seconds_bucket"
                          "{listener=\"a\", le=\"+Inf\"}) > 0 or vector(0)")
                  > 0, True)
            equal(p.value("sluice_build_info"), 1)

            def rules():
                return [rule for group in p.ask("rules")["groups"]
                        for rule in group["rules"]]
            wait_until(lambda: all(rule["health"] == "ok"
                                   for rule in rules()), "all rules to run")
            by_name = {rule["name"]: rule for rule in rules()}
            # Nothing listens where the connector connects to.
            wait_until(lambda: {rule["name"]: rule for rule in rules()}[
                "SluiceUpstreamDown"]["state"] == "pending",
                "an alert that is right")
            equal(by_name["SluiceWorkerDown"]["state"], "inactive")
            equal(by_name["SluiceReloadFailed"]["state"], "inactive")
        finally:
            p.kill()
        s.close()


def test_promtool_takes_the_rules():
    result = subprocess.run([program("promtool"), "check", "rules", RULES],
                            text=True, capture_output=True, check=False)
    equal((result.returncode, result.stderr), (0, ""), result.stdout)


def test_promtool_has_nothing_to_say_of_the_page():
    tool = program("promtool")
    with daemon() as d:
        result = subprocess.run([tool, "check", "metrics"],
                                input=fetch(d, "/metrics").text, text=True,
                                capture_output=True, check=False)
        equal((result.returncode, result.stderr), (0, ""))


def test_each_alert_says_what_to_do():
    with open(RULES, encoding="utf-8") as file:
        alerts = file.read().split("- alert: ")[1:]
    check(len(alerts) > 5, len(alerts))
    for alert in alerts:
        for part in "expr:", "severity:", "summary:", "description:":
            check(part in alert, part, "in", alert.split("\n", 1)[0])


def test_the_manual_has_each_alert():
    """sluiced(8) says what each means, and nothing of others."""
    with open(RULES, encoding="utf-8") as file:
        rules = re.findall(r"- alert: (\w+)\n(?:.*\n)*?"
                           r" +severity: (\w+)\n", file.read())
    with open(os.path.join(SOURCE, "man", "sluiced.8"),
              encoding="utf-8") as file:
        told = re.findall(r"^\.It Sy (Sluice\w+)( Pq page)?$", file.read(),
                          re.M)
    equal(sorted((name, bool(page)) for name, page in told),
          sorted((name, severity == "critical") for name, severity in rules))


def metrics_named(path):
    with open(path, encoding="utf-8") as file:
        return set(re.findall(r"\bsluice_[a-z_]+\b", file.read()))


def test_every_metric_that_is_named_exists():
    with daemon() as d:
        expect_gone(d.connect("p"))
        wait_until(lambda: "sluice_upstream_up{" in fetch(d, "/metrics").text,
                   "its upstream")
        there = set(re.findall(r"^(sluice_[a-z_]+)", fetch(d, "/metrics").text,
                               re.M))
    for path in RULES, DASHBOARD:
        named = metrics_named(path)
        check(len(named) > 5, named)
        equal(named - there, set(), os.path.basename(path))


def test_the_dashboard_is_json_with_unique_panels():
    with open(DASHBOARD, encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    equal(len({panel["id"] for panel in panels}), len(panels))
    for panel in panels:
        check(panel["description"].endswith((".", "?")), panel["title"])
        check(panel["targets"], panel["title"])


def test_the_dashboard_has_what_an_operator_looks_for():
    named = metrics_named(DASHBOARD)
    for name in ("sluice_log_lines_lost_total", "sluice_replaced_processes",
                 "sluice_old_processes", "sluice_upstream_up"):
        check(name in named, name)
    with open(DASHBOARD, encoding="utf-8") as file:
        text = file.read()
    check("by (group)" in text, "worker groups")


def test_an_upstream_that_cannot_be_reached_is_an_alert():
    program("prometheus")
    with daemon() as d:
        expect_gone(d.connect("p"))
        p = Prometheus(d)
        try:
            wait_until(lambda: any(
                alert["labels"]["alertname"] == "SluiceUpstreamFails"
                and alert["labels"]["listener"] == "p"
                for alert in p.ask("alerts")["alerts"]), "the alert")
        finally:
            p.kill()


if __name__ == "__main__":
    main()
