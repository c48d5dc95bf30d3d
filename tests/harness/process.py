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


def cpu_seconds(pid):
    fields = stat_fields(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    """A value of a limit that nothing uses, to know the children by."""
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
    """The living processes of a program, whatever their sessions and parents."""
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
    """What each descriptor of a process is, or None if we may not know."""
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
    with open("/proc/net/unix") as file:
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
