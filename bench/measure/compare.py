"""Stretches of load on several servers in turn; medians, ratios."""

import statistics

from measure.loads import Load, load
from measure.servers import cpu_of


class Effort:
    """How long and how often to measure: quickly, or for publication."""

    def __init__(self, quick):
        self.quick = quick
        self.seconds = 0.4 if quick else 1.0
        self.warm_up = 0.1 if quick else 0.2
        self.repeats = 3 if quick else 7

    def pick(self, quick, full):
        return quick if self.quick else full


def timed(effort, server, listener, *words):
    """One stretch of load; adds the server's CPU time per message."""
    # The warm-up is a run of its own, so its CPU time does not count.
    address = server.address(listener)
    load(address, *words, "-w", 0, "-t", effort.warm_up)
    one = Load(address, *words, "-p", "-w", 0, "-t", effort.seconds)
    one.wait_line()
    before = cpu_of(server)
    one.go()
    one.wait_line()
    used = cpu_of(server) - before
    result = one.result()
    result["server_ns"] = used / result["messages"]
    result["server_busy"] = used / 1e9 / result["seconds"]
    return result


def in_turn(effort, measures):
    """Call each measure() in turn, several times.  Returns a row of results
    for each turn.  The order alternates, so that none always follows the
    same one."""
    rows = []
    count = len(measures)
    for turn in range(effort.repeats):
        row = [None] * count
        for step in range(count):
            # Forwards, then backwards, so that neighbours stay neighbours.
            at = count - 1 - step if turn % 2 else step
            row[at] = measures[at]()
        rows.append(row)
    return rows


def compare(effort, servers, *words):
    """The same load on each (server, listener); as in_turn()."""
    return in_turn(effort, [
        lambda s=server, name=name: timed(effort, s, name, *words)
        for server, name in servers])


def medians(rows, key):
    return [statistics.median(result[key] for result in column)
            for column in zip(*rows)]


def ratio(rows, key, of, to=0):
    """Median of the ratios of neighbours in time: drift cancels out."""
    return statistics.median(row[of][key] / row[to][key] for row in rows)
