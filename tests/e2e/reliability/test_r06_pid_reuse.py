"""The number of a service that has ended is a stranger's by the time that it is stopped."""

import os
import pathlib
import sys

import pytest

from . import loads

ROW = "R06"
TITLE = "PID reuse"
PASS = "the pid of an ended service is reused before its stop, 1,000×: 0 wrong signals"

SCRIPT = pathlib.Path(__file__).resolve().parent.parent.parent / "support/pid_reuse.py"


def test_a_stranger_with_the_pid_gets_no_signal(sandbox, svc, row):
    if os.getuid() != 0:
        pytest.skip("only root chooses the next pid of a namespace")
    rounds = row.choose(10, 1000)
    project = sandbox.project(loads.service("one", [svc, "wait"], type="worker", restart="no"))
    result = sandbox.finish(project.popen(argv=[
        "unshare", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable, str(SCRIPT),
        sandbox.binary, svc, str(project.folder), str(rounds)]), timeout=1200)
    assert result.status == 0, str(result)
    told = result.json
    row.at_least("pids reused", told["reused"], rounds // 2)
    row.figure("strangers that got a signal", told["hit"], wanted=0)
