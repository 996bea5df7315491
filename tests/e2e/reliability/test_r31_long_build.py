"""While an image is built for ten minutes, everything else goes on, and the build can be called off."""

import json
import time

import pytest

from support import audit, builders, images
from support.waiting import until

from . import loads

ROW = "R31"
TITLE = "Long build does not block control"
PASS = "a build of 10 min of A: status, logs, stop of B and stop of A, which calls the build off, each ≤ 200 ms"

LIMIT = 0.2


@pytest.fixture
def project(sandbox, svc):
    """A, which takes ten minutes to build, and B, which runs on the host; B is up."""
    tar = images.busybox_tar(sandbox.root / "base.tar")
    sandbox.run("image", "import", str(tar), "base")
    builders.create(sandbox, "slow", "#!/bin/sh\necho begun\nsleep 600\n")
    project = sandbox.project(
        loads.service("b", [svc, "say", "hello from b", ",", "listen", ",", "wait"]) +
        '[services.a]\ncommand = "sleep 1000"\ntype = "worker"\nbuild = { builder = "slow" }\n')
    return project


def begin_build(project, *services):
    """`up` that waits for the build, and the build is at its buildpack."""
    running = project.popen("up", "--json", *services)
    for line in running.stdout:
        if json.loads(line).get("text") == "begun":
            return running
    raise AssertionError(project.sandbox.finish(running))


def sleepers(sandbox):
    return [p for p in audit.processes().values() if p.command() == "sleep 600"
            and audit.is_below(p, sandbox.daemon_pid(), audit.processes())]


def timed(slowest, function):
    began = time.monotonic()
    result = function()
    return max(slowest, time.monotonic() - began), result


def ends_called_off(project, running):
    result = project.sandbox.finish(running)
    assert result.status != 0 and '"interrupted"' in result.out.splitlines()[-1], str(result)


def test_the_first_up_of_a_project(project, row):
    """Nothing of it runs yet: it is known all the same."""
    running = begin_build(project)
    assert project.service("a")["state"] == "building"
    slowest, result = timed(0, lambda: project.run("stop", "a"))
    row.took("first up: stop of A", slowest, limit=LIMIT)
    # B was asked for, too, and does not have to wait any more.
    result = project.sandbox.finish(running)
    row.figure("first up: B is up", project.service("b")["state"], wanted="running")
    row.figure("first up: A is not", project.service("a")["state"], wanted="stopped")
    until(lambda: not sleepers(project.sandbox))


def test_control_while_it_builds(project, row):
    times = row.choose(3, 50)
    project.run("up", "b")
    running = begin_build(project)
    status = logs = stop = start = 0.0
    for _ in range(times):
        status, said = timed(status, lambda: project.services())
        assert said["a"]["state"] == "building" and said["b"]["ready"]
        logs, said = timed(logs, lambda: project.run("logs", "b"))
        assert "hello from b" in said.out
        stop, _ = timed(stop, lambda: project.run("stop", "b"))
        assert project.service("b")["state"] == "stopped" and project.service("a")["state"] == "building"
        start, _ = timed(start, lambda: project.run("up", "b"))
    until(lambda: len(sleepers(project.sandbox)) == 1, what="the build goes on")
    row.took("status", status, limit=LIMIT)
    row.took("logs", logs, limit=LIMIT)
    row.took("stop of B", stop, limit=LIMIT)
    row.took("up of B", start, limit=LIMIT)
    off, _ = timed(0, lambda: project.run("stop", "a"))
    row.took("stop of A", off, limit=LIMIT)
    project.sandbox.finish(running)
    until(lambda: not sleepers(project.sandbox))
    row.figure("processes of the build after that", len(sleepers(project.sandbox)), wanted=0)


def test_stop_of_all_calls_it_off(project, row):
    running = begin_build(project)
    slowest, _ = timed(0, lambda: project.run("stop"))
    row.took("stop of all", slowest, limit=LIMIT)
    ends_called_off(project, running)
    until(lambda: not sleepers(project.sandbox))
