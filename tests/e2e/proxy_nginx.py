"""proxy: a real nginx behind it, which is told who the client is."""

import os

from sluice_test import (DEADLINE, Daemon, check, equal, free_address,
                         listener, main, need, plugin, receive_all,
                         wait_until)
from harness.build import scratch
from harness.net import connect
from harness.program import Program
from harness.tls import authority, leaf

CONFIG = """daemon off;
pid %(dir)s/nginx.pid;
events { }
http {
    access_log off;
    client_body_temp_path %(dir)s/1;
    proxy_temp_path %(dir)s/2;
    fastcgi_temp_path %(dir)s/3;
    uwsgi_temp_path %(dir)s/4;
    scgi_temp_path %(dir)s/5;
    server {
        listen %(plain)s;
        return 200 "plain";
    }
    server {
        listen %(told)s proxy_protocol;
        return 200 "client $proxy_protocol_addr:$proxy_protocol_port";
    }
    server {
        listen %(tls)s ssl proxy_protocol;
        ssl_certificate %(cert)s;
        ssl_certificate_key %(key)s;
        return 200 "$ssl_server_name $proxy_protocol_port";
    }
}
"""


class Nginx(Program):
    """One that answers each request with a word."""

    def __init__(self):
        super().__init__()
        program = need("nginx")
        self.plain, self.told, self.tls = (free_address() for _ in range(3))
        path = os.path.join(scratch(), "nginx.conf")
        with open(path, "w") as file:
            file.write(CONFIG % {
                "dir": scratch(), "plain": self.plain, "told": self.told,
                "tls": self.tls, "cert": leaf().cert, "key": leaf().key})
        self.spawn([program, "-p", scratch(), "-e", "stderr", "-c", path])
        wait_until(self.listens, "nginx to listen")

    def listens(self):
        try:
            connect(self.plain).close()
            return True
        except ConnectionRefusedError:
            return False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


def proxy(upstream, **options):
    return Daemon(listener("p", plugin("proxy"),
                           connect_tls={"ca": authority().cert},
                           options={"upstreams": [upstream], **options}))


def get(d):
    """The body of an answer, and the port that we came from."""
    s = d.connect(timeout=DEADLINE)
    port = s.getsockname()[1]
    s.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head, _, body = receive_all(s).partition(b"\r\n\r\n")
    check(head.startswith(b"HTTP/1.1 200 "), head)
    return body.decode(), port


def test_requests_and_answers():
    with Nginx() as nginx, proxy(nginx.plain) as d:
        equal(get(d)[0], "plain")


def test_it_is_told_who_the_client_is():
    with Nginx() as nginx:
        for version in "v1", "v2":
            with proxy(nginx.told, send_proxy=version) as d:
                body, port = get(d)
                equal(body, "client 127.0.0.1:%d" % port)


def test_the_same_in_front_of_tls():
    with Nginx() as nginx, proxy(nginx.tls, send_proxy="v2",
                                 upstream_tls=True,
                                 upstream_servername="localhost") as d:
        body, port = get(d)
        equal(body, "localhost %d" % port)


main()
