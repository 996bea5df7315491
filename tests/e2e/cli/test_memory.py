"""What is done again and again costs the daemon memory once.

It is counted what it has from malloc(3), to the byte, so nothing here depends on the allocator, on
time or on the rest of the machine.
"""

import socket
import urllib.parse

import pytest

from support import heap
from support.waiting import until

from .conftest import with_app


@pytest.fixture
def shop(sandbox, build):
    """Two services of a daemon whose memory is counted."""
    folder = sandbox.root / "heap"
    folder.mkdir()
    sandbox.run("server", "start", env=heap.environment(build, folder))
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 app.py"

        [services.job]
        type = "worker"
        command = ["sleep", "1000"]
    """))
    project.up()
    project.heap = heap.Heap(folder, sandbox.daemon_pid())
    return project


def ask(project, verb, path, body=b"", size=1 << 20):
    """A request at the control socket, on a connection of its own; at most `size` bytes of the answer."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.settimeout(30)
        sock.connect(str(project.sandbox.root / "run/locald/daemon.sock"))
        sock.sendall(f"{verb} {path} HTTP/1.1\r\nHost: locald\r\nConnection: close\r\n"
                     f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = b""
        while len(answer) < size and (piece := sock.recv(65536)):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 200 "), answer
    return answer


@pytest.mark.parametrize("path, size", [
    ("/v1/status?root={root}&usage=1", 1 << 20),
    ("/v1/why?root={root}&service=web", 1 << 20),
    ("/v1/logs?root={root}&n=10", 1 << 20),
    ("/v1/logs?root={root}&n=10&follow=1", 1),  # goes away in the middle
    ("/v1/events?root={root}", 1),
])
def test_of_what_is_asked(shop, path, size):
    path = path.format(root=urllib.parse.quote(str(shop.folder)))
    shop.heap.assert_no_growth(lambda: ask(shop, "GET", path, size=size), rounds=60)


def test_of_runs(shop):
    shop.heap.assert_no_growth(lambda: shop.run("restart", "job"), rounds=8)


def test_of_up_and_stop(shop):
    def stop_and_start():
        shop.run("stop", "job")
        shop.run("up", "job")

    shop.heap.assert_no_growth(stop_and_start, rounds=7)


def test_of_edits(shop):
    text = (shop.folder / "locald.toml").read_text(encoding="utf-8")
    edits = iter(range(10 ** 6))

    def edit():
        run = shop.service("job")["run"]
        shop.write("locald.toml", f"{text}\nenv = {{ EDIT = \"{next(edits)}\" }}\n")
        until(lambda: shop.service("job")["run"] > run and shop.service("job")["ready"])

    shop.heap.assert_no_growth(edit, rounds=7)
