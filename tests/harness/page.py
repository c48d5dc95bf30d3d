"""The status page of a daemon, over HTTP/1.1 as text of our own making."""

import re

from harness.checks import check, wait_until
from harness.net import connect, receive_all
from harness.process import children, is_alive, title

AT = re.compile(r"(no longer a )?status page (?:at http://(\S+)/|on (\S+))$")


def page_addresses(d):
    """Where the page is, from the log."""
    found = []
    for line in d.messages(r"status page (at|on) "):
        gone, tcp, unix = AT.search(line).groups()
        if gone:
            found.remove(tcp or unix)
        else:
            found.append(tcp or unix)
    return found


def page_connect(d, address=None, **how):
    return connect(address or page_addresses(d)[0], **how)


class Response:
    def __init__(self, data):
        head, self.blank, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        check(re.match(r"HTTP/1\.1 \d{3} ", lines[0]), "not HTTP:",
              data[:200])
        self.status = int(lines[0].split()[1])
        self.headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            self.headers[name.lower()] = value.strip()
        self.text = self.body.decode()


def fetch(d, path="/", method="GET", address=None, **headers):
    """One request, one Response."""
    lines = ["%s %s HTTP/1.1" % (method, path), "Host: here"]
    lines += ["%s: %s" % (name.replace("_", "-"), value)
              for name, value in headers.items()]
    return fetch_bytes(d, "\r\n".join(lines + ["", ""]).encode(), address)


def fetch_bytes(d, data, address=None):
    s = page_connect(d, address)
    s.sendall(data)
    answer = receive_all(s)
    s.close()
    return Response(answer)


def page_process(d):
    """The pid of the status process, when there is one."""
    def find():
        return [pid for pid in children(d.pid)
                if title(pid) == "sluiced: status" and is_alive(pid)]
    return wait_until(find, "the status process")[0]
