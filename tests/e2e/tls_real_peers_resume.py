"""Programs of other makers resume sessions and show certificates of theirs."""

import os
import re
import subprocess

from sluice_test import Daemon, check, equal, main, need, plugin, scratch
from harness.places import patience
from harness.tls import authority, keys, leaf, tls_listener

NODE = r"""
const tls = require("tls"), fs = require("fs");
const [port, ca, version, cert, key] = process.argv.slice(2);
let session, first = true;
const visit = () => {
	const s = tls.connect({ host: "127.0.0.1", port: +port, session,
	    servername: "localhost", ca: fs.readFileSync(ca),
	    cert: cert && fs.readFileSync(cert), key: key && fs.readFileSync(key),
	    minVersion: version, maxVersion: version }, () => s.write("hello"));
	s.on("session", (got) => session = got);
	s.on("error", (error) => {
		console.log("error", error.code);
		first = false;
	});
	s.on("data", () => {
		console.log(s.isSessionReused() ? "resumed" : "full");
		s.end();
	});
	s.on("close", () => {
		if (first)
			visit();
		first = false;
	});
};
visit();
"""
# Prints what came back before the end.
BUN = r"""
const [port, ca, cert, key] = process.argv.slice(2);
let text = "";
await Bun.connect({ hostname: "127.0.0.1", port: +port,
	tls: { ca: Bun.file(ca), serverName: "localhost",
	    cert: cert && Bun.file(cert), key: key && Bun.file(key) },
	socket: {
		open(s) { s.write("hello"); },
		data(s, part) {
			text += new TextDecoder().decode(part);
			if (text === "hello")
				s.end();
		},
		error() {},
		close() { console.log("got", text); },
	} });
"""


def members(**more):
    return Daemon(tls_listener("echo", plugin("echo"), keys(
        verify="require", ca=authority("clients").cert, **more)))


def daemon():
    return Daemon(tls_listener("echo", plugin("echo")))


def output(*command, text=b""):
    result = subprocess.run(command, input=text, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, timeout=patience())
    return result.returncode, result.stdout.decode("utf-8", "replace")


def s_client(d, *more):
    return output("openssl", "s_client", "-connect", "127.0.0.1:%d"
                  % d.port("echo"), "-servername", "localhost", "-CAfile",
                  authority().cert, "-verify_return_error", *more)


def shows(certificate):
    return ["-cert", certificate.cert, "-key", certificate.key]


def test_openssl_resumes():
    """By -reconnect, five times, with TLS 1.2; by a file with both."""
    need("openssl")
    with daemon() as d:
        text = s_client(d, "-tls1_2", "-reconnect")[1]
        equal(len(re.findall("^New, ", text, re.M)), 1, "full handshakes")
        equal(len(re.findall("^Reused, ", text, re.M)), 5, "resumed ones")
        for version in "-tls1_2", "-tls1_3":
            path = os.path.join(scratch(), "session" + version)
            # The ticket comes with the answer.
            with subprocess.Popen(
                    ["openssl", "s_client", "-connect", "127.0.0.1:%d"
                     % d.port("echo"), "-servername", "localhost", "-quiet",
                     "-no_ign_eof", version, "-sess_out", path], stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL) as process:
                process.stdin.write(b"hello\n")
                process.stdin.flush()
                equal(process.stdout.read(6), b"hello\n")
                process.stdin.close()
            text = s_client(d, version, "-sess_in", path)[1]
            check("Reused, " in text, text)


def test_openssl_shows_a_certificate():
    need("openssl")
    good, bad = leaf("good", "clients"), leaf("bad", "strangers")
    with members() as d:
        for version in "-tls1_2", "-tls1_3":
            since = d.mark()
            s_client(d, version, *shows(good))
            d.wait_log("closed why=peer ", since)
            for more in shows(bad), []:
                since = d.mark()
                s_client(d, version, *more)
                d.wait_log("closed why=handshake ", since)


def gnutls(d, *more):
    return output("gnutls-cli", "--x509cafile=" + authority().cert,
                  "--verify-hostname=localhost", "--sni-hostname=localhost",
                  "-p", str(d.port("echo")), *more, "127.0.0.1",
                  text=b"hello\n")


def test_gnutls_resumes():
    need("gnutls-cli")
    with daemon() as d:
        for version in "1.2", "1.3":
            text = gnutls(d, "--resume", "--waitresumption", "--priority="
                          "NORMAL:-VERS-ALL:+VERS-TLS" + version)[1]
            check("This is a resumed session" in text, version, text)


def test_gnutls_shows_a_certificate():
    need("gnutls-cli")
    good, bad = leaf("good", "clients"), leaf("bad", "strangers")
    with members() as d:
        for certificate, why in (good, "peer"), (bad, "handshake"):
            since = d.mark()
            gnutls(d, "--x509certfile=" + certificate.cert,
                   "--x509keyfile=" + certificate.key)
            d.wait_log("closed why=%s " % why, since)


def script(program, name, text, d, *more, certificate=None):
    """The lines that a script prints."""
    path = os.path.join(scratch(), name)
    with open(path, "w") as file:
        file.write(text)
    if certificate:
        more += certificate.cert, certificate.key
    return output(program, path, str(d.port("echo")), authority().cert,
                  *more)[1].split("\n")[:-1]


def resumes_and_shows(program, required):
    """Node's interface.  required: TLS 1.3 wants a certificate, its words."""
    def run(d, certificate=None):
        return script(program, "resume.js", NODE, d, version,
                      certificate=certificate)

    need(program)
    good, bad = leaf("good", "clients"), leaf("bad", "strangers")
    for version in "TLSv1.2", "TLSv1.3":
        with daemon() as d:
            equal(run(d), ["full", "resumed"])
        with members() as d:
            equal(run(d, good), ["full", "resumed"])
            for certificate, code in (
                    (bad, "ERR_SSL_TLSV1_ALERT_UNKNOWN_CA"),
                    (None, required if version == "TLSv1.3" else
                     "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE")):
                equal(run(d, certificate), ["error " + code])


def test_node():
    resumes_and_shows("node", "ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED")


def test_bun_as_node():
    resumes_and_shows("bun", "ERR_SSL_TLSV1_ALERT_CERTIFICATE_REQUIRED")


def test_bun_shows_a_certificate():
    """By its own interface."""
    need("bun")
    good, bad = leaf("good", "clients"), leaf("bad", "strangers")
    with members() as d:
        for certificate, text, why in ((good, ["got hello"], "peer"),
                                       (bad, ["got "], "handshake"),
                                       (None, ["got "], "handshake")):
            since = d.mark()
            equal(script("bun", "show.mjs", BUN, d, certificate=certificate),
                  text)
            d.wait_log("closed why=%s " % why, since)


def test_curl_shows_a_certificate():
    """It sends a request, which comes back and is no answer of HTTP."""
    need("curl")
    good, bad = leaf("good", "clients"), leaf("bad", "strangers")
    with members() as d:
        where = "localhost:%d" % d.port("echo")
        for certificate, why in (good, "(peer|truncated|reset)"), (
                bad, "handshake"):
            since = d.mark()
            output("curl", "-sS", "--cacert", authority().cert, "--cert",
                   certificate.cert, "--key", certificate.key, "--resolve",
                   where + ":127.0.0.1", "https://%s/" % where)
            d.wait_log("closed why=%s " % why, since)


main()
