"""SIGKILL of the daemon inside start, stop and restart: the next one brings order."""

import time

from support import audit
from support.waiting import until

from . import loads

ROW = "R04"
TITLE = "Crash during start and stop"
PASS = "SIGKILL at 200 random moments: every service in a valid state in 5 s, nothing left"

VALID = {"running", "stopped", "exited"}


def leaders(sandbox, svc):
    """Processes of services, not of what they started."""
    return [p for p in audit.processes().values()
            if p.tag() == sandbox.tag and p.command().startswith(str(svc)) and not p.is_zombie]


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
        began = time.monotonic()
        until(lambda: {s["state"] for s in project.services().values()} <= VALID, timeout=30,
              what="every service in a valid state")
        slowest = max(slowest, time.monotonic() - began)
        states = project.services()
        up = sum(service["state"] == "running" for service in states.values())
        assert len(leaders(sandbox, svc)) == up, f"{up} run by status: {leaders(sandbox, svc)}"
        valid += 1
        project.up()
    row.figure("valid afterwards", f"{valid}/{kills}", wanted=f"{kills}/{kills}")
    row.took("until valid, slowest", slowest, limit=5)
