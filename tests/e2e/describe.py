"""sluiced --describe shows what a plugin is, or one clear sentence why not."""

import json
import os
import subprocess

from sluice_test import (SLUICED, Daemon, check, equal, listener, main,
                         plugin, receive, run_sluiced, scratch, test_plugin)


def refused(path, *words):
    for arguments in ([], ["--json"]):
        result = run_sluiced("--describe", path, *arguments)
        equal(result.returncode, 1, "exit status for " + path)
        equal(result.stdout if not arguments else "", "", "output")
        said = result.stderr.strip()
        equal(len(said.splitlines()), 1, "sentences: %r" % said)
        check(os.path.basename(path) in said, said)
        check(any(word.lower() in said.lower() for word in words), said)


def test_text():
    result = run_sluiced("--describe", plugin("lines"))
    equal(result.returncode, 0, result.stderr)
    for text in ("lines", "1.0", "answers each line", "max_length", "4KiB",
                 "size", "many-workers",
                 "data", "close", "open", "check"):
        check(any(word in result.stdout for word in text.split("|")),
              "no", text, "in:\n" + result.stdout)
    check("drain" not in result.stdout, result.stdout)


def test_json():
    result = run_sluiced("--describe", test_plugin("options"), "--json")
    equal(result.returncode, 0, result.stderr)
    facts = json.loads(result.stdout)
    equal(facts["name"], "options")
    equal(facts["version"], "1.0")
    equal(facts["abi"], 1)
    equal(facts["summary"], "tells its options")
    options = {o["name"]: o for o in facts["options"]}
    equal(options["size"]["type"], "size")
    equal(options["size"]["default"], "64KiB")
    equal(options["size"]["help"], "bytes")
    equal(options["none"]["default"], None)
    check(options["group.inner"]["type"].startswith("int"))
    equal(len(options), 10)
    check("string" in options["strings"]["type"], options["strings"])
    text = json.dumps(facts)
    for word in ("open", "data", "many"):
        check(word in text.lower(), word, text)


def test_every_sample():
    for name in ("echo", "discard", "chargen", "lines", "chat",
                 "starttls"):
        result = run_sluiced("--describe", plugin(name), "--json")
        equal(result.returncode, 0, result.stderr)
        equal(json.loads(result.stdout)["name"], name)


def test_a_newer_header():
    """The descriptor has members that this daemon does not know."""
    result = run_sluiced("--describe", test_plugin("newer"), "--json")
    equal(result.returncode, 0, result.stderr)
    equal(json.loads(result.stdout)["version"], "9.0")
    with Daemon(listener("newer", test_plugin("newer"))) as d:
        s = d.connect()
        s.sendall(b"hello")
        equal(receive(s, 5), b"hello")


def test_refusals():
    refused(test_plugin("badabi"), "ABI")
    refused(test_plugin("nodescriptor"), "sl_plugin")
    refused(test_plugin("unresolved"), "sl_no_such_call")
    refused(test_plugin("nohandlers"), "data")
    refused(test_plugin("crash"), "SIGSEGV")
    refused(test_plugin("leaves"), "exit", "status")
    refused("/nonexistent.so", "No such file")
    refused(scratch(), "regular", "directory")
    text = os.path.join(scratch(), "text.so")
    with open(text, "w") as file:
        file.write("#!/bin/sh\necho I am no plugin\n" * 100)
    refused(text, "ELF", "shared object")
    empty = os.path.join(scratch(), "empty.so")
    open(empty, "w").close()
    refused(empty, "ELF", "shared object", "empty")
    with open(plugin("echo"), "rb") as file:
        whole = file.read()
    part = os.path.join(scratch(), "part.so")
    for percent in (1, 25, 50, 75, 99):
        with open(part, "wb") as file:
            file.write(whole[:len(whole) * percent // 100])
        refused(part, "truncated", "whole", "ELF", "short", "complete",
                "cut", "end")


def test_output_that_cannot_be_printed_is_an_error():
    """A full disk or a closed pipe is reported as an error."""
    config = os.path.join(scratch(), "described.conf")
    with open(config, "w") as file:
        file.write('listeners = ({ name = "e"; listen = "127.0.0.1:0"; '
                   'plugin = "%s"; });\n' % plugin("echo"))
    for arguments in (["--describe", plugin("echo")],
                      ["--describe", plugin("echo"), "--json"],
                      ["-t", "-c", config], ["-V"], ["--help"]):
        for target, why in (("/dev/full", "No space left on device"),
                            (None, "Broken pipe")):
            if target is None:
                reading, writing = os.pipe()
                os.close(reading)
            else:
                writing = os.open(target, os.O_WRONLY)
            result = subprocess.run([SLUICED] + arguments, stdout=writing,
                                    stderr=subprocess.PIPE, text=True)
            os.close(writing)
            equal(result.returncode, 1, arguments)
            check("cannot print" in result.stderr
                  and why in result.stderr, arguments, result.stderr)
        result = subprocess.run([SLUICED] + arguments,
                                preexec_fn=lambda: os.close(1),
                                stderr=subprocess.PIPE, text=True)
        equal(result.returncode, 1, arguments)
        equal(result.stderr,
              "sluiced: cannot print: standard output is closed\n")


main()
