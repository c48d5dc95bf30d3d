"""A real sluiced, driven from Python's standard library alone.

places    where the programs under test are, and how patient to be with them
checks    what fails or skips a test, and waiting for what must come true
build     plugins, compiled; directories for one program's files
conf      configuration, in libconfig's syntax
process   what /proc knows about a process
net       clients' sockets
program   a process in a session of its own, and what it prints
daemon    one sluiced: configuration, log, reloads, connections, control socket
trace     what test plugins trace, and what is promised about it
runner    a test program's functions, run one by one

Tests import all this from tests/e2e/sluice_test.py; bench/ and
tests/check_examples.py use it, too.
"""
