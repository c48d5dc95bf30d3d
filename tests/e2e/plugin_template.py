"""The plugin to begin with: its makefile builds, installs and serves it."""

import os
import shutil
import subprocess

from sluice_test import (BUILD, Daemon, SLUICED, SOURCE, check, equal, listener, main,
                         need, receive_line)


def make(directory, *arguments):
    """As its head says, with a build tree.  Returns what it printed."""
    result = subprocess.run(
        ("make", "-s", "-C", directory, "PKG_CONFIG_PATH=" + BUILD,
         "SLUICED=" + SLUICED) + arguments,
        env=dict(os.environ, MAKEFLAGS=""),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    equal(result.returncode, 0, "make: " + result.stdout)
    return result.stdout


def copy_template(work):
    """One that may be written, also of a source tree that may not."""
    template = os.path.join(SOURCE, "plugins/template")
    os.mkdir(work)
    for name in os.listdir(template):
        shutil.copyfile(os.path.join(template, name),
                        os.path.join(work, name))
    return work


def test_it_is_built_installed_and_replaced():
    need("make")
    need("pkg-config")
    with Daemon(listener("hello", "./hello.so"), start=False) as d:
        work = copy_template(d.path("template"))
        into = ("CFLAGS=-O2 -Wall -Wextra -Werror",
                "plugindir=" + d.directory)
        check("greets with each line" in make(work, "check", *into))
        equal(make(work, "install", *into), "")
        d.start()
        s = d.connect()
        s.sendall(b"world\nand")
        equal(receive_line(s), "hello, world")
        s.sendall(b" moon\n")
        equal(receive_line(s), "hello, and moon")

        source = os.path.join(work, "hello.c")
        with open(source) as file:
            text = file.read()
        check('"hello, "' in text, text)
        with open(source, "w") as file:
            file.write(text.replace('"hello, "', '"good evening, "'))
        make(work, "install", *into)
        d.reload_ready()
        s.sendall(b"world\n")
        equal(receive_line(s), "good evening, world")


def test_input_waits_for_a_peer_that_does_not_read():
    """Every line is answered once, in order."""
    need("make")
    need("pkg-config")
    with Daemon(listener("hello", "./hello.so",
                         limits={"write_queue": "64KiB",
                                 "write_buffer": "32KiB"}),
                start=False) as d:
        work = copy_template(d.path("template"))
        make(work, "install", "plugindir=" + d.directory)
        d.start()
        s = d.connect()
        lines = [b"%07d\n" % number for number in range(4000000)]
        s.settimeout(0.5)
        sent, text = 0, b"".join(lines)
        try:
            while sent < len(text):
                sent += s.send(text[sent:sent + 65536])
        except TimeoutError:
            pass
        check(sent < len(text), "the daemon took it all")
        s.settimeout(15)
        whole = sent // 8
        got = b""
        while len(got) < whole * 15:
            data = s.recv(1 << 20)
            check(data, "the connection ended after %d bytes" % len(got))
            got += data
        equal(got, b"".join(b"hello, " + line for line in lines[:whole]))


main()
