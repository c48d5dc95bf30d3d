#!/usr/bin/env python3
"""The examples in README.md, the manuals and the sample configurations work.

Manuals must be lint-free.  Their C examples must compile without a warning
and load, their configurations must pass `sluiced -t`, their commands must run.
The commands of README.md are run in a directory that looks like a fresh clone
after a build, and each must say what its comment says.  So must the lines with
which ./bootstrap run shows how to try TLS.

In a manual, a block that begins with a comment `example: c NAME`, `example:
unit NAME`, `example: conf NAME`, `example: sh`, `example: ctl` or `example: talk
NAME NAME` is such an example; `unit` is a program that tests the plugin NAME.  For the last two a daemon runs, which
is reloaded before `ctl after a reload`.  In `talk` it is reloaded from the first
plugin to the second, and its answers must be those beside the lines.

From the environment: SLUICED, SLUICE_PLUGINS, SLUICE_INCLUDE, CC.
"""

import glob
import os
import re
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading

from harness import certs, places
from harness.build import remove_scratch, scratch, usable
from harness.checks import Failure
from harness.conf import Raw, listener
from harness.daemon import Daemon
from harness.net import (
    free_address, more_than_the_kernel_holds, pattern, receive, receive_all,
    send_until_stalled)
from harness.places import INCLUDE, SLUICED, SOURCE
from harness.runner import SKIPPED
from harness.upstream import Upstream

# As root, sluiced takes plugins only from where no other user can write.
PLUGINS = usable(places.PLUGINS)
CC = shlex.split(os.environ.get("CC") or "cc")
DEADLINE = 120		# seconds; reaching it is a failure
MAKE_CERTIFICATE = os.path.join(SOURCE, "conf/make-certificate")
BUILT_CONF = os.path.join(os.path.dirname(os.path.dirname(SLUICED)),
                          "conf/sluice.conf")

# Runs before the commands of README.md.  Where they sleep until the daemon has
# its verdict, this waits for the verdict itself.
PRELUDE = r"""
set -e
verdicts=0
sleep() {
	verdicts=$((verdicts + 1))
	for try in {1..3000}; do
		found=$(grep -cE 'generation [0-9]+ ready|reload refused' log) || :
		if [ "$found" -ge $verdicts ]; then return; fi
		command sleep 0.02
	done
	echo "verdict $verdicts is not in the log"
	exit 1
}
trap 'kill $(jobs -p) 2> /dev/null || :; wait' EXIT
"""

# Runs before an example that talks to a daemon.
CONTROL_PRELUDE = r"""
set -e
sluicectl() { command sluicectl -s control.sock "$@"; }
trap 'kill $(jobs -p) 2> /dev/null || :; wait' EXIT
rm -f control.log
sluiced -c control.conf 2> control.log &
for try in {1..3000}; do
	if grep -qs 'generation 1 ready' control.log; then break; fi
	sleep 0.02
done
# A reload then changes something, so that there is something to go back to.
echo 'drain_timeout = "31s";' >> control.conf
"""
# The same, for one that goes back.
RELOADED = "sluicectl reload --wait > /dev/null\n"
CONTROL_CONF = """workers = 2;
plugin_dir = "%s";
control = "control.sock";
listeners = ( { name = "echo"; listen = "127.0.0.1:0"; plugin = "echo"; } );
"""

failures = 0


def check(condition, what, detail=""):
    global failures
    print("%s - %s" % ("ok" if condition else "NOT OK", what))
    if not condition:
        failures += 1
        if detail:
            print("\t" + detail.rstrip().replace("\n", "\n\t"))
    sys.stdout.flush()
    return condition


def run(command, **settings):
    """Exit status and everything it said; None: it had to be killed."""
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
        **settings)
    try:
        output = process.communicate(timeout=DEADLINE)[0]
        return process.returncode, output
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        return None, process.communicate()[0] + "\n(killed: too slow)\n"


def read(*names):
    with open(os.path.join(SOURCE, *names)) as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    return path


# Manuals.

def manual_examples(text):
    """(kind, name, text) of each example."""
    for match in re.finditer(
            r'^\.\\" example: (\w+) ?([\w ]*)\n\.Bd .*\n((?s:.*?))^\.Ed$', text,
            re.MULTILINE):
        block = match.group(3).replace("\\&", "").replace("\\e", "\\")
        yield match.group(1), match.group(2), block


def with_plugin_dir(text):
    """The configuration, with the plugins of this build."""
    line = 'plugin_dir = "%s";' % PLUGINS
    text, count = re.subn(r'^plugin_dir = "[^"]*";', line, text,
                          flags=re.MULTILINE)
    return text if count else line + "\n" + text


def check_config(path, what):
    status, output = run([SLUICED, "-t", "-c", path])
    check(status == 0 and "is valid" in output,
          "sluiced -t takes %s" % what, output)


def try_forward(target):
    """The plugin forwards, and a peer that does not read stops the other."""
    data = pattern(more_than_the_kernel_holds(2))
    with Upstream() as server, Daemon(
            listener("forward", target, options={
                "port": Raw(server.address.rpartition(":")[2])})) as d:
        client = d.connect()
        peer = server.accept()
        for one, other in (client, peer), (peer, client):
            sent = send_until_stalled(one, data)
            check(sent < len(data), "forward slows a sender down")
            check(receive(other, sent) == data[:sent], "forward forwards")
        client.shutdown(socket.SHUT_WR)
        check(receive_all(peer) == b"", "forward passes an end on")
        peer.sendall(b"last")
        peer.close()
        check(receive_all(client) == b"last", "forward ends after the rest")
        server.close()
        with d.connect() as client:
            check(receive_all(client) == b"", "forward closes without a server")


def try_feed(target):
    """The plugin connects, and connects again."""
    with Upstream() as server, Daemon(
            listener("feed", target, options={
                "port": Raw(server.address.rpartition(":")[2])})) as d:
        for text in b"one", b"two":
            with server.accept() as peer, d.connect() as client:
                while not select.select([client], [], [], 0.05)[0]:
                    peer.sendall(text)  # until the client is known
                check(receive(client, 3) == text, "feed feeds")


def try_incr(target):
    """Each request is carried out once, however late the replies are read."""
    requests = 100000
    with Daemon(listener("incr", target, limits={
            "write_buffer": "4KiB", "write_queue": "64KiB"})) as d:
        client = d.connect(receive_buffer=4096)
        sender = threading.Thread(target=client.sendall,
                                  args=(b"INCR\r\n" * requests,))
        sender.start()
        replies = b"".join(b":%d\r\n" % n for n in range(1, requests + 1))
        check(receive(client, len(replies)) == replies,
              "incr carries each request out once")
        sender.join()


TRIES = {"forward": try_forward, "feed": try_feed, "incr": try_incr}


def check_plugin(source, name, what):
    target = source[:-2] + ".so"
    status, output = run(CC + [
        "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fPIC",
        "-shared", "-fvisibility=hidden", "-I" + INCLUDE, "-o", target, source])
    if check(status == 0, "%s compiles" % what, output):
        status, output = run([SLUICED, "--describe", target])
        check(status == 0 and name.rstrip("0123456789") in output,
              "%s loads" % what, output)
        if name in TRIES:
            try:
                TRIES[name](target)
            except (Failure, OSError) as error:
                check(False, "%s runs" % what, str(error))


def check_unit(page, name, source, what):
    """A test of the plugin `name` of the same page, without a daemon."""
    plugin = [text for kind, other, text in manual_examples(read(page))
              if (kind, other) == ("c", name)][0]
    target = source[:-2]
    status, output = run(CC + [
        "-std=c11", "-Wall", "-Wextra", "-Werror", "-I" + INCLUDE,
        "-o", target, source, write(target + "-plugin.c", plugin)])
    if check(status == 0, "%s compiles" % what, output):
        status, output = run([target])
        check(status == 0, "%s passes" % what, output)


def talk(text, before, after, directory):
    """Run a conversation.  Returns what was wrong, or ""."""
    def install(name):
        with open(os.path.join(directory, name + ".so"), "rb") as file:
            d.write(file.read(), "talk.so")

    sockets = {}
    try:
        with Daemon(listener("talk", "./talk.so"), start=False) as d:
            install(before)
            d.start()
            for name in sorted(set(re.findall(r"^(\w): ", text,
                                              re.MULTILINE))):
                s = d.connect()
                sockets[name] = (s, s.makefile())
            for line in text.splitlines():
                if line == "reload":
                    install(after)
                    d.reload_ready()
                else:
                    say(sockets, line)
            for _, file in sockets.values():
                file.close()
    except (Failure, OSError) as error:
        return str(error)
    return ""


def say(sockets, line):
    """One line of a conversation: `NAME: what is sent  what is answered`."""
    who, said, answer = re.match(r"(\w): (.*?)(?:  +(.*))?$", line).groups()
    s, file = sockets[who]
    s.sendall(said.encode() + (b"\n" if answer else b""))
    got = file.readline().rstrip("\n") if answer else None
    if got != answer:
        raise Failure("%s: got %r" % (line, got))


def check_manuals(directory):
    tools = os.path.join(directory, "bin")
    os.mkdir(tools)
    for program in ("sluiced", "sluicectl"):
        os.symlink(os.path.join(os.path.dirname(SLUICED), program),
                   os.path.join(tools, program))
    path = dict(os.environ, PATH=tools + ":" + os.environ["PATH"])
    for page in sorted(glob.glob(os.path.join(SOURCE, "man", "*.[0-9]"))):
        name = os.path.basename(page)
        status, output = run(["mandoc", "-T", "lint", "-W", "warning", page])
        check(status == 0 and not output, "%s is lint-free" % name, output)
        for kind, what, text in manual_examples(read(page)):
            title = "the example %s in %s" % (what or kind, name)
            file = os.path.join(directory, "%s.%s" % (what or "it", kind))
            if kind == "c":
                check_plugin(write(file, text), what, title)
            elif kind == "conf":
                if "tls :" in text and not make_certificates(directory):
                    continue
                check_config(write(file, with_plugin_dir(text)), title)
            elif kind == "unit":
                check_unit(page, what, write(file + ".c", text), title)
            elif kind == "talk":
                wrong = talk(text, *what.split(), directory)
                check(not wrong, "%s goes as it says" % title, wrong)
            elif kind == "ctl":
                write(os.path.join(directory, "control.conf"),
                      CONTROL_CONF % PLUGINS)
                before = CONTROL_PRELUDE
                if what == "after a reload":
                    before += RELOADED
                status, output = run(["bash", "-c", before + text], env=path,
                                     cwd=directory)
                check(status == 0 and output, "%s runs" % title, output)
            else:
                status, output = run(["bash", "-ec", text], env=path,
                                     cwd=PLUGINS)
                check(status == 0, "%s runs" % title, output)


# Configurations.

def make_certificates(directory):
    """The files that examples name.  False: there is no openssl."""
    tls = os.path.join(directory, "tls")
    if not shutil.which("openssl"):
        print("openssl is not here: examples with TLS are not tried")
        return False
    if os.path.isdir(tls):
        return True
    os.makedirs(tls)
    subprocess.run([MAKE_CERTIFICATE, "-q", directory], check=True)
    ca = certs.make(tls, "clients-ca", ca=True)
    leaf = certs.make(tls, "cert", issuer=ca, passphrase="open")
    os.rename(leaf.key, os.path.join(tls, "key.pem"))
    write(os.path.join(tls, "passphrase"), "open\n")
    certs.crl(os.path.join(tls, "clients-crl.pem"), ca)
    certs.ocsp(os.path.join(tls, "ocsp.der"), leaf)
    certs.make(tls, "members-ca", ca=True)
    certs.crl(os.path.join(tls, "servers-crl.pem"),
              certs.make(tls, "servers-ca", ca=True))
    certs.make(tls, "client")
    certs.make(tls, "rsa", kind="rsa")
    certs.make(tls, "ecdsa")
    for name in "org", "example":
        certs.make(tls, name, names=("DNS:example.org", "DNS:*.example.org"))
    return True


def uncomment_groups(text, directory):
    """Those that are one comment each, as tls is."""
    may_tls = make_certificates(directory)

    def live(match):
        if match.group(1) == "tls" and not may_tls:
            return ""
        return re.sub(r"^(\t+)#[ \t]", r"\1", match.group(),
                      flags=re.MULTILINE)

    text = re.sub(r"^# connectors = \($.*?^# \);$",
                  lambda match: re.sub(r"^# ?", "", match.group(),
                                       flags=re.MULTILINE),
                  text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^\t\t# (\w+) : \{$.*?^\t\t# \};$", live, text,
                  flags=re.MULTILINE | re.DOTALL)


def check_samples(directory):
    file = os.path.join(directory, "sample.conf")
    for name in ("proxy.conf", "sluice.conf", "sluice.conf.full"):
        text = read("conf", name)
        check_config(write(file, with_plugin_dir(text)), "conf/" + name)
    # And with every commented line active, except for users that may not
    # exist here.
    live = re.sub(r"^(\s*)# (\w+ = [^;]*;)", r"\1\2",
                  uncomment_groups(text, directory), flags=re.MULTILINE)
    live = re.sub(r"^\s*(user|group|owner|mode|control_group|plugin_copies|file) = [^;]*;", "",
                  live, flags=re.MULTILINE)
    check_config(write(file, with_plugin_dir(live)),
                 "conf/sluice.conf.full with every default written out")


def check_proxy_conf():
    """conf/proxy.conf proxies."""
    text = read("conf", "proxy.conf")
    for port in set(re.findall(r"127\.0\.0\.1:(\d+)", text)):
        text = text.replace("127.0.0.1:" + port, free_address())
    text = re.sub("^control = .*", "", with_plugin_dir(text), flags=re.MULTILINE)
    with Daemon(config=text) as d:
        for _ in range(3):
            with d.connect("proxy") as s:
                s.sendall(b"hello")
                check(receive(s, 5) == b"hello", "conf/proxy.conf proxies")


# What ./bootstrap run serves.

def try_line(command, text):
    """Run a command that waits; what it answers to a line of text."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          shell=True, start_new_session=True) as process:
        process.stdin.write(text)
        process.stdin.flush()
        ready = select.select([process.stdout], [], [], DEADLINE)[0]
        answer = process.stdout.readline() if ready else "(nothing)"
        os.killpg(process.pid, signal.SIGKILL)
        return answer, process.stderr.read()


def check_try_out():
    """The banner's lines with openssl work, and README.md has one of them."""
    function = re.search(r"^listeners\(\) \{\n.*?^\}\n", read("bootstrap"),
                         re.MULTILINE | re.DOTALL).group()
    banner = run(["sh", "-c", function + 'listeners "$1"', "sh",
                  BUILT_CONF])[1].replace("\\\n", "")
    check("nc 127.0.0.1 7007" in banner, "the banner names echo", banner)
    if not os.path.exists(os.path.join(os.path.dirname(BUILT_CONF),
                                       "try-out.key")):
        print("there was no openssl at the build: its TLS is not tried")
        return
    commands = re.findall(r"^ +(openssl .*?)(?:  +#.*)?$", banner,
                          re.MULTILINE)
    check(len(commands) == 2, "the banner has two lines with openssl", banner)
    check(re.findall(r"^ +(openssl .*?)  +#", read("README.md"), re.MULTILINE)
          == commands[:1], "README.md has the first of them", banner)
    with open(BUILT_CONF) as file:
        config = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:0",
                        with_plugin_dir(file.read()))
    with Daemon(config=config, start=False) as d:
        for name in "try-out.pem", "try-out.key":
            shutil.copy(os.path.join(os.path.dirname(BUILT_CONF), name),
                        d.path(name))
        d.start()
        for command in commands:
            answer, errors = try_line(
                command.replace(":7443", ":%d" % d.port("secure")), "hello\n")
            check(answer == "hello\n", command, "%r\n%s" % (answer, errors))


# README.md.

def check_readme(directory):
    text = read("README.md")
    sample = re.findall(r'name = "(\w+)";\s*listen = "127.0.0.1:(\d+)"',
                        read("conf", "sluice.conf"))
    for port, name in re.findall(r"nc 127\.0\.0\.1 (\d+) +# (\w+)", text):
        check((name, port) in sample,
              "conf/sluice.conf has %s at %s, as README.md says"
              % (name, port))
    for name in re.findall(r"[` ]((?:man|plugins|conf|include|bench|systemd)/"
                           r"[\w./*-]*|[A-Z]+\.md)(?=[`;])", text):
        check(glob.glob(os.path.join(SOURCE, name)),
              "README.md names %s, which exists" % name)

    clone = os.path.join(directory, "clone")
    os.makedirs(os.path.join(clone, "build/daemon"))
    os.symlink(INCLUDE, os.path.join(clone, "include"))
    os.symlink(SLUICED, os.path.join(clone, "build/daemon/sluiced"))
    blocks = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text,
                                  re.MULTILINE | re.DOTALL))
    script = PRELUDE + blocks.replace("7020", free_address().rpartition(":")[2])
    with open(os.path.join(clone, "log"), "w+") as log:
        script = script.replace("sluiced -c hello.conf",
                                "sluiced -c hello.conf 2> log")
        status, output = run(["bash", "-c", script], cwd=clone)
        said = log.read()
    detail = "output:\n%s\nlog:\n%s" % (output, said)
    if not check(status == 0, "the commands of README.md run", detail):
        return
    expected = re.findall(r"<&5 +# (.*)$", blocks, re.MULTILINE)
    check(output.splitlines() == expected,
          "they say what README.md says", detail)
    for line in re.findall(r"# the log says: (.*)$", blocks, re.MULTILINE):
        check(line in said, "the log says: " + line, detail)


def main():
    for program in ("mandoc", "bash", "cc", CC[0]):
        if shutil.which(program) is None:
            print("%s is not installed: the examples were not tried"
                  % program)
            return SKIPPED
    try:
        check_manuals(scratch())
        check_samples(scratch())
        check_proxy_conf()
        check_readme(scratch())
        check_try_out()
    finally:
        remove_scratch()
    return 1 if failures else 0


sys.exit(main())
