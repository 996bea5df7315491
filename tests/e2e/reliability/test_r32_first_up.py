"""Many first commands at once: one daemon comes of it, and each of them works."""

import time

from support import audit
from support.waiting import until

ROW = "R32"
TITLE = "20 parallel first `up`"
PASS = "exactly 1 daemon, 20/20 exit 0, each ≤ 2 s"


def daemons(sandbox):
    return [p for p in audit.processes().values()
            if p.tag() == sandbox.tag and "daemon" in p.command().split()[1:2]]


def test_parallel_first_ups_start_one_daemon(sandbox, svc, row):
    number = 20
    project = sandbox.project(f"""
        [services.web]
        command = ["{svc}", "listen", ",", "wait"]
    """)
    began = time.monotonic()
    commands = [project.popen("up", "--json") for _ in range(number)]
    results = [sandbox.finish(command) for command in commands]
    good = sum(result.status == 0 for result in results)
    row.figure("exit status 0", f"{good}/{number}", wanted=f"{number}/{number}")
    # One that finds another there may be about to end.
    until(lambda: len(daemons(sandbox)) == 1)
    row.figure("daemons", 1)
    row.figure("runs of the service", project.service("web")["run"], wanted=1)
    row.took("all of them", time.monotonic() - began, limit=2)
