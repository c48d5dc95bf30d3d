"""sluiced -t reports each mistake with file and line, without side effects."""

import os
import re
import shutil
import socket

from sluice_test import (Daemon, PLUGINS, check, equal, listener, main,
                         make_directory, need_root, plugin, run_sluiced, test_plugin)


def verdict(text, **files):
    """Write a configuration and check it: (exit status, output, path)."""
    with Daemon(start=False, config=text) as d:
        for name, content in files.items():
            d.write(content, name.replace("__", "."))
        result = run_sluiced("-t", "-c", d.config)
        return result.returncode, result.stdout + result.stderr, d.directory


ONE = ('{ name = "a"; listen = "127.0.0.1:0"; plugin = "%s"; %%s }'
       % plugin("echo"))


def config(top="", inside="", more=""):
    """A configuration with top on line 2, and inside in a listener, line 4."""
    return ("// a configuration\n%s\nlisteners = (\n%s%s\n);\n"
            % (top, ONE % inside, more))


def refused(text, line, *words, count=1):
    status, output, _ = verdict(text)
    found = [said for said in output.splitlines()
             if re.search(r"sluice\.conf:%d: error: " % line, said)]
    check(found, "nothing about line %d in:\n%s\nof:\n%s"
          % (line, output, text))
    for word in words:
        check(any(word in said for said in found), "no", repr(word),
              "in:\n" + "\n".join(found))
    check("is NOT valid: %d error%s" % (count, "s" * (count > 1)) in output,
          output)
    equal(status, 1, "exit status")


def valid(text, **files):
    status, output, directory = verdict(text, **files)
    found = re.search(r"^sluiced: configuration \S+ is valid: (.*)$", output,
                      re.M)
    check(status == 0 and found, output)
    return found[1]


def test_valid():
    equal(valid(config()), "1 listener, 1 file")


def test_it_says_what_it_found():
    more = config("", "", ", " + ONE.replace('"a"', '"b"') % "")
    equal(valid(more), "2 listeners, 1 file")
    discard = 'plugin = "%s";' % plugin("discard")
    equal(valid(connectors(discard)), "0 listeners, 1 connector, 1 file")
    equal(valid('include = "a.conf";\n' + connectors(discard),
                a__conf="listeners = ( %s );" % ONE % ""),
          "1 listener, 1 connector, 2 files")


def test_valid_with_everything():
    valid(config(
        'workers = 2; plugin_dir = "%s"; drain_timeout = "1m";\n'
        'log : { level = "debug"; format = "json"; access = false; };'
        % PLUGINS,
        'backlog = 100; nodelay = false; keepalive = "1m"; '
        'on_reload = "drain"; options : { };'
        'timeouts : { idle = "60s"; handshake = 5; linger = 0.5; '
        'write = "0"; }; limits : { connections = 10000; '
        'per_address = 100; read_buffer = "64KiB"; write_buffer = 65536; '
        'write_queue = "16MiB"; };',
        ', { name = "b"; listen = [ "127.0.0.1:0", "unix:@x" ]; '
        'plugin = "echo"; }'))


def test_unknown_keys():
    refused(config("wokers = 3;"), 2, "wokers")
    refused(config("", "colour = 3;"), 4, "colour")
    refused(config("", "limits : { conections = 3; };"), 4, "conections")
    refused(config("", "timeouts : { iddle = 3; };"), 4, "iddle")
    refused(config("log : { lavel = 3; };"), 2, "lavel")


def test_types():
    refused(config('workers = "two";'), 2, "workers")
    refused(config("workers = 1.5;"), 2, "workers")
    refused(config("workers = true;"), 2, "workers")
    refused(config("plugin_dir = 3;"), 2, "plugin_dir")
    refused(config("log = 3;"), 2, "log")
    refused(config("log : { access = 1; };"), 2, "access")
    refused(config("", "nodelay = 1;"), 4, "nodelay")
    refused(config("", "limits = 5;"), 4, "limits")
    refused(config("", "limits : { connections = [ 1 ]; };"), 4,
            "connections")


def test_ranges():
    refused(config("workers = -1;"), 2, "workers")
    refused(config("workers = 257;"), 2, "workers")
    refused(config("", "backlog = 0;"), 4, "backlog")
    refused(config("", "backlog = 65536;"), 4, "backlog")
    refused(config("", "limits : { read_buffer = 511; };"), 4,
            "read_buffer")
    refused(config("", 'limits : { read_buffer = "17MiB"; };'), 4,
            "read_buffer")
    refused(config("", 'limits : { write_buffer = "2GiB"; };'), 4,
            "write_buffer")
    refused(config("", 'limits : { write_queue = "128KiB"; };'), 4,
            "write_queue")
    refused(config("", "limits : { connections = -1; };"), 4,
            "connections")


def test_integers_that_would_wrap():
    refused(config("workers = 4294967297;"), 2)
    refused(config("", "limits : { connections = 4294967296; };"), 4)
    refused(config("", "limits : { connections = "
                   "99999999999999999999; };"), 4)
    refused(config("", "backlog = 4294967300L;"), 4, "backlog")
    refused(config("workers = 0x1FFFFFFFF;"), 2)


def test_units():
    for text in ('"5 parsecs"', '"-5s"', '"s"', '""', "-1", "-0.5",
                 '"1e3s"', '"99999999999999999999s"'):
        refused(config("drain_timeout = %s;" % text), 2, "drain_timeout")
    for text in ('"64KB"', '"64 potatoes"', '"-1"', '"KiB"', '"1.5KiBB"'):
        refused(config("", "limits : { read_buffer = %s; };" % text), 4,
                "read_buffer")
    refused(config("", 'limits : { read_buffer = "64KB"; };'), 4, "KiB")


def test_words():
    refused(config('log : { level = "loud"; };'), 2, "level")
    refused(config('log : { format = "xml"; };'), 2, "format")
    refused(config("", 'on_reload = "panic";'), 4, "on_reload")
    for mode in ("rw", "0999", "", "17777"):
        refused(config().replace("127.0.0.1:0", "unix:/x").replace(
            "plugin =", 'mode = "%s"; plugin =' % mode), 4, "mode")
    refused(config("", 'mode = "0600";'), 4, "mode")    # no unix path


def test_listeners():
    head = "// one\n// two\nlisteners = (\n"
    echo = plugin("echo")
    refused(head + '{ listen = "127.0.0.1:0"; plugin = "%s"; } );' % echo,
            4, "name")
    refused(head + '{ name = "a"; plugin = "%s"; } );' % echo, 4, "listen")
    refused(head + '{ name = "a"; listen = "127.0.0.1:0"; } );', 4,
            "plugin")
    refused(head + '{ name = "a b"; listen = "127.0.0.1:0"; '
            'plugin = "%s"; } );' % echo, 4, "name")
    refused(head + "5 );", 4)
    status, output, _ = verdict("workers = 1;\n")
    check(status == 1 and "listener" in output, output)
    status, output, _ = verdict("listeners = ();\n")
    check(status == 1 and "listener" in output, output)


def test_duplicates():
    echo = plugin("echo")
    refused(config("", "", ',\n{ name = "a"; listen = "127.0.0.1:0"; '
                   'plugin = "%s"; }' % echo), 5, "a")
    refused("listeners = (\n"
            '{ name = "a"; listen = "127.0.0.1:4000"; plugin = "%s"; },\n'
            '{ name = "b"; listen = "127.0.0.1:4000"; plugin = "%s"; }\n);\n'
            % (echo, echo), 3, "127.0.0.1:4000")
    refused("workers = 1;\nworkers = 2;\n" + config(), 2)


def test_addresses():
    for text in ("", "127.0.0.1", "127.0.0.1:", ":80", "127.0.0.1:65536",
                 "127.0.0.1:-1", "127.0.0.1:http8", "[::1:80", "::1:80",
                 "unix:", "unix:relative", "unix:@", "unix:/" + "x" * 200,
                 "systemd:", "300.1.1.1:80", "tcp:80"):
        refused("// one\nlisteners = (\n{ name = \"a\"; plugin = \"%s\";\n"
                'listen = "%s"; } );\n' % (plugin("echo"), text), 4)
    refused("// one\nlisteners = (\n{ name = \"a\"; plugin = \"%s\";\n"
            'listen = [ "127.0.0.1:0",\n"nonsense" ]; } );\n'
            % plugin("echo"), 5)


def connectors(keys, options=""):
    """A configuration with a connector, and keys of it on line 3."""
    return ("connectors = (\n{ name = \"c\"; connect = \"127.0.0.1:1\";\n"
            "%s\noptions : { %s }; } );\n" % (keys, options))


def test_connectors():
    discard = 'plugin = "%s"; ' % plugin("discard")
    valid(connectors(discard + "per_worker = true;"))
    refused(connectors(discard + 'listen = "127.0.0.1:0";'), 3, "listen")
    refused(connectors(discard, "colour = 1;"), 4, "colour")
    refused(connectors('plugin = "missing"; '), 3, "missing.so")
    refused(connectors('per_worker = true; plugin = "%s"; ' % plugin("chat")),
            3, 'connector "c"', "SL_MANY_WORKERS")
    refused(connectors("plugin = \"%s\"; " % test_plugin("options"),
                       "allowed = false;"), 4, "allowed")


def test_unsupported_things_are_named():
    refused(config('connectors = ( { name = "c"; connect = "a:1"; '
                   'plugin = "%s"; connect_tls : { }; } );'
                   % plugin("discard")), 2, "tls")
    refused(config('@include "other.conf"'), 2, "include")


def test_syntax():
    refused("workers = 1;\nlisteners = (\n{ name = \n", 3)
    refused("workers = = 1;\n" + config(), 1)
    refused('workers = 1;\nuser = "unfinished;\n', 2)


def test_all_of_them_at_once():
    text = ("wokers = 1;\n"                                           # 1
            "drain_timeout = \"5 parsecs\";\n"                        # 2
            "listeners = (\n"
            '{ name = "a"; listen = "nonsense";\n'                    # 4
            '  plugin = "%s"; colour = 1;\n'                          # 5
            '  limits : { read_buffer = 1; }; },\n'                   # 6
            '{ name = "a"; listen = "127.0.0.1:0";\n'                 # 7
            '  plugin = "missing"; }\n'                               # 8
            ");\n" % plugin("echo"))
    status, output, _ = verdict(text)
    equal(status, 1)
    found = {int(number) for number in re.findall(
        r"sluice\.conf:(\d+): error: ", output)}
    equal(found, {1, 2, 4, 5, 6, 7, 8}, "lines with errors")
    check("7 errors" in output, output)


def test_plugins_are_loaded():
    refused(config("", "", ',\n{ name = "b"; listen = "127.0.0.2:0"; '
                   'plugin = "%s"; }' % test_plugin("unresolved")), 5,
            "sl_no_such_call")
    refused(config("", "", ',\n{ name = "b"; listen = "127.0.0.2:0"; '
                   'plugin = "%s"; }' % test_plugin("crash")), 5, "SIGSEGV")
    refused(config("", "", ',\n{ name = "b"; listen = "127.0.0.2:0"; '
                   'plugin = "%s"; options : {\nmotd = "evil"; }; }'
                   % test_plugin("refuse")), 6, "evil is not good")
    refused(config("", "", ',\n{ name = "b"; listen = "127.0.0.2:0"; '
                   'plugin = "%s"; options : {\nstrange = 1; }; }'
                   % test_plugin("refuse")), 6, "strange")


def test_start_is_not_called():
    valid(config("", "", ', { name = "b"; listen = "127.0.0.2:0"; plugin = '
                 '"%s"; options : { fail = true; }; }'
                 % test_plugin("service")))


def test_no_side_effects():
    """-t does not bind, does not take over a path, and needs no free port."""
    with socket.create_server(("127.0.0.1", 0)) as busy, Daemon(
            listener("a", plugin("echo"),
                     "127.0.0.1:%d" % busy.getsockname()[1]),
            listener("b", plugin("echo")), start=False) as d:
        d.listener("b")["listen"] = "unix:" + d.path("socket")
        d.write_config()
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(d.path("socket"))
        stale.close()
        before = sorted((e.name, e.stat().st_ino, e.stat().st_mtime_ns)
                        for e in os.scandir(d.directory))
        result = run_sluiced("-t", "-c", d.config)
        equal(result.returncode, 0, result.stderr)
        equal(sorted((e.name, e.stat().st_ino, e.stat().st_mtime_ns)
                     for e in os.scandir(d.directory)), before)


def test_include():
    entry = ('listeners = ( { name = "%s"; listen = "127.0.0.1:0"; '
             'plugin = "%s"; } );\n')
    echo = plugin("echo")
    with Daemon(start=False, config='include = "conf.d/*.conf";\n') as d:
        os.mkdir(d.path("conf.d"))
        d.write(entry % ("one", echo), "conf.d/10-one.conf")
        d.write(entry % ("two", echo), "conf.d/20-two.conf")
        d.write("nonsense", "conf.d/30-ignored.txt")
        d.start()
        for name in ("one", "two"):
            s = d.connect(name)
            s.sendall(b"x")
            equal(s.recv(1), b"x")
        # A mistake in an included file is reported with that file.
        d.write("// x\n" + entry % ("one", echo), "conf.d/30-again.conf")
        said = d.reload_refused()
        check(re.search(r"conf\.d/30-again\.conf:2: .*one", said), said)
        d.write("listeners = (\n{ nome = 1; } );\n", "conf.d/30-again.conf")
        said = d.reload_refused()
        check(re.search(r"conf\.d/30-again\.conf:2: .*nome", said), said)
        d.write("\n\nworkers = 5;\n", "conf.d/30-again.conf")
        said = d.reload_refused()
        check(re.search(r"conf\.d/30-again\.conf:3: .*workers", said), said)
        os.unlink(d.path("conf.d/30-again.conf"))
        # A list of globs.
        d.write('include = [ "conf.d/1*.conf", "conf.d/2*.conf" ];\n')
        d.reload_ready()
        os.mkdir(d.path("conf.d/40.conf"))
        d.write('include = "conf.d/*.conf";\n')
        said = d.reload_refused()
        check("40.conf" in said, said)


def test_files():
    result = run_sluiced("-t", "-c", "/nonexistent/sluice.conf")
    equal(result.returncode, 1)
    check("/nonexistent/sluice.conf" in result.stderr, result.stderr)
    result = run_sluiced("-t", "-c", "/")
    equal(result.returncode, 1)
    result = run_sluiced("-t", "-c", "/dev/zero")
    equal(result.returncode, 1)
    status, output, _ = verdict(config() + "//" + "x" * (1 << 20) + "\n")
    check(status == 1 and "at most" in output, output)
    status, output, _ = verdict(config("\0"))
    equal(status, 1, output)


def test_who_may_write_the_files():
    """For root, only files that nobody else can change."""
    need_root()
    with Daemon(listener("echo", plugin("echo")), include="conf.d/*.conf",
                start=False) as d:
        os.mkdir(d.path("conf.d"), 0o755)
        d.start()
        os.chmod(d.config, 0o666)
        said = d.reload_refused()
        check("sluice.conf: cannot be trusted: the file" in said and
              "chmod go-w " + d.config in said, said)
        os.chmod(d.config, 0o644)
        os.chmod(d.path("conf.d"), 0o777)
        said = d.reload_refused()
        check("chmod go-w " + d.path("conf.d") in said, said)
        os.chmod(d.path("conf.d"), 0o755)
        d.write("", "conf.d/other.conf")
        os.chown(d.path("conf.d/other.conf"), 1234567, -1)
        said = d.reload_refused()
        check("other.conf: cannot be trusted: the file" in said and
              "chown root " + d.path("conf.d/other.conf") in said, said)
        result = run_sluiced("-t", "-c", d.config)
        equal(result.returncode, 1, result.stderr)
        os.chown(d.path("conf.d/other.conf"), 0, -1)
        d.reload_ready()


def test_names_of_files_do_not_play_with_a_terminal():
    directory = make_directory()
    path = os.path.join(directory, "a\x1b[31m\n.conf")
    try:
        with open(path, "w") as file:
            file.write("workers = -1;\n")
        result = run_sluiced("-t", "-c", path)
    finally:
        shutil.rmtree(directory)
    equal(result.returncode, 1)
    check(r"a\x1b[31m\n.conf:1: error" in result.stderr, result.stderr)
    check("\x1b" not in result.stderr, result.stderr)


def test_start_refuses_the_same():
    with Daemon(start=False, config=config("wokers = 3;")) as d:
        d.start(wait=False)
        d.wait_log(r"sluice\.conf:2: .*wokers")
        d.wait_exit(1)


def test_command_line():
    result = run_sluiced("-V")
    equal(result.returncode, 0)
    check(re.match(r"sluiced \d+\.\d+", result.stdout), result.stdout)
    for arguments, what in (
            (["-x"], "x"), (["-c"], "c"), (["--describe"], "describe"),
            (["what"], "only options are expected"),
            (["-t", "-c", "x", "more"], "only options are expected"),
            (["--log-format", "xml"], "is text or json"),
            (["-t", "--log-format", "json"], "is for the daemon"),
            (["--watch", "-t"], "is for the daemon"),
            (["--json"], "is for --describe"),
            (["-t", "--describe", "x"], "choose one")):
        result = run_sluiced(*arguments)
        equal(result.returncode, 2, "exit status of %s: %s"
              % (arguments, result.stderr))
        first = result.stderr.splitlines()[0]
        check(first.startswith("sluiced: ") or "sluiced: " in first, first)
        check(what in first, arguments, first)
        check("usage" in result.stderr, result.stderr)


main()
