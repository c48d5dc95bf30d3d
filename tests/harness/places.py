"""Where the programs under test are, and factors for deadlines.

From the environment: SLUICED, SLUICE_PLUGINS, SLUICE_TEST_PLUGINS,
SLUICE_INCLUDE, and SLUICE_TEST_SLOW, a factor for all deadlines.
"""

import os
import resource

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
TEST_SOURCES = os.path.join(SOURCE, "tests/plugins")
DEADLINE = 15		# seconds; generous, because reaching it is a failure


def place(variable, default):
    return os.path.abspath(os.environ.get(variable) or default)


def is_sanitized(path):
    try:
        with open(path, "rb") as file:
            return b"__asan_init" in file.read()
    except OSError:
        return False


BUILD = place("SLUICE_BUILDDIR", os.path.join(SOURCE, "build"))
SLUICED = place("SLUICED", os.path.join(BUILD, "daemon/sluiced"))
SLUICECTL = os.path.join(os.path.dirname(SLUICED), "sluicectl")
PLUGINS = place("SLUICE_PLUGINS", os.path.join(BUILD, "plugins"))
TEST_PLUGINS = place("SLUICE_TEST_PLUGINS",
                     os.path.join(BUILD, "tests/plugins"))
INCLUDE = place("SLUICE_INCLUDE", os.path.join(SOURCE, "include"))
SANITIZED = is_sanitized(SLUICED)
SLOW = float(os.environ.get("SLUICE_TEST_SLOW") or (3 if SANITIZED else 1))

# As many descriptors as we may have: some tests want thousands.
resource.setrlimit(resource.RLIMIT_NOFILE,
                   (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


def use_build(directory):
    """Use the programs of this build directory, despite the environment."""
    global BUILD, SLUICED, SLUICECTL, PLUGINS, TEST_PLUGINS, SANITIZED
    BUILD = os.path.realpath(directory)
    SLUICED = os.path.join(BUILD, "daemon/sluiced")
    SLUICECTL = os.path.join(BUILD, "daemon/sluicectl")
    PLUGINS = os.path.join(BUILD, "plugins")
    TEST_PLUGINS = os.path.join(BUILD, "tests/plugins")
    SANITIZED = is_sanitized(SLUICED)


def slow_down(factor):
    """From now on every deadline is at least this much longer."""
    global SLOW
    SLOW = max(SLOW, factor)


def patience(seconds=None):
    """So many seconds, or the usual deadline, times the factor in force."""
    return (DEADLINE if seconds is None else seconds) * SLOW
