"""SIGKILL of the daemon inside start, stop, restart and build: the next one brings order."""

import time

import pytest

from support import audit, faults, images
from support.waiting import until

from . import loads

ROW = "R04"
TITLE = "Crash during start, stop and build"
PASS = "SIGKILL at 200 random moments and at each fault point: every service in a valid state in 5 s, nothing left"

VALID = {"running", "stopped", "exited"}
FAILED = {"crashed", "waiting"}  # the keeper could not be had, or not that of what it needs
IDLE = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"]


def leaders(sandbox, svc):
    """Processes of services, not of what they started."""
    return [p for p in audit.processes().values()
            if p.tag() == sandbox.tag and p.command().startswith(str(svc)) and not p.is_zombie]


def time_until_valid(project, valid):
    began = time.monotonic()
    wrong = None

    def is_valid():
        nonlocal wrong
        wrong = [s for s in project.services().values() if s["state"] not in valid]
        return not wrong

    try:
        until(is_valid, timeout=30)
    except AssertionError:
        pytest.fail(f"not valid after 30 s: {wrong}")
    return time.monotonic() - began


def assert_one_process_each(project, svc):
    up = sum(s["state"] == "running" and s["name"] != "box" for s in project.services().values())
    found = leaders(project.sandbox, svc)
    assert len(found) == up, f"{up} run by status: {[str(p) for p in found]}"


def test_killed_at_random_moments(sandbox, svc, row):
    kills, services = row.choose(15, 200), 4
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, "listen", ",", "wait"], **({"depends_on": [f"s{i - 1}"]} if i else {}))
        for i in range(services)))
    project.up()
    valid, slowest = 0, 0.0
    for _ in range(kills):
        command = row.random.choice([["up"], ["stop"], ["restart"], ["restart", "s1"], ["stop", "s3"]])
        running = project.popen(*command)
        time.sleep(row.random.uniform(0, 0.25))
        sandbox.kill_daemon()
        sandbox.finish(running)
        slowest = max(slowest, time_until_valid(project, VALID))
        assert_one_process_each(project, svc)
        valid += 1
        project.up()
    row.figure("valid afterwards", f"{valid}/{kills}", wanted=f"{kills}/{kills}")
    row.took("until valid, slowest", slowest, limit=5)


@pytest.fixture
def project(testing_sandbox, svc):
    """Services with ports, a worker and a container, up, and nothing that fails yet."""
    tar = images.busybox_tar(testing_sandbox.root / "base.tar")
    testing_sandbox.run("image", "import", str(tar), "base")
    project = testing_sandbox.project(
        loads.service("db", [svc, "listen", ",", "wait"]) +
        loads.service("web", [svc, "listen", ",", "wait"], depends_on=["db"]) +
        loads.service("job", [svc, "say", "hello", ",", "wait"], type="worker") +
        loads.service("box", IDLE, type="worker", image="base"))
    project.up()
    return project


# Every command that starts, stops or builds something passes some of the points.
COMMANDS = [["restart"], ["up"], ["stop"], ["up"]]


def passed(log):
    return set(log.read_text(encoding="ascii").split()) if log.exists() else set()


def test_every_fault_point_is_passed(project, row):
    """A point that no test can reach shows nothing."""
    log, sandbox = project.sandbox.root / "passed", project.sandbox
    sandbox.run("daemon", "stop", "--services")
    sandbox.environment["LOCALD_FAULT_LOG"] = str(log)
    for command in COMMANDS:
        project.run(*command)
    never = sorted(faults.points().keys() - passed(log))
    row.figure("fault points", len(faults.points()))
    row.figure("points that are never passed", never, wanted=[])


def break_at(project, fault, log):
    """Runs commands until this fault has happened; the first of them starts the daemon, too.

    False when no daemon comes there so often."""
    name, done = fault.partition(":")[0], log.with_suffix(".done")
    done.unlink(missing_ok=True)
    for command in COMMANDS:
        proxy = project.status()["daemon"]["proxy"]["pid"]
        project.sandbox.kill_daemon()
        if name.startswith("proxy."):
            loads.kill(proxy)
        project.attempt(*command, env={"LOCALD_FAULT": fault, "LOCALD_FAULT_LOG": str(log)})
        if done.exists():
            return True
    return False


def check_faults(project, svc, faults_wanted, valid):
    """How many of them happened and left a valid state, and how long the slowest took."""
    log, slowest, happened = project.sandbox.root / "passed", 0.0, 0
    for fault in faults_wanted:
        if not break_at(project, fault, log):
            assert fault.endswith(("kill@2", "kill@3")), f"no command comes to {fault}"
            continue
        happened += 1
        slowest = max(slowest, time_until_valid(project, valid))
        assert_one_process_each(project, svc)
        project.up()
        assert {s["state"] for s in project.services().values()} == {"running"}, fault
    return happened, slowest


def test_killed_at_each_fault_point(project, svc, row):
    points = [name for name, file in faults.points().items() if not faults.is_of_keeper(file)]
    wanted = [f"{name}:kill@{nth}" for name in points for nth in row.choose((1,), (1, 2, 3))]
    happened, slowest = check_faults(project, svc, wanted, VALID)
    row.figure("killed at a point of the daemon, valid afterwards", happened)
    row.took("until valid after that, slowest", slowest, limit=5)


def test_keepers_killed_at_each_fault_point(project, svc, row):
    points = [name for name, file in faults.points().items() if faults.is_of_keeper(file)]
    wanted = [f"{name}:kill" for name in points]
    happened, slowest = check_faults(project, svc, wanted, VALID | FAILED)
    row.figure("killed at a point of the keeper, valid afterwards", happened)
    row.took("until valid after that, slowest", slowest, limit=5)


def test_errors_at_each_fault_point(project, svc, row):
    wanted = [f"{name}:{error}" for name, error in
              (("state.write", "eio"), ("state.write", "enospc@3"), ("spec.write", "enospc"),
               ("spec.write", "enospc@2"), ("journal.write", "enospc"), ("journal.write", "eio@2"))]
    happened, slowest = check_faults(project, svc, wanted, VALID | FAILED)
    row.figure("failed writes, valid afterwards", happened)
    row.took("until valid after a failed write, slowest", slowest, limit=5)
