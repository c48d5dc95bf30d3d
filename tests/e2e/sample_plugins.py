"""The sample plugins work as documented."""

import os
import socket
import threading

from sluice_test import (SOURCE, Daemon, check, compile_plugin, equal,
                         listener, main, plugin, receive, receive_all,
                         receive_line)


def test_discard():
    with Daemon(listener("discard", plugin("discard"))) as d:
        s = d.connect()
        s.sendall(b"x" * (8 << 20))
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"")
        d.wait_log("closed why=peer in=%d out=0" % (8 << 20))


def test_chargen():
    with Daemon(listener("chargen", plugin("chargen"))) as d:
        s = d.connect(receive_buffer=65536)
        got = receive(s, 3 << 20)
        lines = got.split(b"\r\n")[:-1]
        for number, line in enumerate(lines):
            equal(line, bytes((number + i) % 95 + 32 for i in range(72)),
                  "line %d" % number)
        # Input is ignored.
        s.sendall(b"ignored\n" * 100)
        receive(s, 1 << 20)
        s.close()
        d.wait_log("chargen .* closed")


def test_lines():
    with Daemon(listener("lines", plugin("lines"),
                         options={"max_length": 100})) as d:
        s = d.connect()
        s.sendall(b"hello\r\n\nno end")
        equal(receive_line(s), "1: 5")
        equal(receive_line(s), "2: 0")
        s.sendall(b" yet\n" + b"x" * 100 + b"\n")
        equal(receive_line(s), "3: 10")
        equal(receive_line(s), "4: 100")
        s.sendall(b"x" * 100 + b"\r")
        s.sendall(b"\n")
        equal(receive_line(s), "5: 100")
        s.sendall(b"y" * 101 + b"\n" + b"more\n")
        equal(receive_all(s), b"error: line too long\n")


def test_lines_answers_what_the_daemon_refuses():
    """With too small a buffer the daemon ends it, and not the plugin."""
    with Daemon(listener("lines", plugin("lines"),
                         limits={"read_buffer": 512}),
                log={"access": False}) as d:
        s = d.connect()
        s.sendall(b"hello\n" + b"y" * 300)
        equal(receive_line(s), "1: 5")
        s.sendall(b"y" * 100000)
        s.shutdown(socket.SHUT_WR)
        equal(receive_all(s), b"error: line too long\n")
        d.wait_log(r"conn 1 lines .* closed why=input-limit ")


def test_lines_with_a_reader_that_is_slow():
    with Daemon(listener("lines", plugin("lines"),
                         limits={"write_buffer": 1024})) as d:
        s = d.connect(receive_buffer=4096)
        count = 1000000     # answers to more than the kernel's buffers hold
        writer = threading.Thread(target=s.sendall, args=(b"x\n" * count,))
        writer.start()
        wanted = b"".join(b"%d: 1\n" % (i + 1) for i in range(count))
        check(receive(s, len(wanted)) == wanted, "the answers differ")
        writer.join()


def test_lines_without_room_to_spare():
    """Each line counts once, however little of the answers fits."""
    with Daemon(listener("lines", plugin("lines"),
                         limits={"write_buffer": 4096,
                                 "write_queue": 4096})) as d:
        s = d.connect(receive_buffer=4096, send_buffer=4096)
        sender = threading.Thread(target=s.sendall, args=(b"ab\n" * 50000,))
        sender.start()
        wanted = b"".join(b"%d: 2\n" % n for n in range(1, 50001))
        check(receive(s, len(wanted)) == wanted, "not all, or not in order")
        sender.join()


def test_lines_check():
    with Daemon(listener("lines", plugin("lines"))) as d:
        d.listener("lines")["options"] = {"max_length": 0}
        d.write_config()
        said = d.reload_refused()
        check("must be at least 1" in said and "sluice.conf:" in said, said)


class Guest:
    def __init__(self, d, **settings):
        self.s = d.connect(**settings)
        self.motd = receive_line(self.s)
        self.nick = receive_line(self.s).split()[3].rstrip(",")

    def say(self, text):
        self.s.sendall(text.encode() + b"\n")

    def hear(self, text):
        """Expect this line next."""
        equal(receive_line(self.s), text)


def test_chat():
    with Daemon(listener("chat", plugin("chat"),
                         options={"motd": "hello there"}), workers=2) as d:
        a = Guest(d)
        equal((a.motd, a.nick), ("* hello there", "guest1"))
        b = Guest(d)
        equal(b.nick, "guest2")
        a.hear("* guest2 joined")
        c = Guest(d)
        a.hear("* guest3 joined")
        b.hear("* guest3 joined")
        a.say("/nick anna")
        a.hear("* you are anna")
        b.hear("* guest1 is now anna")
        c.hear("* guest1 is now anna")
        b.say("/nick anna")
        b.hear("* anna is taken")
        b.say("good morning")
        a.hear("<guest2> good morning")
        c.hear("<guest2> good morning")
        c.say("bell\a and \x1b[31mcolour")
        a.hear("<guest3> bell and [31mcolour")
        b.hear("<guest3> bell and [31mcolour")
        c.say("/quit")
        equal(receive_all(c.s), b"")
        a.hear("* guest3 left")
        b.hear("* guest3 left")
        b.s.close()
        a.hear("* guest2 left")
        a.say("/who")
        a.hear("* anna")


def test_room_survives_a_reload():
    """The room keeps its state over a reload; new options apply at once."""
    with Daemon(listener("chat", "./chat.so", options={"motd": "one"}),
                start=False) as d:
        source = os.path.join(SOURCE, "plugins/chat.c")
        compile_plugin(source, d.path("chat.so"))
        d.start()
        a, b = Guest(d), Guest(d)
        a.hear("* guest2 joined")
        d.listener("chat")["options"]["motd"] = "two"
        d.write_config()
        compile_plugin(source, d.path("chat.so"), ("-O0",))
        d.reload_ready()
        c = Guest(d)
        equal((c.motd, c.nick), ("* two", "guest3"))
        a.hear("* guest3 joined")
        b.hear("* guest3 joined")
        c.say("still here?")
        a.hear("<guest3> still here?")
        b.hear("<guest3> still here?")


def test_slow_member_does_not_hold_up_the_room():
    with Daemon(listener("chat", plugin("chat"),
                         limits={"write_buffer": "64KiB",
                                 "write_queue": "128KiB"})) as d:
        a, b = Guest(d), Guest(d)
        a.hear("* guest2 joined")
        slow = Guest(d, receive_buffer=4096)
        a.hear("* guest3 joined")
        b.hear("* guest3 joined")
        text = "x" * 390
        batch, heard = 200, 0
        line = ("<guest1> %s\n" % text).encode() * batch
        while heard < 20 << 20:     # more than the kernel keeps for it
            a.s.sendall((text + "\n").encode() * batch)
            check(receive(b.s, len(line)) == line)
            heard += len(line)
        # The slow member reads now, and is told that messages are missing.
        got = b""
        while b"* you missed " not in got:
            got = got[-100:] + slow.s.recv(1 << 16)
            a.say("again")
            b.hear("<guest1> again")


main()
