"""What a service writes right before it ends."""

import subprocess
import time

import pytest

from support.waiting import until

from . import loads

ROW = "R16"
TITLE = "Last words"
PASS = "`echo 1; echo 2; exit` ×1,000 beside a load of twice the CPUs: 1,000 complete; an orphan that holds the " \
       "output delays neither stop nor status"


@pytest.fixture
def load():
    """Busy processes, two for each CPU."""
    started = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(4)]
    yield
    for process in started:
        process.kill()
        process.wait()


def test_last_words_are_kept(sandbox, row, load):
    number, at_once = row.choose(20, 1000), 20
    complete = 0
    project = sandbox.project("".join(
        loads.service(f"s{i}", ["sh", "-c", "echo 1; echo 2; printf 3; exit 3"], type="worker", restart="no")
        for i in range(at_once)))
    for _ in range(number // at_once):
        project.attempt("restart")
        until(lambda: all(s["pid"] is None and s["state"] == "crashed" for s in project.services().values()),
              timeout=120)
    for i in range(at_once):
        runs = {}
        for record in loads.output(project, f"s{i}"):
            runs.setdefault(record["run"], []).append(record["text"])
        complete += sum(lines == ["1", "2", "3"] for lines in runs.values())
    row.figure("complete", f"{complete}/{number}", wanted=f"{number}/{number}")


def test_an_orphan_that_holds_the_output(sandbox, svc, row):
    """Of a service that ended by itself, and of one that is stopped."""
    project = sandbox.project(
        loads.service("web", ["sh", "-c", f"echo last; {svc} escape daemon; {svc} tree 1 & sleep 0.1; exit 4"],
                      type="worker", restart="no", stop_timeout=1)
        + loads.service("stay", ["sh", "-c", f"{svc} ignore TERM , lines 0 100 & exec {svc} obey TERM , wait"],
                        type="worker", stop_timeout=1))
    project.attempt("up")
    until(lambda: project.service("web")["state"] == "crashed", timeout=20)
    service = project.service("web")
    row.figure("exit code", service["last_exit"]["code"], wanted=4)
    row.figure("last line", project.log("web")[0], wanted="last")
    began = time.monotonic()
    project.status()
    row.took("status", time.monotonic() - began, limit=0.2)
    began = time.monotonic()
    project.run("stop", "stay")
    row.took("stop", time.monotonic() - began, limit=1 + 0.5)
    row.figure("left", len(loads.processes_of(project, "stay")), wanted=0)
