"""The service of the tests does what it says: the rows of the reliability table build on it."""

import os
import signal
import struct
import subprocess

import pytest

from support import audit
from support.waiting import until


@pytest.fixture
def svc(build):
    return str(build / "tests/support/svc")


def run(svc, *words, env=None):
    return subprocess.run([svc, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          env={**os.environ, **(env or {})}, timeout=60)


def ledger(path):
    names = ("starts", "ends", "lines", "begun_out", "begun_err", "written_out", "written_err")
    return dict(zip(names, struct.unpack("=7Q", path.read_bytes()), strict=True))


def test_lines_are_numbered_and_filled_up(svc):
    done = run(svc, "lines", "3", ",", "lines", "1", "0", "5", ",", "exit", "7")
    assert (done.returncode, done.stdout) == (7, b"1\n2\n3\n4....\n")


def test_both_streams_take_turns(svc):
    done = run(svc, "stream", "both", ",", "lines", "4")
    assert (done.stdout, done.stderr) == (b"2\n4\n", b"1\n3\n")


@pytest.mark.parametrize("chunk", ["0", "100", "70000"])
def test_chunks_change_writes_and_not_bytes(svc, chunk):
    done = run(svc, "chunk", chunk, ",", "lines", "2000", ",", "line", "100001")
    assert done.stdout.startswith(b"1\n2\n") and b"\n2000\nabc" in done.stdout
    assert len(done.stdout) == sum(len(str(n)) + 1 for n in range(1, 2001)) + 100001


def test_binary_is_the_same_for_a_seed(svc):
    first, again, other = (run(svc, "binary", "100003", seed).stdout for seed in ("7", "7", "8"))
    assert len(first) == 100003 and first == again != other


def test_the_ledger_counts_over_restarts(svc, tmp_path):
    path = tmp_path / "ledger"
    for _ in range(2):
        run(svc, "ledger", str(path), ",", "lines", "10", ",", "stream", "err", ",", "say", "x")
    counted = ledger(path)
    assert (counted["starts"], counted["ends"], counted["lines"]) == (2, 2, 22)
    assert counted["begun_out"] == counted["written_out"] == sum(
        len(f"{n}\n") for n in [*range(1, 11), *range(12, 22)])
    assert counted["begun_err"] == counted["written_err"] == 4


def test_it_dies_as_it_is_told(svc):
    assert run(svc, "say", "x", ",", "die", "SEGV").returncode == -signal.SIGSEGV


@pytest.mark.parametrize("words", [[], ["nothing"], ["exit", "256"], ["lines"], ["lines", "x"],
                                   ["say", "a", "b"], ["say", "x", ",", ",", "exit", "0"]])
def test_what_it_does_not_know_is_refused(svc, words):
    done = run(svc, *words)
    assert done.returncode == 2 and b"svc" in done.stderr


class Group:
    """svc as the leader of something bigger, which is all killed in the end."""

    def __init__(self, svc, *words):
        env = {**os.environ, "SVC_TEST": str(id(self))}
        self.process = subprocess.Popen([svc, *words], stdout=subprocess.PIPE, env=env)
        self.mark = f"SVC_TEST={id(self)}".encode()

    def members(self):
        return [p for p in audit.processes().values() if not p.is_zombie and self._is_ours(p.pid)]

    def _is_ours(self, pid):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                return self.mark in file.read().split(b"\0")
        except OSError:
            return False

    def close(self):
        while members := self.members():
            for member in members:
                os.kill(member.pid, signal.SIGKILL)
            self.process.poll()
        self.process.wait()
        self.process.stdout.close()
        audit.reap()


@pytest.fixture
def group(svc):
    made = []

    def start(*words):
        made.append(Group(svc, *words))
        return made[-1]

    yield start
    for one in made:
        one.close()


def test_a_tree_has_its_size_and_sessions(group):
    tree = group("ignore", "TERM", ",", "tree", "7", "3", ",", "wait")
    assert tree.process.stdout.readline() == b"tree of 7\n"
    members = tree.members()
    assert len(members) == 8
    assert len({os.getsid(p.pid) for p in members}) == 4


@pytest.mark.parametrize("shape", ["setsid", "double-fork", "nohup", "daemon"])
def test_an_escape_leaves_a_process_behind(group, shape):
    escaped = group("escape", shape, ",", "exit", "0")
    assert escaped.process.stdout.readline() == f"escaped by {shape}\n".encode()
    assert escaped.process.wait(timeout=60) == 0
    until(lambda: len(escaped.members()) == 1)


def test_a_bomb_has_its_cap(group):
    bomb = group("bomb", "40")
    until(lambda: len(bomb.members()) == 40)


def test_it_answers_on_its_port(group):
    import http.client

    service = group("listen", "0", ",", "wait")
    port = int(service.process.stdout.readline().split()[-1])
    for _ in range(2):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        connection.request("GET", "/")
        assert int(connection.getresponse().read()) == service.process.pid
        connection.close()


@pytest.mark.parametrize("depth", ["0", "2"])
def test_a_notification_comes_from_below(svc, tmp_path, depth):
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as taker:
        taker.bind(str(tmp_path / "notify"))
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        with subprocess.Popen([svc, "notify", "READY=1\\nSTATUS=fine", depth],
                              env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify")}) as service:
            text, ancillary, _, _ = taker.recvmsg(4096, 100)
        sender = struct.unpack("3i", ancillary[0][2])[0]
        assert text == b"READY=1\nSTATUS=fine"
        assert (sender == service.pid) == (depth == "0")
