"""The page for people: all that is served, safely, and what is wrong."""

import html.parser
import os
import re
import signal

from sluice_test import (Daemon, check, close_all, connector, equal,
                         expect_gone, fetch, free_address, listener, main,
                         plugin, receive, receive_line,
                         test_plugin, wait_until)
from harness.tls import keys, leaf

STATUS = {"listen": "127.0.0.1:0"}


class Page(html.parser.HTMLParser):
    """The text of a page, and its elements, which must be closed in order."""

    VOID = ("meta", "br")

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.parts = [], [], []
        self.feed(text)
        self.close()
        equal(self.open, [], "elements that are not closed")
        self.text = " ".join(" ".join(self.parts).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        equal(self.open.pop(), tag, "the element that ends")

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.parts.append(data)

    def tags(self):
        return {tag for tag, _ in self.elements}


def page(d):
    answer = fetch(d, "/")
    equal((answer.status, answer.headers["content-type"]),
          (200, "text/html; charset=utf-8"))
    return Page(answer.text)


def wait_text(d, text):
    wait_until(lambda: text in page(d).text,
               lambda: "%r in %r" % (text, page(d).text))


def test_all_of_it():
    with Daemon(listener("echo", plugin("echo"), limits={"connections": 1}),
                listener("secure", plugin("echo"), tls=keys(leaf())),
                listener("count", test_plugin("counter")),
                connectors=[connector("feed", test_plugin("connector"),
                                      free_address())],
                status=STATUS, workers=2) as d:
        made = [d.connect("echo")]
        made[0].sendall(b"x")
        equal(receive(made[0], 1), b"x")
        expect_gone(d.connect("echo"))
        made.append(d.connect("count"))
        made[1].sendall(b"count lines 1234567\n")
        receive_line(made[1])
        wait_text(d, "lines count 1,234,567")
        p = page(d)
        for text in ("serving generation 1", "Open connections 2",
                     "Workers 2", "echo echo 1.0 " + d.addresses("echo")[0],
                     "generation 1 ready: 3 listeners, 1 connector",
                     "worker 2 serving", "secure tls every name",
                     "waiting", "could not connect: Connection refused",
                     d.config):
            check(text in p.text, text, "in", p.text)
        check("Last crashes" not in p.text)
        check(not p.tags() & {"script", "img", "link", "iframe", "form"})
        check(not re.search(r"\bon\w+=", fetch(d, "/").text), "a handler")
        metas = [attrs for tag, attrs in p.elements if tag == "meta"]
        check({"http-equiv": "refresh", "content": "5"} in metas, metas)
        check(any(attrs.get("name") == "viewport" for attrs in metas), metas)
        # Two points of the history are 5 s apart.
        wait_until(lambda: "svg" in page(d).tags(), "a line of the traffic")
        close_all(made)


def test_why_a_reload_was_refused_and_how_workers_died():
    with Daemon(listener("a", test_plugin("crasher"),
                         options={"at": "data", "how": "segv"}),
                status=STATUS) as d:
        good = d.text()
        d.write("workerz = 3;\n" + good)
        d.reload_refused()
        wait_text(d, "reload refused: 1 problem; keeping generation 1")
        check("sluice.conf:1: unknown key \"workerz\"; did you mean "
              "\"workers\"?" in page(d).text)
        d.write(good)
        s = d.connect("a")
        s.sendall(b"x")
        expect_gone(s)
        wait_text(d, "Last crashes")
        check("was killed by SIGSEGV" in page(d).text, page(d).text)
        check("Crashes 1" in page(d).text, page(d).text)


def test_hostile_names_are_text():
    """A plugin and a path may be named like this, and the text of an error."""
    hostile = "</table><script>alert(1)</script>&\"'\x1b[2J"
    with Daemon(listener("a", plugin("echo")), start=False) as d:
        d.settings["status"] = STATUS
        d.config = os.path.join(d.directory, "x<i>&amp;'.conf")
        d.write_config()
        d.start()
        with open(d.config, "w", encoding="utf-8") as file:
            file.write(d.text() + "user = \"%s\";\n" % hostile.replace(
                "\"", "\\\"").replace("\x1b", "\\x1b"))
        d.reload_refused()
        wait_text(d, "reload refused")
        p = page(d)
        check("script" not in p.tags() and "i" not in p.tags(), p.tags())
        check("x<i>&amp;'.conf" in p.text, p.text)
        check("<script>alert(1)</script>" in p.text, p.text)
        check("\x1b" not in fetch(d, "/").text)


def test_old_news_are_called_old():
    with Daemon(listener("a", plugin("echo")), status=STATUS) as d:
        page(d)
        d.signal(signal.SIGSTOP)
        try:
            wait_until(lambda: fetch(d, "/").status == 503, "old news")
            p = Page(fetch(d, "/").text)
            check("the master does not answer; what follows is" in p.text)
            check("generation 1 ready" in p.text, p.text)
        finally:
            d.signal(signal.SIGCONT)
        wait_until(lambda: fetch(d, "/").status == 200, "news")


if __name__ == "__main__":
    main()
