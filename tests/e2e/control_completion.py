"""The shell completes the words of sluicectl, from the daemon's own table."""

import os
import shutil
import subprocess

from sluice_test import (SLUICECTL, SOURCE, Skip, check, equal, main,
                         run_program)


def words(*before):
    result = run_program([SLUICECTL, "--words"] + list(before))
    equal((result.returncode, result.stderr), (0, ""))
    return result.stdout.split()


def test_what_may_come_next():
    for before, some in (([], ["status", "reload", "kill", "-s"]),
                         (["-s", "/x", "--json"], ["status", "metrics"]),
                         (["reload"], ["--wait", "--force", "--json"]),
                         (["help"], ["status", "drain"]),
                         (["status"], ["--rates"]),
                         (["conns", "--sort"], ["age", "queue"]),
                         (["log-level"], ["warn", "debug"])):
        check(set(some) <= set(words(*before)), before, words(*before))
    for before, none in ((["reload", "--wait"], "--wait"),
                         (["conns", "--sort"], "--limit"),
                         (["conns", "--sort", "age"], "--sort"),
                         (["kill"], "--ids")):
        check(none not in words(*before), before, words(*before))
    for before in (["-s"], ["nonsense"], ["help", "drain"], ["conns", "--listener"]):
        equal(words(*before), [], before)


def complete(*line):
    """What bash offers for the last of these words."""
    script = '''
        . "$0"
        COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
        _sluicectl
        printf "%s\\n" "${COMPREPLY[@]}"'''
    result = subprocess.run(
        ["bash", "-c", script, os.path.join(SOURCE, "completion/sluicectl"),
         SLUICECTL] + list(line), capture_output=True, text=True, check=False)
    equal((result.returncode, result.stderr), (0, ""), line)
    return result.stdout.split()


def test_bash():
    if shutil.which("bash") is None:
        raise Skip("bash is not here")
    equal(complete("st"), ["status"])
    equal(complete("help", "und"), ["undrain"])
    equal(complete("-s", "/x", "rel"), ["reload"])
    equal(complete("reload", "--w"), ["--wait"])
    equal(complete("conns", "--sort", "i"), ["idle", "in"])
    equal(complete("nonsense", ""), [])


main()
