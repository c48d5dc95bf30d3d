"""Private keys are in the workers that use them, and nowhere else."""

import os
import re
import stat

from sluice_test import (SANITIZED, Daemon, check, children,
                         compile_plugin, descriptors, equal, main, need_root,
                         run_sluiced, scratch,
                         test_plugin, title, wait_until)
from harness import certs
from harness.tls import keys, leaf, tls_connect, tls_listener

LARGEST = 256 << 20	# of a mapping; sanitizers have some of terabytes
PASSPHRASE = "correct horse battery staple"


def scalar(certificate):
    """The secret number of an EC key, as in DER."""
    text = certs.openssl(scratch(), "pkey", "-in", certificate.key, "-noout",
                         "-text")
    found = re.search(r"priv:\s+((?:[0-9a-f:]|\s)+)pub:", text).group(1)
    number = bytes.fromhex(re.sub(r"[\s:]", "", found))[-32:]
    return number.rjust(32, b"\0")


def holds(data, number):
    """In the order of DER, or of OpenSSL's numbers in memory."""
    return number in data or number[::-1] in data


def shown(text, certificate):
    """Is any of the key in what people read?"""
    with open(certificate.key) as file:
        lines = [line for line in file.read().split("\n")
                 if line and "-----" not in line]
    number = scalar(certificate).hex()
    plain = re.sub(r"[\s:]", "", text).lower()
    return (any(line in text for line in lines) or "PRIVATE KEY" in text
            or any(number[i:i + 16] in plain for i in range(0, 48, 16)))


def files_of(pid):
    """What its open files have in them, those that can be read: {name: data}."""
    found = {}
    for fd, name in (descriptors(pid) or {}).items():
        path = "/proc/%d/fd/%d" % (pid, fd)
        try:
            if stat.S_ISREG(os.stat(path).st_mode):
                with open(path, "rb") as file:
                    found["%d %s" % (fd, name)] = file.read()
        except OSError:
            pass
    return found


def memory_of(pid):
    """All its mappings that can be read, one after the other."""
    with open("/proc/%d/maps" % pid) as file:
        lines = file.readlines()
    with open("/proc/%d/mem" % pid, "rb", buffering=0) as memory:
        for line in lines:
            start, end = (int(n, 16) for n in line.split()[0].split("-"))
            if "r" not in line.split()[1] or end - start > LARGEST:
                continue
            try:
                memory.seek(start)
                yield memory.read(end - start)
            except (OSError, OverflowError, ValueError):
                pass


def test_log_and_check_show_none():
    """Neither of good keys, nor of those that are refused."""
    one, other = leaf("one"), leaf("other")
    with Daemon(tls_listener("c", test_plugin("command"), keys(one)),
                arguments=["-v"]) as d:
        tls_connect(d).sock.close()
        d.listener("c")["tls"]["key"] = [other.key]
        d.write_config()
        d.reload_refused()
        result = run_sluiced("-t", "-c", d.config)
        equal(result.returncode, 1, "exit status")
        texts = [result.stdout + result.stderr, "\n".join(d.log_lines())]
        for pem in one.key, other.key:
            with open(pem) as file:
                d.listener("c")["tls"]["key"] = [file.read()]
            d.write_config()
            result = run_sluiced("-t", "-v", "-c", d.config)
            texts.append(result.stdout + result.stderr)
        for text in texts:
            for certificate in one, other:
                check(not shown(text, certificate), "a key in", text)


def test_passphrase_is_shown_nowhere():
    locked = leaf("locked", passphrase=PASSPHRASE)
    with Daemon(start=False) as d:
        d.write(PASSPHRASE + "\n", "pass")
        d.listeners = [tls_listener("c", test_plugin("command"),
                                    keys(locked, passphrase_file="pass"))]
        d.write_config()
        d.start()
        tls_connect(d).sock.close()
        d.write("wrong " + PASSPHRASE + "\n", "pass")
        d.reload_refused()
        result = run_sluiced("-t", "-v", "-c", d.config)
        text = "\n".join(d.log_lines()) + result.stdout + result.stderr
        check("horse" not in text, text)
        for pid in [d.pid] + d.workers():
            with open("/proc/%d/cmdline" % pid, "rb") as file:
                check(b"horse" not in file.read())


def test_crash_report_shows_none():
    mine = leaf("one")
    with Daemon(tls_listener("room", test_plugin("crasher"), keys(mine),
                             options={"at": "data", "how": "segv"}),
                pairs=False) as d:
        since = d.mark()
        p = tls_connect(d)
        p.write(b"x")
        d.wait_log(r"worker 1 \(pid \d+\) started", since)
        p.sock.close()
        text = "\n".join(d.log_lines())
        check("SIGSEGV" in text, "no report")
        check(not shown(text, mine), "a key in", text)
        tls_connect(d).sock.close()


def test_probe_has_none():
    """Constructors run there before anybody has approved of them."""
    mine = leaf("one")
    number = scalar(mine)
    with Daemon(start=False) as d:
        result = os.path.join(d.open_directory("results"), "found")
        path = compile_plugin(
            "searcher", d.path("searcher.so"),
            ["-DMASKED=" + ",".join(str(b ^ 0x5a) for b in number),
             "-DLARGEST=%dul" % LARGEST], RESULT=result)
        d.listeners = [tls_listener("c", path, keys(mine))]
        d.write_config()
        d.start()
        tls_connect(d).sock.close()
        d.reload_ready()
        with open(result) as file:
            lines = file.read().split("\n")[:-1]
        for role in "probe", "worker":
            check([one for one in lines if one.startswith(role + " ")],
                  "not searched in the", role, lines)
        for line in lines:
            check(line.endswith(" 0 0") or (line.startswith("worker ")
                                            and line.endswith(" 0")),
                  "memory, files:", line)


def test_where_it_is_while_we_serve():
    """The worker's memory has it; the master's has not, and no file but one."""
    need_root()
    mine = leaf("one")
    number = scalar(mine)
    with Daemon(tls_listener("c", test_plugin("command"), keys(mine))) as d:
        tls_connect(d).sock.close()
        worker = d.workers()[0]
        check(any(holds(part, number) for part in memory_of(worker)),
              "this test does not find the key where it has to be")
        check(not any(holds(part, number) for part in memory_of(d.pid)),
              "it is in the memory of the master")
        for name, data in files_of(worker).items():
            check(not holds(data, number), "the worker holds", name)
        sealed = [name for name, data in files_of(d.pid).items()
                  if holds(data, number)]
        equal(len(sealed), 1, "files of the master that have it")
        for pid in children(d.pid):
            if pid != worker:
                check(not any(holds(data, number)
                              for data in files_of(pid).values()),
                      title(pid), "has it")
        fd = sealed[0].split()[0]
        check("memfd" in sealed[0], sealed[0])
        status = os.stat("/proc/%d/fd/%s" % (d.pid, fd))
        equal(status.st_mode & 0o777, 0o400, "its mode")
        if not SANITIZED:
            equal(os.stat("/proc/%d/mem" % worker).st_uid, 0,
                  "who may read the worker")


def test_it_goes_with_its_generation():
    """The one before is kept, since a rollback would go there."""
    need_root()
    first = leaf("one")
    with Daemon(tls_listener("c", test_plugin("command"),
                             keys(first))) as d:
        for name in "other", "third":
            d.listener("c")["tls"] = keys(leaf(name))
            d.write_config()
            d.reload_ready()
        number = scalar(first)
        wait_until(lambda: not any(
            holds(data, number) for data in files_of(d.pid).values()),
            "the old key to go")
        wait_until(lambda: not any(
            holds(part, number) for part in memory_of(d.workers()[0])),
            "the worker to forget it")


main()
