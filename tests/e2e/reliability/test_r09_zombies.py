"""Orphans that end, and services that do."""

import time

from support import audit
from support.waiting import until

from . import loads

ROW = "R09"
TITLE = "Zombies"
PASS = "a service makes 10,000 orphans: 0 zombies 1 s later; an ended service is shown ≤ 200 ms with its code"


def zombies(parents):
    return [process for process in audit.processes().values() if process.is_zombie and process.parent in parents]


def wait_for_ends(project):
    """The last orphans may live a moment longer than it takes to say that they are made."""
    until(lambda: len(loads.processes_of(project, "web")) == 1)


def test_orphans_are_collected(sandbox, svc, row):
    number = row.choose(500, 10000)
    project = sandbox.project(loads.service("web", [svc, "orphans", number, ",", "wait"], type="worker"))
    project.up()
    until(lambda: f"made {number} orphans" in project.log("web"), timeout=300)
    pid = project.service("web")["pid"]
    keeper, daemon = audit.processes()[pid].parent, sandbox.daemon_pid()
    began = time.monotonic()
    until(lambda: not zombies({pid, keeper, daemon}), timeout=20)
    row.figure("orphans", number)
    row.took("0 zombies after", time.monotonic() - began, limit=1)
    wait_for_ends(project)
    until(lambda: not zombies({pid, keeper, daemon}), timeout=20)
    row.figure("zombies", len(zombies({pid, keeper, daemon})), wanted=0)


def test_orphans_of_an_adopted_service_are_collected(sandbox, svc, row):
    number = row.choose(200, 2000)
    project = sandbox.project(loads.service("web", [
        svc, "say", "here", ",", "sleep", 500, ",", "orphans", number, ",", "wait"], type="worker"))
    project.up()
    pid = project.service("web")["pid"]
    loads.kill(audit.processes()[pid].parent)
    until(lambda: f"made {number} orphans" in project.log("web"), timeout=300)
    wait_for_ends(project)
    until(lambda: not zombies({pid, sandbox.daemon_pid()}), timeout=20)
    row.figure("zombies without a keeper", len(zombies({pid, sandbox.daemon_pid()})), wanted=0)


def test_an_ended_service_is_shown(sandbox, svc, row):
    times, slowest, right = row.choose(5, 100), 0.0, 0
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, "obey", "USR1", ",", "say", "ready", ",", "wait"], type="worker", restart="no")
        for i in range(times)))
    project.up()
    for i in range(times):
        loads.wait_for_line(project, f"s{i}", "ready")
        began = loads.end(project, f"s{i}", "USR1")
        slowest = max(slowest, time.monotonic() - began)
        right += project.service(f"s{i}")["last_exit"]["code"] == 0
    row.took("shown, slowest", slowest, limit=0.2)
    row.figure("codes", f"{right}/{times}", wanted=f"{times}/{times}")
