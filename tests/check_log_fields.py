#!/usr/bin/env python3
"""The table of fields in sluiced.8 has those of the code, and no others."""

import os
import re
import sys

SOURCE = os.environ.get("SLUICE_SRCDIR", os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
# Those that write lines about connections with fields.
FILES = ("conn_end.c", "conn_name.c", "conn_proxy.c")


def read(*path):
    with open(os.path.join(SOURCE, *path)) as file:
        return file.read()


def in_code():
    found = set()
    for name in FILES:
        text = read("daemon", "worker", name)
        found.update(re.findall(r'\{\s*"([a-z_]+)",', text))
    return found


def others():
    """Files of workers with fields of connections that are not in FILES."""
    directory = os.path.join(SOURCE, "daemon", "worker")
    return [name for name in sorted(os.listdir(directory))
            if name.endswith(".c") and name not in FILES
            and re.search(r"\bconn_log_fields\(", read("daemon", "worker",
                                                       name))]


def in_manual():
    section = re.search(r"^\.Ss Fields of the access log\n(.*?)^\.S[sh] ",
                        read("man", "sluiced.8"), re.M | re.S)
    if section is None:
        sys.exit("sluiced.8 has no table of the fields")
    return set(re.findall(r"^\.It Li (\w+) Ta (?:number|string) Ta \S",
                          section.group(1), re.M))


def main():
    code, manual, bad = in_code(), in_manual(), False
    for name in sorted(code - manual):
        print("the table in sluiced.8 lacks the field", name)
        bad = True
    for name in sorted(manual - code):
        print("no line has the field %s of sluiced.8" % name)
        bad = True
    for name in others():
        print("%s logs fields of connections: add it to FILES" % name)
        bad = True
    if not code:
        print("no field was found in the code")
        bad = True
    sys.exit(bad)


main()
