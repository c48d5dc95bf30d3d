"""sluiced -t and TLS: mistakes have listener, file and line, keys no text."""

import os
import re

from sluice_test import Daemon, check, equal, main, plugin, run_sluiced
from harness import certs

CONFIG = """listeners = (
  { name = "a"; listen = "127.0.0.1:0"; plugin = "%s";
    tls : {
%s
    };
  }
);
"""
LEAF = 'cert = "leaf.pem"; key = "leaf.key";\n'


def verdict(keys, make=None):
    """Check a config with these keys, on its fourth line; (status, output)."""
    with Daemon(start=False, config="") as d:
        certs.make_leaf(d.directory)
        if make is not None:
            more = make(d.directory)
            keys = more if keys is None else keys
        with open(d.config, "w") as file:
            file.write(CONFIG % (plugin("echo"), keys))
        result = run_sluiced("-t", "-c", d.config)
        output = result.stdout + result.stderr
        check("MII" not in output and "MIG" not in output,
              "a key or certificate is shown:", output)
        return result.returncode, output


def valid(keys, make=None, warning=None):
    status, output = verdict(keys, make)
    equal(status, 0, "exit status, with " + output)
    check(warning is None or re.search(warning, output), output)


def refused(keys, line, what, make=None):
    status, output = verdict(keys, make)
    equal(status, 1, "exit status")
    check(re.search(r'sluice\.conf:%d: error: .*%s' % (line, what), output),
          "no", what, "on line", line, "in", output)


def test_good_ones():
    valid(LEAF)
    valid(LEAF + 'verify = "require"; ca = "ca.pem"; alpn = "x";')


def test_rsa_beside_ecdsa():
    def make(directory):
        certs.make(directory, "rsa", kind="rsa")

    valid('cert = [ "leaf.pem", "rsa.pem" ];'
          ' key = [ "rsa.key", "leaf.key" ];', make)


def test_text_in_the_file():
    def make(directory):
        text = []
        for key, name in ("cert", "leaf.pem"), ("key", "leaf.key"):
            with open(os.path.join(directory, name)) as file:
                text.append('%s = "%s";' % (key, file.read()))
        return "\n".join(text)

    valid(None, make)


def test_wrong_key():
    def make(directory):
        certs.make(directory, "other")

    refused('cert = "leaf.pem";\nkey = "other.key";', 5,
            r'listener "a": tls\.key: \S+other\.key: does not belong', make)


def test_dates():
    def expired(directory):
        certs.make(directory, "leaf", start=-7200, end=-3600)

    def early(directory):
        certs.make(directory, "leaf", start=3600, end=7200)

    def soon(directory):
        certs.make(directory, "leaf", end=3 * certs.DAY + 60)

    refused(LEAF, 4, r"leaf\.pem: certificate 1 \(CN=leaf\) expired", expired)
    refused(LEAF, 4, r"leaf\.pem: .*not valid before", early)
    valid(LEAF, soon, r"leaf\.pem: a certificate ends in 3 days")


def test_passphrase():
    def make(directory):
        certs.make(directory, "leaf", passphrase="open")
        with open(os.path.join(directory, "open"), "w") as file:
            file.write("open\n")
        with open(os.path.join(directory, "shut"), "w") as file:
            file.write("shut\n")

    valid(LEAF + 'passphrase_file = "open";', make)
    refused(LEAF, 4, r"leaf\.key: is encrypted", make)
    refused(LEAF + 'passphrase_file = "shut";', 4,
            r"leaf\.key: cannot be decrypted", make)


def test_order_of_the_chain():
    def make(directory):
        root = certs.make(directory, "root", ca=True)
        middle = certs.make(directory, "middle", issuer=root, ca=True)
        leaf = certs.make(directory, "end", issuer=middle)
        certs.chain(os.path.join(directory, "good.pem"), leaf, middle)
        certs.chain(os.path.join(directory, "bad.pem"), middle, leaf)

    valid('cert = "good.pem"; key = "end.key";', make)
    refused('cert = "bad.pem"; key = "end.key";', 4,
            r"bad\.pem: the chain is out of order: certificate 2 must come",
            make)


def test_revocation():
    def make(directory):
        ca = certs.make(directory, "clients", ca=True)
        gone = certs.make(directory, "gone", issuer=ca)
        certs.crl(os.path.join(directory, "clients.crl"), ca, gone)

    valid(LEAF + 'ca = "clients.pem"; crl = "clients.crl";', make)
    refused(LEAF + 'ca = "ca.pem";\ncrl = "clients.crl";', 6,
            r"clients\.crl: contains a CRL of CN=clients", make)


def test_a_fifo_holds_nobody_up():
    def make(directory):
        os.mkfifo(os.path.join(directory, "fifo"))

    refused('cert = "leaf.pem"; key = "fifo";', 4,
            r"fifo: is not a regular file", make)


main()
