"""Garbage, pieces and floods on the daemon's socket and on those of keepers."""

import contextlib
import os
import socket

import pytest

from support.waiting import until

from . import loads

ROW = "R33"
TITLE = "Protocol abuse"
PASS = "10^6 random, split and oversize messages, 10,000 idle sockets: no crash, no leak"

PIECES = [b"GET /v1/ping HTTP/1.1\r\nHost: x\r\n\r\n", b"POST /v1/up HTTP/1.1\r\n", b"Content-Length: ",
          b"Transfer-Encoding: chunked\r\n", b"\r\n\r\n", b"\0", b"\xff" * 100, b"5\r\n{\"a\":",
          b'{"root":"/"}', b"[" * 5000, b"99999999999999999999\r\n", b"A" * 70000, b"HTTP/9.9\r\n"]

PACKETS = [b"op=hello\n", b"op=subscribe\n", b"op=data\n\n", b"op=signal signal=", b"op=attach\nwrite=1\n",
           b"op=resize\nrows=-1\ncols=99999999\n", b"op=\n", b"\n\n\n", b"=", b"\0", b"op=op=op=",
           b"x" * 60000, b"op=subscribe\nhold=1\n"]


def garbage(random, pieces):
    data = b"".join(random.choice(pieces) for _ in range(random.randint(1, 6)))
    if random.random() < 0.3:
        data += random.randbytes(random.randint(1, 2000))
    return data


def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def no_more_descriptors(row, name, pid, opened):
    """Once the daemon has heard of all that was closed."""
    until(lambda: descriptors(pid) <= opened + 4, timeout=60, what=name)
    row.at_most(name, max(descriptors(pid) - opened, 0), 4)


@pytest.fixture
def project(sandbox, svc):
    project = sandbox.project(loads.service("one", [svc, "wait"], type="worker")
                              + loads.service("two", [svc, "lines", 0, 50], type="worker"))
    project.up()
    return project


def test_garbage_on_the_daemons_socket(sandbox, project, row):
    number = row.choose(2000, 1000000)
    pid, before = sandbox.daemon_pid(), loads.identities(project)
    path, memory, opened = str(sandbox.root / "run/locald/daemon.sock"), loads.rss_kib(pid), descriptors(pid)
    for _ in range(number):
        with socket.socket(socket.AF_UNIX) as sock, contextlib.suppress(OSError):
            sock.settimeout(20)
            sock.connect(path)
            data = garbage(row.random, PIECES)
            cut = row.random.randint(0, len(data))
            sock.sendall(data[:cut])
            sock.sendall(data[cut:])
            if row.random.random() < 0.2:
                sock.shutdown(socket.SHUT_WR)
                sock.recv(4096)
    row.figure("messages to the daemon", number)
    row.figure("same daemon", sandbox.daemon_pid() == pid, wanted=True)
    row.figure("services unchanged", loads.identities(project) == before, wanted=True)
    row.at_most("daemon grew by", loads.rss_kib(pid) - memory, 4096, "KiB")
    no_more_descriptors(row, "more descriptors", pid, opened)


def test_garbage_on_a_keepers_socket(sandbox, project, row):
    number = row.choose(1000, 200000)
    before = loads.identities(project)
    keepers = sorted((sandbox.root / "run/locald/keepers").glob("*/*.sock"))
    assert len(keepers) == 2
    for i in range(number):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as sock, contextlib.suppress(OSError):
            sock.settimeout(20)
            sock.connect(str(keepers[i % 2]))
            for _ in range(row.random.randint(1, 4)):
                sock.send(garbage(row.random, PACKETS))
    row.figure("connections to keepers", number)
    row.figure("services unchanged", loads.identities(project) == before, wanted=True)
    project.run("stop")
    states = {service["state"] for service in project.services().values()}
    row.figure("states after stop", ", ".join(states), wanted="stopped")


def test_idle_connections(sandbox, project, row):
    number = row.choose(300, 10000)
    pid = sandbox.daemon_pid()
    opened, before = descriptors(pid), loads.identities(project)
    idle = []
    with contextlib.ExitStack() as stack:
        for _ in range(number):
            sock = stack.enter_context(socket.socket(socket.AF_UNIX))
            sock.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                sock.connect(str(sandbox.root / "run/locald/daemon.sock"))
                idle.append(sock)
    row.figure("idle connections", len(idle))
    row.figure("same daemon", sandbox.daemon_pid() == pid, wanted=True)
    row.figure("services unchanged after idle ones", loads.identities(project) == before, wanted=True)
    no_more_descriptors(row, "more descriptors after idle ones", pid, opened)
