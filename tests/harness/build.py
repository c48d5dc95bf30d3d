"""Compiling plugins; directories for one program's files."""

import os
import shlex
import shutil
import subprocess
import tempfile

from harness import places
from harness.checks import Failure, need


def is_trusted(path):
    """Would sluiced, started as root, take a plugin from this directory?"""
    path = os.path.realpath(path)
    while True:
        status = os.stat(path)
        if status.st_uid != 0 or (
                status.st_mode & 0o022 and not status.st_mode & 0o1000):
            return False
        if path == "/":
            return True
        path = os.path.dirname(path)


def usable(directory):
    """The directory, or a copy if root may not take plugins from it."""
    if os.geteuid() != 0 or not os.path.isdir(directory) or is_trusted(
            directory):
        return directory
    copy = os.path.join(scratch(), directory.strip("/").replace("/", "-"))
    if not os.path.isdir(copy):
        os.mkdir(copy, 0o755)
        for name in os.listdir(directory):
            if name.endswith(".so"):
                shutil.copyfile(os.path.join(directory, name),
                                os.path.join(copy, name))
    return copy


def plugin(name):
    """The path of a sample plugin."""
    return os.path.join(usable(places.PLUGINS), name + ".so")


def compiler(variable, default):
    command = shlex.split(os.environ.get(variable) or default)
    need(command[0])
    return command


def compile_plugin(source, target, flags=(), libraries=(), **defines):
    """Build source (a path, a name in tests/plugins, or C text) into target.

    Libraries stand behind the source, as linkers want it.  A define that is a
    str becomes a string literal, True an empty one.
    """
    directory = os.path.dirname(target)
    if "\n" in source:
        suffix = ".cc" if "std=c++" in " ".join(flags) else ".c"
        path = target + suffix
        with open(path, "w") as file:
            file.write(source)
    else:
        path = source if os.path.isabs(source) else os.path.join(
            places.TEST_SOURCES, source if "." in source else source + ".c")
    if path.endswith(".cc"):
        command = compiler("CXX", "c++")
    else:
        command = compiler("CC", "cc") + ["-std=gnu11"]
    command += ["-O1", "-g", "-Wall", "-Wextra", "-fPIC", "-shared",
                "-fvisibility=hidden", "-I" + places.INCLUDE, "-o",
                target + ".new"]
    for name, value in defines.items():
        if value is True:
            command.append("-D" + name)
        elif isinstance(value, str):
            command.append('-D%s="%s"' % (name, value))
        else:
            command.append("-D%s=%s" % (name, value))
    result = subprocess.run(command + list(flags) + [path] + list(libraries),
                            cwd=directory,
                            stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)
    if result.returncode != 0:
        raise Failure("cannot compile %s:\n%s" % (path, result.stdout))
    os.rename(target + ".new", target)
    return target


compiled = {}


def test_plugin(name, **defines):
    """The path of a test plugin: the built one, or a variant compiled now."""
    built = os.path.join(usable(places.TEST_PLUGINS), name + ".so")
    if not defines and os.path.exists(built):
        return built
    key = (name, tuple(sorted(defines.items())))
    if key not in compiled:
        # Without defines it has the name that the built one would have.
        number = "-%d" % len(compiled) if defines else ""
        target = os.path.join(scratch(), "%s%s.so" % (name, number))
        source = name + ".cc" if os.path.exists(
            os.path.join(places.TEST_SOURCES, name + ".cc")) else name
        flags = ["-std=c++17"] if source.endswith(".cc") else []
        compiled[key] = compile_plugin(source, target, flags, **defines)
    return compiled[key]


test_plugin.__test__ = False
scratch_directory = None


def scratch():
    """A directory for the whole program."""
    global scratch_directory
    if scratch_directory is None:
        scratch_directory = make_directory()
    return scratch_directory


def remove_scratch():
    if scratch_directory is not None:
        shutil.rmtree(scratch_directory, ignore_errors=True)


def make_directory():
    path = tempfile.mkdtemp(prefix="sluice-test-")
    os.chmod(path, 0o755)  # workers run as another user
    return path
