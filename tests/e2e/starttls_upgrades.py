"""A connection begins in plain text and goes on with TLS: plugins/starttls.c
with mail clients of other makers, and with input that must not be believed."""

import smtplib
import subprocess

from sluice_test import (Daemon, Skip, check, equal, listener, main, need,
                         plugin, receive_all, receive_line)
from harness.places import patience
from harness.tls import (V12, V13, Peer, authority, client_context, keys,
                         leaf)

PLAIN = "250-mail.test\r\n250-STARTTLS\r\n250 PIPELINING\r\n"
ENCRYPTED = "250-mail.test\r\n250 PIPELINING\r\n"
MAIL = "Subject: hello\r\n\r\n.. a dot\r\n%s\r\n" % ("x" * 900)


def daemon(path=None, **options):
    return Daemon(listener(
        "mail", path or plugin("starttls"), tls=keys(starttls=True),
        options=dict({"hostname": "mail.test"}, **options)))


class Client:
    """Sends commands in plain text; after upgrade(), through TLS."""

    def __init__(self, d):
        self.s, self.peer = d.connect(), None
        equal(receive_line(self.s), "220 mail.test ESMTP, drops all mail\r")

    def say(self, text, answer):
        data = text.encode()
        if self.peer is None:
            self.s.sendall(data)
            got = b"".join(receive_line(self.s).encode() + b"\n"
                           for _ in range(answer.count("\n")))
        else:
            self.peer.write(data)
            got = self.peer.receive(len(answer))
        equal(got.decode(), answer, "answer to %r" % text[:40])

    def upgrade(self, **how):
        self.say("STARTTLS\r\n", "220 go ahead\r\n")
        self.peer = Peer(self.s, client_context(**how)).handshake()
        return self


def test_commands():
    with daemon() as d:
        c = Client(d)
        c.say("MAIL FROM:<a@test>\r\n", "503 not now\r\n")
        c.say("HELO here\r\n", "250 mail.test\r\n")
        c.say("EHLO here\r\n", PLAIN)
        c.say("noop\r\nNOOP it\r\nNOOPER\r\n",
              "250 ok\r\n250 ok\r\n500 what is that?\r\n")
        c.say("DATA\r\n", "503 not now\r\n")
        c.say("MAIL FROM:<>\r\nRCPT TO:<b@test>\r\nRCPT TO:<c@test>\r\n"
              "DATA\r\n" + MAIL + ".\r\n",
              "250 ok\r\n" * 3 + "354 end with a line that is a dot\r\n"
              "250 dropped\r\n")
        c.say("Mail From:<a@test>\r\nRSET\r\nRCPT TO:<b@test>\r\n",
              "250 ok\r\n250 ok\r\n503 not now\r\n")
        c.say("\r\n", "500 what is that?\r\n")
        c.say("QUIT\r\n", "221 bye\r\n")
        equal(receive_all(c.s), b"")


def test_lines():
    """A line may be long, come in pieces, or hold a line feed."""
    with daemon() as d:
        c = Client(d)
        c.say("NOOP %s\r\n" % ("x" * 505), "250 ok\r\n")
        c.say("NOOP %s\r\n" % ("x" * 506), "500 line too long\r\n")
        c.say("x" * 100000 + "\r\nNOOP\r\n",
              "500 line too long\r\n250 ok\r\n")
        for piece in ("x" * 511 + "\r", "\n", "NO", "OP\r"):
            c.s.sendall(piece.encode())
        c.say("\n", "500 line too long\r\n250 ok\r\n")
        c.say("EHLO here\r\nMAIL FROM:<>\r\nRCPT TO:<b@test>\r\nDATA\r\n",
              PLAIN + "250 ok\r\n" * 2
              + "354 end with a line that is a dot\r\n")
        # These dots end no mail, so the commands behind are text.
        c.say("\n.\nQUIT\r\n.\nQUIT\r\n\n.\r\nQUIT\r\n.\rQUIT\r\n"
              + "x" * 600 + ".\r\n.\r\n", "250 dropped\r\n")


def test_everything_is_new_after_the_upgrade():
    with daemon() as d:
        for version in V12, V13:
            c = Client(d)
            c.say("EHLO here\r\n", PLAIN)
            c.say("MAIL FROM:<a@test>\r\n", "250 ok\r\n")
            c.upgrade(version=version)
            c.say("RCPT TO:<b@test>\r\n", "503 not now\r\n")
            c.say("MAIL FROM:<a@test>\r\n", "503 not now\r\n")
            c.say("EHLO here\r\n", ENCRYPTED)
            c.say("STARTTLS\r\nNOOP\r\n",
                  "503 this is TLS already\r\n250 ok\r\n")
            c.say("MAIL FROM:<a@test>\r\nRCPT TO:<b@test>\r\nDATA\r\n",
                  "250 ok\r\n" * 2 + "354 end with a line that is a dot\r\n")
            c.say(MAIL + ".\r\n", "250 dropped\r\n")
            c.say("QUIT\r\n", "221 bye\r\n")
            equal(c.peer.receive_all(), b"")


def test_mail_may_need_tls():
    with daemon(require_tls=True) as d:
        c = Client(d)
        c.say("EHLO here\r\nMAIL FROM:<>\r\n", PLAIN + "530 STARTTLS first\r\n")
        c.upgrade()
        c.say("EHLO here\r\nMAIL FROM:<>\r\n", ENCRYPTED + "250 ok\r\n")


def test_plain_text_behind_the_command_is_not_believed():
    with daemon() as d:
        for behind in "MAIL FROM:<evil@test>\r\n", "x", "\r\n":
            c, since = Client(d), d.mark()
            c.say("EHLO here\r\n", PLAIN)
            c.s.sendall(b"STARTTLS\r\n" + behind.encode())
            try:
                got = receive_all(c.s)
            except ConnectionResetError:
                got = b""
            check(got in (b"", b"220 go ahead\r\n"), got)
            d.wait_log("mail .* closed why=tls ", since)
        # What comes later is no handshake.
        c, since = Client(d), d.mark()
        c.say("STARTTLS\r\n", "220 go ahead\r\n")
        c.s.sendall(b"MAIL FROM:<evil@test>\r\n")
        d.wait_log("mail .* closed why=handshake ", since)


def test_listener_without_tls():
    with Daemon(listener("mail", plugin("starttls"),
                         options={"hostname": "mail.test"})) as d:
        c = Client(d)
        c.s.sendall(b"STARTTLS\r\n")
        d.wait_log("STARTTLS needs a listener with tls.starttls = true")
        d.wait_log("mail .* closed why=")


def test_listener_that_has_tls_from_the_start():
    with Daemon(listener("mail", plugin("starttls"), tls=keys(),
                         options={"hostname": "mail.test"})) as d:
        peer = Peer(d.connect()).handshake()
        greeting = b"220 mail.test ESMTP, drops all mail\r\n"
        equal(peer.receive(len(greeting)), greeting)
        peer.write(b"EHLO here\r\n")
        equal(peer.receive(len(ENCRYPTED)), ENCRYPTED.encode())


def test_reload_before_the_upgrade():
    """Also to another certificate, which the handshake then shows."""
    with daemon() as d:
        c, kept = Client(d), Client(d).upgrade()
        c.say("EHLO here\r\n", PLAIN)
        c.say("MAIL FROM:<a@test>\r\n", "250 ok\r\n")
        d.listener("mail")["tls"] = keys(leaf("other", issuer="other-ca"),
                                         starttls=True)
        d.listener("mail")["options"]["hostname"] = "more.test"
        d.write_config()
        d.reload_ready()
        c.upgrade(ca="other-ca")
        for one in c, kept:
            one.say("EHLO here\r\n", ENCRYPTED.replace("mail", "more"))
            one.say("MAIL FROM:<a@test>\r\n", "250 ok\r\n")


def test_reload_before_the_handshake():
    with daemon() as d:
        c = Client(d)
        c.say("STARTTLS\r\n", "220 go ahead\r\n")
        d.listener("mail")["options"]["hostname"] = "more.test"
        d.write_config()
        d.reload_ready()
        c.peer = Peer(c.s).handshake()
        c.say("EHLO here\r\n", ENCRYPTED.replace("mail", "more"))


def test_options_are_checked():
    with daemon() as d:
        for name in "", "a b", "a\r\n", "x" * 256:
            d.listener("mail")["options"]["hostname"] = name
            d.write_config()
            check("hostname" in d.reload_refused(), "%r is taken" % name)


def test_python():
    with daemon() as d:
        for _ in range(3):
            with smtplib.SMTP("127.0.0.1", d.port("mail"),
                              timeout=patience()) as client:
                client.ehlo()
                check(client.has_extn("starttls"), client.esmtp_features)
                # Its host name is what the certificate must be for.
                client._host = "localhost"
                equal(client.starttls(context=client_context())[0], 220)
                client.ehlo()
                check(not client.has_extn("starttls"), client.esmtp_features)
                equal(client.sendmail("a@test", ["b@test", "c@test"], MAIL),
                      {})
        d.wait_log("mail .* closed why=", count=3)
        check(not d.log_lines("why=(tls|handshake|reset)"), "a TLS fault")


def run(command, text=""):
    result = subprocess.run(command, input=text, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True,
                            timeout=patience())
    equal(result.returncode, 0, "exit status, with %r" % result.stdout)
    return result.stdout


def test_openssl():
    need("openssl")
    with daemon() as d:
        for version in "-tls1_2", "-tls1_3":
            said = run(["openssl", "s_client", "-starttls", "smtp",
                        "-connect", "127.0.0.1:%d" % d.port("mail"),
                        "-verify_return_error", "-verify_hostname",
                        "localhost", "-CAfile", authority().cert, version,
                        "-quiet", "-crlf"],
                       "EHLO here\nMAIL FROM:<a@test>\nQUIT\n")
            check("250 PIPELINING\n250 ok\n221 bye\n"
                  in said.replace("\r", ""), said)
        d.wait_log("mail .* closed why=", count=2)
        check(not d.log_lines("why=(tls|handshake|reset)"), "a TLS fault")


def test_swaks():
    need("swaks")
    if "TLS not available" in run(["swaks", "--support"]):
        raise Skip("swaks cannot use TLS: Net::SSLeay is not installed")
    with daemon(require_tls=True) as d:
        for more in [], ["--pipeline"], ["--tls-protocol", "tlsv1_2"]:
            said = run(["swaks", "--server", "127.0.0.1", "--port",
                        str(d.port("mail")), "--helo", "here", "--from",
                        "a@test", "--to", "b@test,c@test", "--tls",
                        "--tls-verify", "--tls-ca-path", authority().cert,
                        "--body", MAIL, *more])
            check("TLS started" in said and "250 dropped" in said, said)
        d.wait_log("mail .* closed why=", count=3)
        check(not d.log_lines("why=(tls|handshake|reset)"), "a TLS fault")


main()
