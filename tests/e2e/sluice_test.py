"""What end-to-end tests import: a real sluiced, in its own directory.

A test is a program with functions named test_*, which ends with main().  It
waits for log lines and sockets, never for time.  Every daemon is stopped
through Daemon.stop(), which makes the same checks for all of them: exit
status, sanitizers, assertions, orphans, descriptors, and that each `open` a
plugin traced was matched by one `close`.

From the environment: SLUICED, SLUICE_PLUGINS, SLUICE_TEST_PLUGINS,
SLUICE_INCLUDE, CC, CXX, SLUICE_TEST_SLOW (a factor for all deadlines),
SLUICE_TEST_LOG (print the log of passed tests, too).

All the code is in tests/harness, which bench/ uses as well.
"""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))

from harness.build import (
    compile_plugin, compiler, make_directory, plugin, scratch, test_plugin)
from harness.checks import (
    Failure, Skip, check, equal, need, need_localhost, need_root, wait_until)
from harness.conf import Raw, connector, listener, setting
from harness.daemon import TEXT_LINE, Daemon
from harness.filed import Filed
from harness.net import (
    close_all, exchange, expect_end, expect_gone, expect_reset,
    free_address, id_of, pattern, receive, receive_all, receive_line,
    reset, send_until_stalled)
from harness.page import (
    Response, fetch, fetch_bytes, page_addresses, page_connect, page_process)
from harness.places import (
    BUILD, DEADLINE, INCLUDE, PLUGINS, SANITIZED, SLOW, SLUICECTL, SLUICED,
    SOURCE, TEST_PLUGINS, TEST_SOURCES, slow_down)
from harness.process import (
    children, connection_descriptors, cpu_seconds, descriptors,
    family, is_alive, memory, stat_fields, title)
from harness.program import BAD_LINES, run_program, run_sluiced
from harness.runner import main
