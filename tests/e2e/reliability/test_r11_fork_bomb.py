"""A service whose processes all fork, and ignore being told to end."""

import time

from . import loads

ROW = "R11"
TITLE = "Fork bomb"
PASS = "2,000 processes that fork, without a pids controller: status p99 ≤ 200 ms meanwhile, all gone " \
       "≤ stop_timeout + 10 s, 0 survivors"

TIMEOUT_S = 1


def test_a_bomb_is_ended(sandbox, svc, row):
    """By a cgroup, where this user can make one."""
    end_a_bomb(sandbox, svc, row, "")


def test_a_bomb_of_a_user_without_cgroups_is_ended(user_sandbox, svc, row):
    end_a_bomb(user_sandbox, svc, row, ", without cgroups")


def end_a_bomb(sandbox, svc, row, how):
    number, looks = row.choose(300, 2000), row.choose(5, 100)
    # It forks until there are so many, and every one that is gone makes room for another.
    project = sandbox.project(
        loads.service("bomb", [svc, "ignore", "TERM", ",", "bomb", number], type="worker", stop_timeout=TIMEOUT_S)
        + loads.service("other", [svc, "lines", 0, 20], type="worker"))
    project.up()
    loads.processes_started(project, "bomb", number)
    before, times = loads.identities(project)["other"], []
    for _ in range(looks):
        began = time.monotonic()
        project.status()
        times.append(time.monotonic() - began)
    row.took(f"status, p99{how}", sorted(times)[int(len(times) * 0.99)], limit=0.2)
    row.at_least(f"processes{how}", len(loads.processes_of(project, "bomb")), number)
    began = time.monotonic()
    project.run("stop", "bomb")
    row.took(f"gone{how}", time.monotonic() - began, limit=TIMEOUT_S + 10)
    row.figure(f"survivors{how}", len(loads.processes_of(project, "bomb")), wanted=0)
    row.figure(f"the other service unchanged{how}", loads.identities(project)["other"] == before, wanted=True)


def test_a_bomb_that_respawns(sandbox, row):
    """Each of them starts short-lived children without end: the tree is never the same twice."""
    number = row.choose(30, 100)
    project = sandbox.project(loads.service("bomb", ["sh", "./bomb"], type="worker", stop_timeout=TIMEOUT_S))
    # Ends by itself after some time, should the test be killed.
    project.write("bomb", f"""
        trap "" TERM
        i=0
        while [ $i -lt {number} ]; do
            (n=0; while [ $n -lt 2000 ]; do (sh -c "exec sleep 0.01"); n=$((n+1)); done) &
            i=$((i+1))
        done
        echo lit
        wait
    """)
    project.up()
    loads.processes_started(project, "bomb", number)
    began = time.monotonic()
    project.run("stop")
    row.took("respawning ones gone", time.monotonic() - began, limit=TIMEOUT_S + 10)
    row.figure("survivors that respawn", len(loads.processes_of(project, "bomb")), wanted=0)
