"""What bench/run and bench/storm measure with.

machine       cores, priorities, and what machine, build and commit this is
servers       sluiced, the floor and Bun, each on the core of the server
loads         bench/load and bench/stream, each on the core of the client
compare       stretches of load on several servers in turn; medians, ratios
report        tables, and target figures that were met or missed
throughput    sections of bench/run: echo, read, broadcast, accept, workers
tls           ... and tls
cost          ... and calls, instructions, memory
disturbance   ... and reload, crash

The daemon is driven by tests/harness, as in the end-to-end tests.
"""

import os
import sys

BENCH = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(os.path.dirname(BENCH), "tests"))
