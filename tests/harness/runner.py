"""A test program's functions, run one by one."""

import os
import subprocess
import sys
import time
import traceback

from harness.build import remove_scratch
from harness.checks import Failure, Skip

HERE = os.path.dirname(os.path.abspath(__file__))
SKIPPED = 77		# automake: this test could not run here


def main():
    """Run all functions test_* of the program, or those named."""
    module = sys.modules["__main__"]
    tests = [(name, value) for name, value in vars(module).items()
             if name.startswith("test_") and name != "test_plugin"
             and callable(value)]
    wanted = sys.argv[1:]
    failed, skipped, passed = [], [], 0
    for name, test in tests:
        if wanted and name not in wanted:
            continue
        begun = time.monotonic()
        try:
            test()
        except Skip as reason:
            skipped.append(name)
            print("SKIP %s: %s" % (name, reason))
        except (Failure, OSError, subprocess.SubprocessError) as error:
            failed.append(name)
            frame = next((f for f in reversed(
                traceback.extract_tb(error.__traceback__))
                if os.path.dirname(f.filename) != HERE), None)
            where = " (line %d)" % frame.lineno if frame else ""
            print("FAIL %s%s: %s: %s" % (
                name, where, type(error).__name__, error))
        except Exception:
            failed.append(name)
            traceback.print_exc(file=sys.stdout)
            print("FAIL %s" % name)
        else:
            passed += 1
            print("ok   %s (%.2f s)" % (name, time.monotonic() - begun))
        sys.stdout.flush()
    remove_scratch()
    if failed:
        sys.exit(1)
    sys.exit(SKIPPED if skipped and not passed else 0)
