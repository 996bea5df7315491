"""Nothing of a container outlives it, whichever of its processes on the host is killed."""

import os
import pathlib
import re
import signal
import subprocess

import pytest

from support.waiting import until

TREE = "setsid sleep 600 & (sleep 601 &) ; sleep 602 & echo up; wait"


def children(pid):
    return [int(word) for word in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def inside(namespace):
    """The processes of a process namespace that live."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
            if state != "Z" and os.readlink(f"/proc/{pid}/ns/pid") == namespace:
                found.append(int(pid))
        except OSError:
            continue
    return found


@pytest.fixture
def running(store, request):
    """(project, the shim's pid, the namespace) of a container whose tree is up."""
    if os.getuid() != 0:
        pytest.skip("needs root to look into namespaces of others")
    name = request.node.originalname.removeprefix("test_").replace("_", "-")[:36].strip("-")
    project = store.project(f"""
        [services.job]
        type = "worker"
        image = "base"
        restart = "no"
        command = ["sh", "-c", "{TREE}"]
    """, name=f"{name}-{store.account.uid}")
    project.up()
    until(lambda: "up" in project.log("job"))
    shim = project.service("job")["pid"]
    namespace = os.readlink(f"/proc/{children(shim)[0]}/ns/pid")
    until(lambda: len(inside(namespace)) >= 5)
    yield project, shim, namespace
    project.run("stop")
    until(lambda: not inside(namespace))


def test_after_the_shim_is_killed(running):
    project, shim, namespace = running
    os.kill(shim, signal.SIGKILL)
    until(lambda: not inside(namespace))
    until(lambda: project.service("job")["state"] in ("crashed", "exited", "stopped"))


def test_after_its_first_process_is_killed(running):
    project, shim, namespace = running
    os.kill(children(shim)[0], signal.SIGKILL)
    until(lambda: not inside(namespace))
    until(lambda: project.service("job")["state"] in ("crashed", "exited", "stopped"))


def test_after_the_keeper_and_the_shim_are_killed(running):
    project, shim, namespace = running
    keeper = parent(shim)
    os.kill(keeper, signal.SIGSTOP)
    os.kill(shim, signal.SIGKILL)
    os.kill(keeper, signal.SIGKILL)
    until(lambda: not inside(namespace))


def test_doctor_says_what_forbids_user_namespaces(store):
    """In a namespace whose own limit is 0."""
    command = "echo 0 > /proc/sys/user/max_user_namespaces; exec \"$@\""
    result = subprocess.run(
        ["unshare", "-Ur", "sh", "-c", command, "sh", store.binary, "doctor"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=store.environment, timeout=60, check=False, **store.account.popen_arguments())
    line, fix = re.search(r"^(.*container.overlay.*)\n(.*)$", result.stdout, re.M).groups()
    assert "no containers" in line and "sysctl -w user.max_user_namespaces=" in fix, result
