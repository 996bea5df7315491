"""Processes that leave their parent, in each way that programs do it."""

import time

from . import loads

ROW = "R07"
TITLE = "Double forks, setsid, daemons"
PASS = "setsid, double fork, nohup and daemon(3), 250 of each: after stop 1,000/1,000 trees are gone"

SHAPES = ("setsid", "double-fork", "nohup", "daemon")


def test_a_stop_ends_what_left_its_parent(sandbox, svc, row):
    number, per_service = row.choose(10, 250), row.choose(10, 25)
    services = {f"{shape}-{i}": shape for shape in SHAPES for i in range(number // per_service)}
    project = sandbox.project("".join(
        loads.service(name, [svc, *(word for _ in range(per_service) for word in ("escape", shape, ",")),
                             "say", "all", ",", "wait"],
                      type="worker") for name, shape in services.items()))
    project.up()
    trees = 0
    for name in services:
        # Those in the middle have ended by then.
        loads.wait_for_line(project, name, "all")
        trees += len(loads.processes_of(project, name)) - 1
    row.figure("processes that left", trees, wanted=number * len(SHAPES))
    began = time.monotonic()
    project.run("stop")
    row.took("stop", time.monotonic() - began, limit=10)
    left = sum(len(loads.processes_of(project, name)) for name in services)
    row.figure("gone after stop", f"{trees - left}/{trees}", wanted=f"{trees}/{trees}")


def test_what_left_ends_with_its_leader(sandbox, svc, row):
    project = sandbox.project(loads.service("web", [
        svc, *(word for shape in SHAPES for word in ("escape", shape, ",")), "obey", "USR1", ",", "wait"],
        type="worker", restart="no"))
    project.up()
    loads.processes_started(project, "web", len(SHAPES) + 1)
    loads.end(project, "web", "USR1")
    row.figure("left when the leader has ended", len(loads.processes_of(project, "web")), wanted=0)
