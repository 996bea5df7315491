"""Trees that do not end when they are told to."""

import time

from . import loads

ROW = "R08"
TITLE = "Stop timeout, then SIGKILL of the tree"
PASS = "30 processes in 3 sessions that ignore SIGTERM: gone ≤ stop_timeout + 0.5 s, the message counts them; " \
       "so is the child of a leader that ends at once"

TIMEOUT_S = 1


def test_a_tree_that_ignores_sigterm(sandbox, svc, row):
    times = row.choose(1, 20)
    project = sandbox.project(loads.service("web", [
        svc, "ignore", "TERM", ",", "tree", 30, 3, ",", "wait"], type="worker", stop_timeout=TIMEOUT_S))
    slowest = 0.0
    for _ in range(times):
        project.up()
        number = len(loads.processes_started(project, "web", 31))
        began = time.monotonic()
        told = project.run("stop").out
        slowest = max(slowest, time.monotonic() - began)
        assert not loads.processes_of(project, "web")
    row.figure("processes", number, wanted=31)
    row.took("gone, slowest", slowest, limit=TIMEOUT_S + 0.5)
    row.at_least("seconds of grace", slowest, TIMEOUT_S)
    row.figure("told by stop", "31 processes had to be killed" in told, wanted=True)
    row.figure("told by status", project.service("web")["last_exit"]["killed_count"], wanted=31)
    row.figure("told by the log", "31 processes had to be killed" in project.run("logs", "web").out, wanted=True)


def test_a_leader_that_leaves_a_stubborn_child(sandbox, svc, row):
    project = sandbox.project(loads.service("web", [
        svc, "ignore", "TERM", ",", "escape", "setsid", ",", "obey", "TERM", ",", "say", "ready", ",", "wait"],
        type="worker", stop_timeout=TIMEOUT_S))
    project.up()
    loads.wait_for_line(project, "web", "ready")
    began = time.monotonic()
    project.run("stop")
    row.took("gone after its leader", time.monotonic() - began, limit=TIMEOUT_S + 0.5)
    row.figure("left", len(loads.processes_of(project, "web")), wanted=0)
    last = project.service("web")["last_exit"]
    row.figure("leader's exit code, killed", f"{last['code']}, {last['killed_count']}", wanted="0, 1")


def test_who_ends_in_time_is_not_killed(sandbox, svc, row):
    project = sandbox.project(loads.service("web", [svc, "tree", 10, 2, ",", "wait"], type="worker"))
    project.up()
    loads.processes_started(project, "web", 11)
    project.run("stop")
    row.figure("killed without need", project.service("web")["last_exit"].get("killed_count", 0), wanted=0)
