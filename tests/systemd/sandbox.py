"""The sandbox of the unit and of its drop-ins: that it holds, and what works."""

import os
import re
import signal

from machine_test import (ADDRESS, ECHO, Machine, Skip, check, connect, echoes,
                          equal, main, receive_all, status_fields, title,
                          wait_until)

EXAMPLES = "/usr/share/sluice/systemd/"
NET_BIND_SERVICE = 1 << 10
# chown dac_override fowner kill setgid setuid net_bind_service
MASTER_HAS = 1 << 0 | 1 << 1 | 1 << 3 | 1 << 5 | 1 << 6 | 1 << 7 | (
    NET_BIND_SERVICE)
BY_SOCKET = """
listeners = (
	{ name = "echo"; listen = "systemd:echo"; plugin = "echo"; }
);
"""


def use(m, *drop_ins):
    for name in drop_ins:
        m.write("/etc/systemd/system/sluiced.service.d/" + name,
                m.read(EXAMPLES + name))
    m.run("systemctl", "daemon-reload")


def use_socket(m, port):
    text = m.read(EXAMPLES + "sluiced.socket")
    check("127.0.0.1:7\n" in text, text)
    m.write("/etc/systemd/system/sluiced.socket",
            text.replace("127.0.0.1:7\n", "127.0.0.1:%d\n" % port))
    m.run("systemctl", "daemon-reload")
    m.systemctl("stop")
    m.run("systemctl", "enable", "--now", "sluiced.socket")


def exposure(m):
    """What systemd-analyze says, from 0 to 10."""
    text = m.run("systemd-analyze", "security", "--no-pager", "sluiced")
    return float(re.search(r"exposure level for \S+: ([0-9.]+)",
                           text).group(1))


def sandboxed(m):
    """Every process is under the filter, and no worker has a capability."""
    master = m.master()
    check(len(m.of_role("worker")) > 0, "no worker")
    for pid in m.processes():
        facts = status_fields(pid)
        equal((facts["Seccomp"].strip(), facts["NoNewPrivs"].strip()),
              ("2", "1"), title(pid))
        if pid != master and "output" not in title(pid):
            for name in ("CapInh", "CapPrm", "CapEff", "CapAmb"):
                equal(int(facts[name], 16), 0, name + " of " + title(pid))
    return status_fields(master)


def user_of(m, pid):
    uid = status_fields(pid)["Uid"].split()[0]
    return next(line.split(":")[0]
                for line in m.read("/etc/passwd").splitlines()
                if line.split(":")[2] == uid)


def users(m):
    return [user_of(m, pid) for pid in
            [m.master()] + m.of_role("worker")[:1]]


def works(m, address=ADDRESS):
    """Serving, reloads and a new worker."""
    connection = connect(address)
    echoes(connection)
    before = m.generation()
    m.systemctl("reload")
    equal(m.generation(), before + 1)
    echoes(connection)
    old = m.of_role("worker")
    os.kill(old[0], signal.SIGKILL)
    wait_until(lambda: len(set(m.of_role("worker")) - {old[0]}) == len(old),
               "a new worker")
    echoes(connect(address))


def test_the_unit_as_it_is():
    with Machine("sluice") as m:
        works(m)
        facts = sandboxed(m)
        equal(int(facts["CapEff"], 16), MASTER_HAS, "CapEff of the master")
        equal(int(facts["CapBnd"], 16), MASTER_HAS, "CapBnd of the master")
        equal(users(m), ["root", "sluice"])
        equal(m.show("TasksMax"), "4096")
        equal(m.show("LimitNOFILE"), "1048576")
        check(exposure(m) <= 2.6, exposure(m))


def test_the_kernel_takes_workers_before_the_master():
    with Machine("sluice") as m:
        def score(pid):
            with open("/proc/%d/oom_score_adj" % pid) as file:
                return int(file.read())
        equal(m.show("OOMScoreAdjust"), "-900")
        if score(m.master()) != -900:
            raise Skip("no process may lower its oom_score_adj here")
        for pid in m.of_role("worker"):
            equal(score(pid), 0)


def test_no_root_and_a_port_of_systemd():
    with Machine("sluice") as m:
        use(m, "10-no-root.conf")
        use_socket(m, 7)
        m.configure(BY_SOCKET)
        # It is started by its first connection.
        check(not m.is_active())
        echoes(connect("127.0.0.1:7"))
        works(m, "127.0.0.1:7")
        facts = sandboxed(m)
        equal(int(facts["CapBnd"], 16), 0, "CapBnd of the master")
        equal(users(m), ["sluice", "sluice"])
        check(exposure(m) <= 1.1, exposure(m))
        # So does an upgrade, to which systemd hands nothing.
        before = m.master()
        m.run("sluicectl", "upgrade")
        equal(m.master(), before)
        works(m, "127.0.0.1:7")
        sandboxed(m)
        # A restart keeps the socket, and so connections that come meanwhile.
        m.systemctl("restart")
        echoes(connect("127.0.0.1:7"))


def test_each_name_is_a_socket_of_its_own():
    """Two units of systemd, for a listener and for the status page."""
    with Machine("sluice") as m:
        use(m, "10-no-root.conf")
        use_socket(m, 7)
        text = m.read("/etc/systemd/system/sluiced.socket")
        m.write("/etc/systemd/system/sluiced-status.socket", text.replace(
            "127.0.0.1:7\n", "127.0.0.1:8\n").replace(
            "FileDescriptorName=echo",
            "FileDescriptorName=status\nService=sluiced.service"))
        m.run("systemctl", "daemon-reload")
        m.run("systemctl", "enable", "--now", "sluiced-status.socket")
        m.configure(BY_SOCKET + 'status : { listen = "systemd:status"; };\n')
        m.systemctl("start")
        echoes(connect("127.0.0.1:7"))
        page = connect("127.0.0.1:8")
        page.sendall(b"GET /readyz HTTP/1.1\r\nHost: here\r\n\r\n")
        answer = receive_all(page)
        check(answer.endswith(b"\r\n\r\nready\n"), answer)
        sandboxed(m)
        # A listener cannot have what nobody hands over.
        m.configure(BY_SOCKET.replace("systemd:echo", "systemd:other"))
        m.systemctl("reload", status=1)
        m.wait_message("no socket named .other.")
        echoes(connect("127.0.0.1:7"))


def test_no_root_and_low_ports_of_its_own():
    with Machine("sluice") as m:
        use(m, "10-no-root.conf")
        m.configure(ECHO.replace("7007", "7"))
        m.systemctl("restart", status=1)
        m.wait_message(r"127\.0\.0\.1:7: ports below 1024 need")
        use(m, "20-low-ports.conf")
        m.run("systemctl", "reset-failed", "sluiced")
        m.systemctl("restart")
        works(m, "127.0.0.1:7")
        facts = sandboxed(m)
        equal(int(facts["CapEff"], 16), NET_BIND_SERVICE)
        equal(users(m), ["sluice", "sluice"])
        check(exposure(m) <= 1.5, exposure(m))


def test_a_private_network():
    for drop_ins, most in ((("30-private-network.conf",), 1.9),
                           (("10-no-root.conf", "30-private-network.conf"),
                            0.4)):
        with Machine("sluice") as m:
            use(m, *drop_ins)
            use_socket(m, 7007)
            m.configure(BY_SOCKET)
            m.systemctl("start")
            works(m)
            sandboxed(m)
            check(os.readlink("/proc/%d/ns/net" % m.master())
                  != os.readlink("/proc/%d/ns/net" % m.init), "one network")
            check(exposure(m) <= most, drop_ins, exposure(m))


main()
