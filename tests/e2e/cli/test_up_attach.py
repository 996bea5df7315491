"""locald up --attach: the logs after it, and what Ctrl-C and d do."""

import os
import signal

import pytest

from support.pty import Terminal
from support.waiting import until

SERVICES = """
    [services.web]
    type = "worker"
    command = "echo web is here; exec sleep 1000"

    [services.db]
    type = "worker"
    command = "echo db is here; exec sleep 1000"
"""


@pytest.fixture
def project(sandbox):
    return sandbox.project(SERVICES)


def states(project):
    return {name: service["state"] for name, service in project.services().items()}


def test_ctrl_c_stops_what_it_started_and_nothing_else(project):
    project.up("db")
    until(lambda: project.log("db") == ["db is here"])
    with Terminal(project, "up", "-a") as terminal:
        terminal.expect("web is here")
        terminal.expect("Ctrl-C stops what this command started")
        assert "db is here" not in terminal.screen, "what was written before is `locald logs`"
        terminal.interrupt()
        terminal.expect("stopping what this command started")
        assert terminal.wait() == 130
    assert states(project) == {"web": "stopped", "db": "running"}


def test_d_leaves_them_running(project):
    with Terminal(project, "up", "--attach") as terminal:
        terminal.expect("Ctrl-C stops what this command started")
        terminal.expect("db is here")
        terminal.type("d")
        terminal.expect("detached; services go on")
        assert terminal.wait() == 0
    assert states(project) == {"web": "running", "db": "running"}


def test_without_anything_started_ctrl_c_only_ends_it(project):
    project.up()
    with Terminal(project, "up", "-a") as terminal:
        terminal.expect("nothing to do")
        terminal.expect("Ctrl-C stops what this command started")
        terminal.interrupt()
        terminal.expect("nothing was started by this command")
        assert terminal.wait() == 130
    assert states(project) == {"web": "running", "db": "running"}


def test_a_second_ctrl_c_kills(sandbox):
    project = sandbox.project("""
        [services.stubborn]
        type = "worker"
        command = "exec sh ./stubborn.sh"
        stop_timeout = 3600
    """)
    project.write("stubborn.sh", """
        trap 'echo not yet' TERM
        echo here
        while :; do sleep 0.1; done
    """)
    with Terminal(project, "up", "-a") as terminal:
        terminal.expect("here")
        terminal.expect("Ctrl-C stops what this command started")
        terminal.interrupt()
        terminal.expect("not yet")
        terminal.interrupt()
        terminal.expect("killing it")
        assert terminal.wait() == 130
    service = project.service("stubborn")
    assert service["state"] == "stopped" and service["last_exit"]["signal"] == signal.SIGKILL


@pytest.mark.parametrize("line, status", [("3", 0), ("4", 1)])
def test_it_ends_with_the_last_service(sandbox, line, status):
    project = sandbox.project("""
        [services.short]
        type = "worker"
        command = "read line < go; echo the end; exit $line"
        restart = "no"
        success_exit_codes = [3]
    """)
    os.mkfifo(project.folder / "go")
    sandbox.own(project.folder)
    process = project.popen("up", "-a")
    with open(project.folder / "go", "w") as go:
        go.write(f"{line}\n")
    result = sandbox.finish(process)
    assert result.status == status, result
    assert "the end" in result.out


def test_its_logs_survive_a_restart_of_the_daemon(project):
    project.write("web.sh", "echo one; read line < go; echo two; exec sleep 1000\n")
    project.write("locald.toml", """
        [services.web]
        type = "worker"
        command = "exec sh ./web.sh"
    """)
    os.mkfifo(project.folder / "go")
    project.sandbox.own(project.folder)
    with Terminal(project, "up", "-a") as terminal:
        terminal.expect("Ctrl-C stops what this command started")
        project.run("daemon", "restart")
        with open(project.folder / "go", "w") as go:
            go.write("\n")
        terminal.expect("two")
        terminal.interrupt()
        assert terminal.wait() == 130
    assert states(project) == {"web": "stopped"}


def test_names_choose_and_json_is_refused(project):
    with Terminal(project, "up", "-a", "web") as terminal:
        terminal.expect("web is here")
        terminal.type("d")
        assert terminal.wait() == 0
        assert "db is here" not in terminal.screen
    assert "exclude each other" in project.fail("up", "-a", "--json", status=2).err
