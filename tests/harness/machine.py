"""A Debian system of the test's own, with systemd as its first process.

It lives in namespaces and in a cgroup of its own, see boot_machine.  Its files
are those that debootstrap has put in the build directory once, and everything
it writes is in memory.  Nothing of the machine that the test runs on changes.
"""

import contextlib
import ctypes
import fcntl
import glob
import hashlib
import json
import os
import re
import shutil
import signal
import subprocess

from harness import places
from harness.build import make_directory
from harness.checks import (Failure, Skip, check, equal, need, need_root,
                            wait_until)

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"

_libc = ctypes.CDLL(None, use_errno=True)


def package(name):
    """The path of a package of ours."""
    found = glob.glob(os.path.join(places.BUILD, "deb", name + "_*.deb"))
    if not found:
        raise Skip("there are no Debian packages in %s/deb; make them with "
                   "./bootstrap deb" % places.BUILD)
    return found[0]


def dependencies(*names):
    """Names of packages that these of ours need, without ours."""
    found = set()
    for name in names:
        text = subprocess.run(
            ["dpkg-deb", "--field", package(name), "Depends"],
            stdout=subprocess.PIPE, check=True, text=True).stdout
        for choice in text.strip().split(","):
            found.add(choice.split("|")[0].split("(")[0].strip())
    return sorted(found - {"sluice", "systemd", ""})


def dependencies_of_tests():
    """Names of packages that the autopkgtest needs, without ours."""
    path = os.path.join(places.SOURCE, "packaging/debian/tests/control")
    with open(path) as file:
        depends = re.search(r"^Depends: (.*)$", file.read(), re.M).group(1)
    return [name for name in depends.replace(" ", "").split(",")
            if not name.startswith("sluice")]


def debian():
    """The name of the Debian release that this is."""
    with open("/etc/os-release") as file:
        facts = dict(line.strip().split("=", 1) for line in file
                     if "=" in line)
    if facts.get("ID") != "debian" or "VERSION_CODENAME" not in facts:
        raise Skip("this is not Debian, so our packages are not for it")
    return facts["VERSION_CODENAME"]


def bootstrap(release, packages, target):
    need("debootstrap")
    new = target + ".new"
    shutil.rmtree(new, ignore_errors=True)
    # What it mounts for the time being is not to be seen by others.
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "debootstrap",
         "--variant=minbase", "--include=" + ",".join(packages), release,
         new], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        lines = result.stdout.strip().split("\n")
        raise Skip("debootstrap cannot make a Debian system (is there a "
                   "network?): " + lines[-1])
    os.rename(new, target)


def tree():
    """The directory of a Debian system that lacks only our packages."""
    release = debian()
    packages = (["systemd"] + dependencies("sluice", "sluice-plugins")
                + dependencies_of_tests())
    key = hashlib.sha256(" ".join([release] + packages).encode()).hexdigest()
    target = os.path.join(places.BUILD, "debian-tree-" + key[:12])
    with open(os.path.join(places.BUILD, "debian-tree-lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(target):
            bootstrap(release, packages, target)
    return target


def cgroup_here():
    """The directory of our own cgroup, version 2."""
    with open("/proc/mounts") as file:
        mounts = [line.split()[1] for line in file
                  if line.split()[2] == "cgroup2"]
    with open("/proc/self/cgroup") as file:
        paths = [line.strip()[len("0::"):] for line in file
                 if line.startswith("0::")]
    if not mounts or not paths:
        raise Skip("cgroup2, which systemd needs, is not mounted")
    return os.path.join(mounts[0], paths[0].lstrip("/"))


class Machine:
    """One, which has booted; a context manager.

    With packages installed, in this order.
    """

    def __init__(self, *packages):
        need_root()
        for program in ("unshare", "nsenter", "setpriv", "dpkg-deb"):
            need(program)
        self.packages = packages
        self.tree = tree()
        self.work = make_directory()
        self.cgroup = os.path.join(cgroup_here(),
                                   os.path.basename(self.work))
        self.unshare = None
        self.init = None

    def __enter__(self):
        try:
            self.boot()
            for name in self.packages:
                self.install(name)
        except BaseException:
            self.end()
            raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind not in (None, Skip):
                print(self.run("journalctl", "--no-pager", "--unit=sluiced",
                               status=None))
        finally:
            self.end()

    # -- life -----------------------------------------------------------------

    def boot(self):
        try:
            os.mkdir(self.cgroup)
        except OSError as error:
            raise Skip("no cgroup for a machine: %s" % error)
        self.unshare = subprocess.Popen(
            ["unshare", "--mount", "--pid", "--fork", "--cgroup", "--ipc",
             "--uts", "--net", "--propagation", "private",
             "--kill-child=KILL",
             os.path.join(places.SOURCE, "tests/harness/boot_machine"),
             self.tree, self.work, os.readlink("/proc/self/ns/mnt")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, preexec_fn=self.move)
        wait_until(self.is_booting, "systemd as the first process")
        wait_until(self.is_up, lambda: "the machine to be running, and not "
                   + self.run("systemctl", "is-system-running", status=None))
        self.enter_network()

    def move(self):
        """In the child, before exec."""
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        with open(os.path.join(self.cgroup, "cgroup.procs"), "w") as file:
            file.write("0")

    def is_booting(self):
        if self.unshare.poll() is not None:
            raise Skip("no namespaces for a machine: "
                       + self.unshare.stdout.read().strip())
        pid = self.unshare.pid
        with open("/proc/%d/task/%d/children" % (pid, pid)) as file:
            children = file.read().split()
        if not children:
            return False
        self.init = int(children[0])
        with contextlib.suppress(OSError):
            with open("/proc/%d/comm" % self.init) as file:
                return file.read() == "systemd\n"

    def is_up(self):
        if self.unshare.poll() is not None:
            raise Failure("systemd ended: " + self.unshare.stdout.read())
        state = self.run("systemctl", "is-system-running", status=None)
        return state.strip() in ("running", "degraded")

    def enter_network(self):
        """From now on the test's own sockets belong to the machine."""
        with open("/proc/%d/ns/net" % self.init) as namespace:
            if _libc.setns(namespace.fileno(), CLONE_NEWNET) == -1:
                raise Failure("setns: " + os.strerror(ctypes.get_errno()))

    def end(self):
        if self.unshare is not None:
            self.unshare.kill()
            self.unshare.wait()
            self.unshare.stdout.close()
        wait_until(self.is_gone, "an empty " + self.cgroup)
        os.rmdir(self.work)

    def is_gone(self):
        """Children of a cgroup go first, and each when it is empty."""
        for directory, _, _ in os.walk(self.cgroup, topdown=False):
            try:
                os.rmdir(directory)
            except OSError:
                return False
        return not os.path.exists(self.cgroup)

    # -- inside ---------------------------------------------------------------

    def command(self, *words):
        return ["nsenter", "-t", str(self.init), "-m", "-p", "-u", "-i", "-n",
                "-C", "-r", "-w", "env", "-i", "PATH=" + PATH, "LC_ALL=C"
                ] + list(words)

    def run(self, *words, status=0, data=None):
        """Run a command there; what it prints.  status None: any."""
        result = subprocess.run(
            self.command(*words), input=data, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, stdin=None if data is not None
            else subprocess.DEVNULL, timeout=places.patience(60))
        text = result.stdout.decode(errors="replace")
        if status is not None and result.returncode != status:
            raise Failure("%s: status %d, expected %d\n%s" % (
                " ".join(words), result.returncode, status, text))
        return text

    def path(self, path):
        """What the test itself can open."""
        return "/proc/%d/root%s" % (self.init, path)

    def exists(self, path):
        return os.path.lexists(self.path(path))

    def read(self, path):
        with open(self.path(path)) as file:
            return file.read()

    def write(self, path, text, mode=0o644):
        path = self.path(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(path, mode)

    def install(self, name):
        """Install a package of ours, as dpkg does when it asks nobody."""
        with open(package(name), "rb") as file:
            self.write("/var/tmp/%s.deb" % name, file.read())
        return self.run("dpkg", "--install", "/var/tmp/%s.deb" % name)

    # -- the service ----------------------------------------------------------

    def configure(self, text):
        self.write("/etc/sluice/sluice.conf",
                   'control = "/run/sluice/control.sock";\n' + text)

    def drop_in(self, text, name="test"):
        """Part of the unit from now on, not of what runs already."""
        self.write("/etc/systemd/system/sluiced.service.d/%s.conf" % name,
                   text)
        self.run("systemctl", "daemon-reload")

    def systemctl(self, verb, status=0):
        return self.run("systemctl", verb, "sluiced", status=status)

    def show(self, name, unit="sluiced"):
        return self.run("systemctl", "show", "--value", "--property", name,
                        unit).strip()

    def is_active(self):
        return self.show("ActiveState") == "active"

    def processes(self):
        """{pid as the test sees it: title} of all of sluice there."""
        found = {}
        for directory, _, _ in os.walk(self.cgroup):
            with contextlib.suppress(OSError):
                with open(os.path.join(directory, "cgroup.procs")) as file:
                    pids = file.read().split()
                for pid in pids:
                    with open("/proc/%s/cmdline" % pid) as file:
                        name = file.read().replace("\0", " ").strip()
                    if name.startswith("sluice"):
                        found[int(pid)] = name
        return found

    def of_role(self, role):
        """The pids of the service's processes of that role."""
        return sorted(pid for pid, title in self.processes().items()
                      if title.startswith("sluiced: " + role))

    def master(self):
        masters = self.of_role("master")
        equal(len(masters), 1, "masters")
        return masters[0]

    def journal(self):
        """The service's own entries."""
        text = self.run("journalctl", "--no-pager", "--output", "json",
                        "_SYSTEMD_UNIT=sluiced.service")
        return [json.loads(line) for line in text.splitlines()
                if line.startswith("{")]

    def messages(self, regex=""):
        return [entry["MESSAGE"] for entry in self.journal()
                if re.search(regex, entry["MESSAGE"])]

    def wait_message(self, regex, count=1):
        return wait_until(
            lambda: (lambda found: len(found) >= count and found)(
                self.messages(regex)), "%r in the journal" % regex)

    def sluicectl(self, *words):
        return json.loads(self.run("sluicectl", *words, "--json"))

    def generation(self):
        return self.sluicectl("status")["generation"]

    def check_no_process(self):
        wait_until(lambda: not self.processes(), "the end of all processes")
        check(not self.is_active(), "the service is still active")
