"""Certificates, keys and CRLs, made by openssl(1) for one test."""

import os
import subprocess
import time

from harness.checks import Failure, need

DAY = 24 * 60 * 60
CONFIG = """[ca]
default_ca = files
[files]
database = %(name)s.db
new_certs_dir = .
certificate = %(issuer)s.pem
private_key = %(issuer)s.key
default_md = default
policy = any
rand_serial = yes
unique_subject = no
default_crl_days = 1
[any]
commonName = supplied
[extensions]
basicConstraints = critical,CA:%(ca)s
keyUsage = critical,%(usage)s
subjectKeyIdentifier = hash
%(more)s
"""
KINDS = {
    "ec": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "rsa": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "ed25519": ["-algorithm", "ED25519"],
}


class Certificate:
    """DIRECTORY/NAME.pem and NAME.key; `issuer` is one of these, too."""

    def __init__(self, directory, name, issuer=None):
        self.directory, self.name = directory, name
        self.issuer = issuer or self
        self.cert = os.path.join(directory, name + ".pem")
        self.key = os.path.join(directory, name + ".key")


def openssl(directory, *arguments):
    result = subprocess.run([need("openssl"), *arguments], cwd=directory,
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Failure("openssl %s:\n%s" % (" ".join(arguments),
                                           result.stdout))
    return result.stdout


def stamp(seconds):
    """A time from now, as openssl-ca(1) wants it."""
    return time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))


def make(directory, name, issuer=None, ca=False, kind="ec", subject=None,
         names=(), start=-DAY, end=90 * DAY, passphrase=None, more=""):
    """A certificate: its own issuer if there is none.  names: "DNS:a.b".

    more: a line of openssl's configuration, for another extension.
    """
    made = Certificate(directory, name, issuer)
    usage = "keyCertSign,cRLSign" if ca else "digitalSignature"
    if names:
        more += "\nsubjectAltName = " + ",".join(names)
    if issuer is not None:
        more += "\nauthorityKeyIdentifier = keyid"
    with open(os.path.join(directory, name + ".cnf"), "w") as file:
        file.write(CONFIG % {"name": name, "issuer": made.issuer.name,
                             "ca": str(ca).upper(), "usage": usage,
                             "more": more})
    with open(os.path.join(directory, name + ".db"), "w"):
        pass
    openssl(directory, "genpkey", *KINDS[kind], "-out", made.key)
    openssl(directory, "req", "-new", "-key", made.key, "-out", name + ".csr",
            "-subj", "/CN=" + (subject or name))
    openssl(directory, "ca", "-batch", "-notext", "-config", name + ".cnf",
            "-extensions", "extensions", "-startdate", stamp(start),
            "-enddate", stamp(end), "-in", name + ".csr", "-out", made.cert,
            *(["-selfsign", "-keyfile", made.key] if issuer is None else []))
    if passphrase is not None:
        openssl(directory, "pkey", "-in", made.key, "-aes256", "-passout",
                "pass:" + passphrase, "-out", made.key + ".new")
        os.rename(made.key + ".new", made.key)
    return made


def make_leaf(directory):
    """A CA "ca", and "leaf" for localhost, issued by it."""
    ca = make(directory, "ca", ca=True)
    return make(directory, "leaf", issuer=ca, subject="localhost",
                names=("DNS:localhost", "IP:127.0.0.1"))


def chain(path, *certificates):
    """A file of several, in this order."""
    texts = []
    for certificate in certificates:
        with open(certificate.cert) as file:
            texts.append(file.read())
    with open(path, "w") as file:
        file.write("".join(texts))
    return path


def ocsp(path, certificate):
    """A response "good" of the issuer's, valid for a day, in DER."""
    issuer = certificate.issuer
    openssl(issuer.directory, "ocsp", "-index", certificate.name + ".db",
            "-CA", issuer.cert, "-issuer", issuer.cert, "-rsigner",
            issuer.cert, "-rkey", issuer.key, "-cert", certificate.cert,
            "-ndays", "1", "-respout", path)
    return path


def crl(path, issuer, *revoked):
    """A CRL of the issuer's, good for a day."""
    for certificate in revoked:
        openssl(issuer.directory, "ca", "-config", issuer.name + ".cnf",
                "-cert", issuer.cert, "-keyfile", issuer.key,
                "-revoke", certificate.cert)
    openssl(issuer.directory, "ca", "-config", issuer.name + ".cnf",
            "-cert", issuer.cert, "-keyfile", issuer.key, "-gencrl",
            "-out", path)
    return path
