"""sluicectl config prints what is in force, as a configuration that is good."""

import json
import os
import re
import shutil
import subprocess

from sluice_test import (SLUICED, Daemon, Raw, check, connector, equal,
                         listener, main, need_root, plugin, test_plugin)
from harness.places import SLUICECTL
from harness.tls import leaf, tls_listener

OPTIONS = {
    "string": Raw(r'"a \"quote\", \\, a\nline, \x1b\xff and caf\xc3\xa9"'),
    "int": -(1 << 40), "float": 0.1, "bool": False, "duration": "3s",
    "strings": Raw(r'[ "x", "", "\\" ]'), "group": {"inner": 17},
}


def daemon(**settings):
    d = Daemon(start=False, control="control.sock", **settings)
    for name, of in ("cert", leaf("first").cert), ("key", leaf("first").key):
        shutil.copy(of, d.path(name + ".pem"))
        os.chmod(d.path(name + ".pem"), 0o600)
    d.listeners = [
        listener("o", test_plugin("options"), options=OPTIONS,
                 limits={"connections": 7}, timeouts={"idle": "90s"},
                 keepalive="45s", on_reload="drain", backlog=17),
        tls_listener("t", plugin("echo"), {
            "cert": "cert.pem", "key": ["key.pem"], "tickets": False,
            "sni": [{"names": "a.test", "cert": "cert.pem",
                     "key": "key.pem"}]}),
        listener("u", plugin("echo"), listen=["unix:" + d.path("u"),
                                              "127.0.0.1:0"],
                 mode="0600", proxy_protocol={"from": "unix"})]
    d.settings["worker_groups"] = [{"name": "slow", "workers": 1}]
    d.listeners[0]["worker_group"] = "slow"
    d.settings["connectors"] = [
        connector("c", plugin("discard"), "127.0.0.1:1",
                  retry={"jitter": 0.25, "max": "7s"})]
    d.write_config()
    return d


def served(d):
    """What a client of the first listener is told of its options."""
    s = d.connect("o")
    text = s.recv(4096)
    s.close()
    return text


def printed(d, *words):
    said = d.sluicectl("config", *words)
    equal((said.returncode, said.stderr), (0, ""))
    return said.stdout


def test_what_is_printed_is_a_configuration():
    with daemon(log={"format": "text"}) as d:
        d.start()
        before = served(d)
        check(b"inner=17" in before and b"strings=3" in before, before)
        for words in [], ["--set"]:
            d.write(printed(d, *words))
            checked = subprocess.run([SLUICED, "-t", "-c", d.config],
                                     capture_output=True, text=True)
            equal(checked.returncode, 0, checked.stderr)
            said = d.sluicectl("diff")
            equal((said.returncode, said.stdout),
                  (0, "a reload would change nothing of generation %d\n"
                   % d.ask("status")["generation"]))
            d.reload_ready()
            equal(served(d), before)


def test_lines_and_defaults():
    with daemon() as d:
        d.start()
        text = printed(d)
        lines = text.splitlines()
        check(re.fullmatch(r"# generation 1 of sluiced \S+, from %s"
                           % re.escape(d.config), lines[0]), lines[0])
        with open(d.config) as file:
            written = file.read().splitlines()

        def line_of(part):
            return 1 + next(i for i, line in enumerate(written)
                            if part in line)

        for expected in (
                'drain_timeout = "5s";\t# %s:2' % d.config,
                'probation = "30s";\t# default',
                '# user is not set', '# include is not set',
                '\t\tname = "slow";\t# %s:%d' % (d.config,
                                                line_of("worker_groups")),
                '\t\tworker_group = "slow";\t# %s:%d' % (
                    d.config, line_of('"o"')),
                '\t\tbacklog = 17;\t# %s:%d' % (d.config, line_of('"o"')),
                '\t\t\tidle = "90s";\t# %s:%d' % (d.config,
                                                  line_of('"o"')),
                '\t\t\twrite = "30s";\t# default',
                '\t\t\tcert = "cert.pem";\t# %s:%d' % (d.config,
                                                       line_of('"t"')),
                '\t\t\t\tinner = 17;\t# %s:%d' % (
                    d.config, line_of("inner")),
                '\t\t\tjitter = 0.25;\t# %s:%d' % (d.config,
                                                   line_of('"c"')),
                '\t\t# connect_tls is not set'):
            check(expected in lines, expected, text)
        # The key itself is nowhere.
        check("PRIVATE" not in text + json.dumps(d.ask("config")), "a key")
        # Only what is set.
        some = printed(d, "--set")
        check("default" not in some and "not set" not in some, some)
        check('\t\tbacklog = 17;' in some and "drain_timeout" in some, some)
        # The generation is what counts, not what is on disk by now.
        d.write("nonsense")
        equal(printed(d), text)


def test_one_listener():
    with daemon() as d:
        d.start()
        for name, part in ("t", "sni = ("), ("c", 'connect = "127.0.0.1:1"'):
            text = printed(d, "--listener", name)
            equal(re.findall(r"^\t\tname = \"(\w)\"", text, re.M), [name])
            check(part in text and "drain_timeout" not in text
                  and "slow" not in text, text)
        said = d.sluicectl("config", "--listener", "x")
        equal(said.returncode, 1)
        check('no listener or connector "x"' in said.stderr, said.stderr)


def test_included_files_inline_texts_and_what_is_now():
    with daemon(include="more.conf", workers=0) as d:
        with open(leaf("first").cert) as cert, open(leaf("first").key) as key:
            d.write('listeners = ( {\n name = "more"; plugin = "%s";\n'
                    'listen = "127.0.0.1:0";\n tls = { cert = "%s";\n'
                    'key = "%s"; }; } );' % (plugin("echo"), cert.read(),
                                             key.read()), "more.conf")
        d.start()
        d.sluicectl("log-level", "debug")
        text = printed(d)
        more = d.path("more.conf")
        cpus = len(os.sched_getaffinity(0))
        for expected in (
                "workers = 0;\t# %s:1; now %d" % (d.config, cpus),
                '# include = "more.conf";\t# %s:4; what these files have is '
                'shown here' % d.config,
                '\tlevel = "info";\t# default; now debug',
                '\t{\t# %s:1' % more, '\t\tname = "more";\t# %s:2' % more):
            check(expected in text.splitlines(), expected, text)
        check('# key = "(inline)";' in text and "PEM text, which is not shown"
              in text and "PRIVATE" not in text, text)
        d.reload_ready()
        check('level = "info";\t# default\n' in printed(d), "the level")
        d.sluicectl("rollback")


def test_json():
    with daemon() as d:
        d.start()
        said = d.ask("config")
        check(said["ok"], said)
        settings = said["settings"]
        equal(settings["drain_timeout"],
              {"value": "5s", "text": '"5s"', "line": 2})
        equal(settings["user"], {"value": None})
        first = settings["listeners"]["groups"][0]
        equal(first["file"], d.config)
        options = first["keys"]["options"]["group"]
        equal(options["int"]["value"], -(1 << 40))
        equal(options["float"]["value"], 0.1)
        equal(options["strings"]["value"], ["x", "", "\\"])
        equal(options["group"]["group"]["inner"]["value"], 17)
        equal(first["keys"]["limits"]["group"]["connections"]["value"], 7)
        check("line" not in first["keys"]["nodelay"], first)


def test_options_are_not_for_the_group():
    """They may be passwords, and control_group may not read the file."""
    need_root()
    with daemon(control_group="daemon", control_mode="0660") as d:
        os.chmod(d.directory, 0o755)
        d.start()
        said = subprocess.run(
            [SLUICECTL, "-s", d.path("control.sock"), "config"], user=65534,
            group="daemon", extra_groups=[], capture_output=True, text=True)
        equal((said.returncode, said.stderr), (0, ""))
        check("# options is shown only to root and the user that started "
              "sluiced" in said.stdout, said.stdout)
        check("inner" not in said.stdout, said.stdout)
        check("backlog = 17" in said.stdout, said.stdout)


main()
