"""Programs of other makers talk TLS to us: each version, each kind of key."""

import os
import shutil
import subprocess

from sluice_test import (Daemon, Skip, check, compile_plugin, equal, main,
                         need, plugin, scratch)
from harness.places import patience
from harness.tls import authority, keys, leaf, tls_listener

# Lower-case hexadecimal: no letter in it is a command of any client.
TEXT = os.urandom(300000).hex().encode()
NODE = r"""
const tls = require("tls"), fs = require("fs");
const [port, ca, version] = process.argv.slice(2);
const text = fs.readFileSync(0);
const s = tls.connect({ host: "127.0.0.1", port: +port,
    servername: "localhost", ca: fs.readFileSync(ca),
    minVersion: version, maxVersion: version, allowHalfOpen: true },
    () => s.end(text));
const parts = [];
s.on("data", (part) => parts.push(part));
s.on("error", (error) => { console.error(error); process.exit(1); });
s.on("end", () => {
	const got = Buffer.concat(parts);
	if (!got.equals(text)) {
		console.error("came back:", got.length, "of", text.length);
		process.exit(1);
	}
	console.log("same", s.getProtocol());
});
"""
BUN = r"""
const [port, ca, version] = process.argv.slice(2);
const text = new Uint8Array(await Bun.stdin.arrayBuffer());
let sent = 0, got = 0, wrong = false;
const more = (s) => {
	if (sent < text.length)
		sent += s.write(text.subarray(sent));
};
await Bun.connect({ hostname: "127.0.0.1", port: +port,
	tls: { ca: Bun.file(ca), serverName: "localhost" },
	socket: {
		open: more, drain: more,
		data(s, part) {
			for (const byte of part)
				wrong ||= byte !== text[got++];
			if (got === text.length) {
				console.log(wrong ? "differs" : "same");
				s.end();
			}
		},
		error(s, error) { console.error(error); process.exit(1); },
	} });
"""
# Answers a request with the request.
HTTP = r"""
#include <sluice.h>
#include <string.h>

static ssize_t
on_data(struct sl_conn *c, const void *buf, size_t len)
{
	static const char head[] = "HTTP/1.0 200 OK\r\n\r\n";

	if (memmem(buf, len, "\r\n\r\n", 4) == NULL)
		return 0;
	sl_send(c, head, strlen(head));
	sl_end(c, buf, len);
	return (ssize_t)len;
}

SL_PLUGIN(.name = "http", .version = "1", .flags = SL_MANY_WORKERS,
    .server = SL_HANDLERS(.data = on_data));
"""


def daemon(*leafs):
    return Daemon(tls_listener("echo", plugin("echo"), keys(*leafs)))


def run(command, text=TEXT, count=len(TEXT), status=0):
    """Give it text, and close its input when count bytes came back."""
    with subprocess.Popen(command, stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL) as process:
        writer = os.fork()
        if writer == 0:
            with os.fdopen(process.stdin.fileno(), "wb") as file:
                file.write(text)
            os._exit(0)
        got = process.stdout.read(count)
        os.waitpid(writer, 0)
        process.stdin.close()
        got += process.stdout.read()
        equal(process.wait(patience()), status, "exit status")
    return got


def script(program, suffix, text, *arguments):
    path = os.path.join(scratch(), "script" + suffix)
    with open(path, "w") as file:
        file.write(text)
    result = subprocess.run([program, path, *arguments], input=TEXT,
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            timeout=patience())
    equal(result.returncode, 0, "exit status, with %r" % result.stdout)
    return result.stdout.decode().split()


def test_openssl():
    need("openssl")
    pair = leaf("rsa", kind="rsa"), leaf("ec")
    with daemon(*pair) as d:
        for version, *more in (
                ("-tls1_2", "-cipher", "aRSA"),
                ("-tls1_2", "-cipher", "aECDSA"),
                ("-tls1_3", "-sigalgs", "rsa_pss_rsae_sha256"),
                ("-tls1_3", "-sigalgs", "ecdsa_secp256r1_sha256"),
                ("-tls1_3", "-groups", "P-384"),
                ("-tls1_3", "-max_send_frag", "512")):
            since = d.mark()
            got = run(["openssl", "s_client", "-connect",
                       "127.0.0.1:%d" % d.port("echo"), "-quiet",
                       "-no_ign_eof", "-verify_return_error",
                       "-verify_hostname", "localhost", "-CAfile",
                       authority().cert, version, *more])
            check(got == TEXT, version, *more, "got", len(got), "bytes")
            d.wait_log("closed why=peer in=600000 out=600000 ", since)


def test_gnutls():
    if shutil.which("gnutls-cli") is None:
        raise Skip("gnutls-cli is not installed")
    pair = leaf("rsa", kind="rsa"), leaf("ec")
    with daemon(*pair) as d:
        for priority in ("-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-RSA",
                         "-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA",
                         "-VERS-ALL:+VERS-TLS1.3",
                         "-VERS-ALL:+VERS-TLS1.3:-SIGN-ALL"
                         ":+SIGN-RSA-PSS-RSAE-SHA256"):
            since = d.mark()
            got = run(["gnutls-cli", "--logfile=/dev/null", "--x509cafile="
                       + authority().cert, "--verify-hostname=localhost",
                       "--sni-hostname=localhost",
                       "--priority=NORMAL:" + priority, "-p",
                       str(d.port("echo")), "127.0.0.1"])
            check(got == TEXT, priority, "got", len(got), "bytes")
            d.wait_log("closed why=peer in=600000 out=600000 ", since)


def test_curl():
    need("curl")
    source = compile_plugin(HTTP, os.path.join(scratch(), "http.so"),
                            ["-D_GNU_SOURCE"])
    with Daemon(tls_listener("http", source)) as d:
        for version in ["--tlsv1.2", "--tls-max", "1.2"], ["--tlsv1.3"]:
            got = run(["curl", "-sS", "--cacert", authority().cert, *version,
                       "https://localhost:%d/there" % d.port("http"),
                       "--resolve",
                       "localhost:%d:127.0.0.1" % d.port("http")], b"", 0)
            check(got.startswith(b"GET /there HTTP/1."), got)
        d.wait_log("closed why=", count=2)
        check(not d.log_lines("why=(tls|handshake|reset)"), "a TLS fault")


def test_node():
    need("node")
    with daemon() as d:
        for version in "TLSv1.2", "TLSv1.3":
            equal(script("node", ".js", NODE, str(d.port("echo")),
                         authority().cert, version), ["same", version])
        d.wait_log("closed why=peer in=600000 out=600000 ", count=2)


def test_bun():
    """Its own interface, which has no versions, and the one of Node."""
    need("bun")
    with daemon() as d:
        for version in "TLSv1.2", "TLSv1.3":
            equal(script("bun", ".js", NODE, str(d.port("echo")),
                         authority().cert, version), ["same", version])
        d.wait_log("closed why=peer in=600000 out=600000 ", count=2)
        equal(script("bun", ".mjs", BUN, str(d.port("echo")),
                     authority().cert), ["same"])
        d.wait_log("closed why=peer in=600000 out=600000 ", count=3)


main()
