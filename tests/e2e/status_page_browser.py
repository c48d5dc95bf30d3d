"""Chromium opens the page and draws it, by day and by night."""

import os
import shutil
import struct
import subprocess
import zlib

from sluice_test import (Daemon, Skip, check, equal, listener, main,
                         make_directory, page_addresses, plugin, receive)

PNG = b"\x89PNG\r\n\x1a\n"


def browser():
    for name in "chromium", "chromium-browser", "google-chrome":
        if shutil.which(name):
            return name
    raise Skip("chromium is not here (Debian: chromium)")


class Picture:
    """Size, pixels' bytes before they were predicted, and one true pixel."""

    def __init__(self, path):
        with open(path, "rb") as file:
            data = file.read()
        equal(data[:8], PNG, "what is drawn")
        at, packed = 8, b""
        while at < len(data):
            length, kind = struct.unpack(">I4s", data[at:at + 8])
            body = data[at + 8:at + 8 + length]
            if kind == b"IHDR":
                self.width, self.height = struct.unpack(">II", body[:8])
            elif kind == b"IDAT":
                packed += body
            at += 12 + length
        self.raw = zlib.decompress(packed)
        # The first one is predicted from nothing, whatever the filter.
        self.first = self.raw[1:4]


def draw(d, width, height, dark):
    path = os.path.join(make_directory(), "page.png")
    result = subprocess.run(
        [browser(), "--headless", "--no-sandbox", "--disable-gpu",
         "--hide-scrollbars", "--user-data-dir=" + make_directory(),
         "--blink-settings=preferredColorScheme=%d" % (0 if dark else 1),
         "--window-size=%d,%d" % (width, height), "--screenshot=" + path,
         "http://%s/" % page_addresses(d)[0]],
        capture_output=True, text=True, timeout=120, check=False)
    check(os.path.exists(path), result.stderr[-2000:])
    # For whoever wants to look.
    keep = os.environ.get("SLUICE_TEST_SCREENSHOTS")
    if keep:
        shutil.copy(path, os.path.join(keep, "page-%d%s.png" % (
            width, "-dark" if dark else "")))
    return Picture(path)


def test_it_is_drawn():
    browser()
    with Daemon(listener("echo", plugin("echo")),
                status={"listen": "127.0.0.1:0"}, workers=2) as d:
        s = d.connect("echo")
        s.sendall(b"x")
        equal(receive(s, 1), b"x")
        for width, height in (1280, 1000), (500, 1600):
            day = draw(d, width, height, False)
            night = draw(d, width, height, True)
            for picture in day, night:
                equal((picture.width, picture.height), (width, height))
                check(len(set(picture.raw)) > 50, "it is empty")
            check(min(day.first) > 200, day.first)
            check(max(night.first) < 60, night.first)
        s.close()


if __name__ == "__main__":
    main()
