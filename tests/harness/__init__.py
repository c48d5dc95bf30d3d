"""A real sluiced, driven from Python's standard library alone.

places    where the programs under test are, and factors for deadlines
checks    failing or skipping a test, and waiting for a condition
build     compiling plugins; directories for one program's files
certs     certificates, keys and CRLs
conf      configuration, in libconfig's syntax
process   what /proc knows about a process
net       sockets of clients
upstream  a server that the daemon connects to
dns       a resolver, which the daemon asks
machine   a Debian system with systemd, for tests/systemd
namespace a network and a resolv.conf of the test's own
program   a process in a session of its own, and what it prints
tls       TLS listeners and clients
openssl   a TLS client by libssl itself
records   records of TLS 1.3 with any content
daemon    one sluiced: configuration, log, reloads, connections, control socket
activation sockets that systemd has opened
page      the status page of a daemon, over HTTP
filed     a daemon whose log goes to a file
terminal  a program on a pty, and the screen that it draws
trace     the traces of test plugins, and the promised order of callbacks
runner    a test program's functions, run one by one

Tests import all this from tests/e2e/sluice_test.py; bench/ and
tests/check_examples.py use it, too.
"""
