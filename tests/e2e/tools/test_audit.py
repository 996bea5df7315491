"""The leak audit finds what is left; a test suite that cannot fail shows nothing."""

import os
import signal
import socket
import subprocess
import uuid

import pytest

from support import audit
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
    until(lambda: any(f"process {pid} (sleep 1000)" in leak for leak in empty.leaks(patience=0)))
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


def test_a_cgroup_of_ours_is_a_leak_and_one_of_others_is_not(empty):
    ours, other = (f"shop-{uuid.uuid4().hex[:8]}" for _ in range(2))  # this test may run beside itself
    (empty.root / "state/locald/logs" / ours / "web").mkdir(parents=True)
    parent = next((path for path in ("/sys/fs/cgroup/unified", "/sys/fs/cgroup", "/sys/fs/cgroup/pids")
                   if os.path.exists(f"{path}/cgroup.procs") and os.access(path, os.W_OK)), None)
    if not parent:
        pytest.skip("no cgroup can be made here")
    run = next(audit.log_hashes(empty.root))
    names = {f"locald-{run}.1": True, f"locald-{ours}.web": True, f"locald-{uuid.uuid4().hex[:16]}.1": False,
             f"locald-{other}.web": False, f"libpod-{other}": False}
    for name, is_ours in names.items():
        folder = os.path.join(parent, name)
        os.mkdir(folder)
        try:
            assert empty.leaks(patience=0) == ([f"cgroup {folder}"] if is_ours else []), name
        finally:
            os.rmdir(folder)
