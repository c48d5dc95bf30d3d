"""Input in segments of one byte is framed like any other."""

from sluice_test import (Daemon, equal, listener, main, plugin, receive,
                         receive_line, test_plugin)


def test_lines():
    with Daemon(listener("lines", plugin("lines"))) as d:
        s = d.connect()
        for number, text in enumerate((b"first line\n", b"\n", b"2\r\n")):
            for i in range(len(text)):
                s.send(text[i:i + 1])  # one segment, by TCP_NODELAY
            equal(receive_line(s), "%d: %d" % (
                number + 1, len(text.strip(b"\r\n"))))


def test_echo():
    text = bytes(range(256)) * 4
    with Daemon(listener("echo", plugin("echo"))) as d:
        s = d.connect()
        for i in range(len(text)):
            s.send(text[i:i + 1])
        equal(receive(s, len(text)), text)


def test_a_byte_at_a_time_there_and_back():
    with Daemon(listener("c", test_plugin("command"))) as d:
        s = d.connect()
        for byte in b"say hello\n":
            s.send(bytes([byte]))
        equal(receive_line(s), "hello")


main()
