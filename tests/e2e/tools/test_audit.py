"""The leak audit finds what is left; a test suite that cannot fail shows nothing."""

import os
import signal
import socket
import subprocess

import pytest

from support.sandbox import Sandbox
from support.waiting import until

ORPHAN = "setsid sh -c 'sleep 1000 >/dev/null 2>&1 & echo $!' &"


@pytest.fixture
def empty():
    sandbox = Sandbox("/bin/true")
    yield sandbox
    sandbox.remove()


def test_nothing_is_left_of_nothing(empty):
    assert empty.leaks(patience=0) == []


@pytest.mark.parametrize("prefix", [[], ["env", "-i"]], ids=["tagged", "without environment"])
def test_an_orphan_is_found(empty, prefix):
    out = empty.finish(empty.popen(argv=[*prefix, "sh", "-c", ORPHAN])).out
    pid = int(out)
    leaks = empty.leaks(patience=0)
    assert any(f"process {pid} (sleep 1000)" in leak for leak in leaks), leaks
    os.kill(pid, signal.SIGKILL)
    assert empty.leaks() == []


def test_a_zombie_that_nobody_collects_is_found(empty):
    parent = "import os, time; os.fork() or os._exit(0); time.sleep(1000)"
    out = empty.finish(empty.popen(argv=[
        "sh", "-c", f"setsid python3 -c '{parent}' >/dev/null 2>&1 & echo $!"])).out
    until(lambda: any("zombie" in leak for leak in empty.leaks(patience=0)))
    os.kill(int(out), signal.SIGKILL)
    assert empty.leaks() == []


def test_a_socket_is_found(empty):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(empty.root / "run/x.sock"))
        assert empty.leaks(patience=0) == [f"socket {empty.root}/run/x.sock"]
    (empty.root / "run/x.sock").unlink()


def test_a_mount_is_found(empty):
    if os.getuid() != 0:
        pytest.skip("only root mounts in the first namespace")
    folder = empty.root / "data"
    made = subprocess.run(["mount", "-t", "tmpfs", "none", str(folder)], stderr=subprocess.PIPE)
    if made.returncode != 0:
        pytest.skip(f"cannot mount: {made.stderr.decode().strip()}")
    try:
        assert empty.leaks(patience=0) == [f"mount {folder}"]
    finally:
        subprocess.run(["umount", str(folder)], check=True)
