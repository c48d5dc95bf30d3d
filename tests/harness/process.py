"""What /proc knows about a process."""

import os
import re
import resource



def stat_fields(pid):
    """The fields of /proc/PID/stat behind the name: state is [0]."""
    try:
        with open("/proc/%d/stat" % pid) as file:
            return file.read().rpartition(")")[2].split()
    except (OSError, ProcessLookupError):
        return None


def thread_state(pid, thread):
    """Its name and the letter of its state; ("", "") if it has ended."""
    try:
        with open("/proc/%d/task/%s/stat" % (pid, thread)) as file:
            name, _, rest = file.read().rpartition(")")
    except (OSError, ProcessLookupError):
        return "", ""
    return name.partition("(")[2], rest.split()[0]


def writes_log(pid):
    """Is its log thread writing?  A new thread has the name of the first one
    until it runs."""
    try:
        threads = os.listdir("/proc/%d/task" % pid)
    except (OSError, ProcessLookupError):
        return False            # it has just ended
    names = ("sluiced: log", thread_state(pid, pid)[0])
    return any(name in names and state in ("R", "D")
               for name, state in (thread_state(pid, thread)
                                   for thread in threads
                                   if int(thread) != pid))


def cpu_seconds(pid):
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def cpu_ns(pid):
    """CPU time of all its living threads, by the scheduler's clock."""
    used = 0
    for thread in os.listdir("/proc/%d/task" % pid):
        try:
            with open("/proc/%d/task/%s/schedstat" % (pid, thread)) as file:
                used += int(file.read().split()[0])
        except OSError:
            pass                # it has just ended
    return used


def anonymous_memory(pid):
    """Resident anonymous bytes: what the process itself has touched."""
    try:
        with open("/proc/%d/smaps_rollup" % pid) as file:
            found = re.search(r"^Anonymous:\s+(\d+)", file.read(), re.M)
    except PermissionError:  # not dumpable, and we are not root
        with open("/proc/%d/status" % pid) as file:
            found = re.search(r"^RssAnon:\s+(\d+)", file.read(), re.M)
    return int(found.group(1)) * 1024


def memory(pid):
    """Resident bytes."""
    with open("/proc/%d/statm" % pid) as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def children(pid):
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            fields = stat_fields(int(entry))
            if fields and int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(entry))
    return found


marks = 0


def next_mark():
    """A value for a limit that nothing uses; all descendants inherit it."""
    global marks
    marks += 1
    return (os.getpid() % 6000) * 100 + marks % 100 + 1000


def limit_mark(pid):
    try:
        with open("/proc/%d/limits" % pid) as file:
            match = re.search(r"^Max msgqueue size +(\d+)", file.read(), re.M)
    except OSError:
        return None
    return int(match.group(1)) if match else None


def family(program):
    """The living processes of a program, in any session, of any parent."""
    return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc")))
            if limit_mark(pid) == program.limit_mark and is_alive(pid)]


def is_alive(pid):
    fields = stat_fields(pid)
    return fields is not None and fields[0] not in "ZX"


def title(pid):
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            return file.read().rstrip(b"\0").replace(b"\0", b" ").decode()
    except OSError:
        return ""


def descriptors(pid):
    """What each descriptor of a process is, or None without permission."""
    try:
        names = os.listdir("/proc/%d/fd" % pid)
    except OSError:
        return None
    found = {}
    for name in names:
        try:
            found[int(name)] = os.readlink("/proc/%d/fd/%s" % (pid, name))
        except OSError:
            pass
    return found


def quiet_sockets():
    """Inodes of sockets that are not connections: listening or packets."""
    quiet = set()
    for table in ("tcp", "tcp6"):
        try:
            with open("/proc/net/" + table) as file:
                for line in file.readlines()[1:]:
                    fields = line.split()
                    if fields[3] == "0A":
                        quiet.add(fields[9])
        except OSError:
            pass
    with open("/proc/net/unix", errors="replace") as file:
        for line in file.readlines()[1:]:
            fields = line.split()
            # A listening one (flag 10000), or not a stream (type 1).
            if int(fields[3], 16) & 0x10000 or fields[4] != "0001":
                quiet.add(fields[6])
    return quiet


def connection_descriptors(pid):
    """Descriptors of a process that are sockets of connections."""
    held = descriptors(pid)
    if not held:
        return []
    quiet = quiet_sockets()
    return ["%d %s" % (fd, target) for fd, target in held.items()
            if target.startswith("socket:[") and fd > 2
            and target[8:-1] not in quiet]


def peer_ports(pid):
    """The ports at the other ends of its IPv4 connections, as a set, or None
    without permission."""
    held = descriptors(pid)
    if held is None:
        return None
    sockets = {target[8:-1] for target in held.values()
               if target.startswith("socket:[")}
    with open("/proc/net/tcp") as file:
        rows = [line.split() for line in file.readlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows
            if row[9] in sockets and row[3] == "01"}


def mapped_images(pid):
    """How many memfds the process has mapped."""
    with open("/proc/%d/maps" % pid) as file:
        return len({line.split()[4] for line in file if "memfd:" in line})
