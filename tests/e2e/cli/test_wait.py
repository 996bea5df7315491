"""locald wait: for states that come, that never come, and that come too late."""

import signal

import pytest

from support.waiting import until

from .conftest import with_app

GATE = """
    [services.web]
    command = "until [ -f open ]; do sleep 0.05; done; exec python3 app.py"

    [services.job]
    command = "until [ -f open ]; do sleep 0.05; done; exit $(cat open)"
    type = "worker"
    restart = "no"
"""


@pytest.fixture
def gate(sandbox):
    """Services that get somewhere once the file `open` is there."""
    return with_app(sandbox.project(GATE))


def start(project, *services):
    """An `up` that is not waited for; it is there when this returns."""
    up = project.popen("up", "--json", *services)
    until(lambda: project.sandbox.daemon_pid() and project.status()["services"]
          and all(project.service(name)["pid"] for name in services))
    return up


def waiting(project, *arguments):
    """A `wait` that has seen the services."""
    process = project.popen("wait", "--json", *arguments)
    assert b'"event":"service"' in process.stdout.readline()
    return process


def test_it_ends_when_the_service_is_ready(gate):
    up = start(gate, "web")
    process = waiting(gate, "web")
    assert process.poll() is None
    gate.write("open", "0")
    assert gate.sandbox.finish(process).status == 0
    assert gate.service("web")["ready"]
    gate.sandbox.finish(up)


def test_it_may_begin_before_anybody_started_anything(gate):
    process = gate.popen("wait", "web")
    gate.write("open", "0")
    gate.up("web")
    result = gate.sandbox.finish(process)
    assert result.status == 0 and not result.out


def test_what_is_so_already_is_not_waited_for(web):
    web.up()
    for condition in ("ready", "healthy", "started"):
        web.run("wait", "--for", condition, "--timeout", "0")
    web.run("stop")
    web.run("wait", "--for", "stopped", "--timeout", "0", "web")


def test_timeout(gate):
    up = start(gate, "web")
    for time in ("0", "100ms", "0.1s"):
        assert "in time" in gate.fail("wait", "--timeout", time, "web", status=5).err
    up.send_signal(signal.SIGINT)
    gate.sandbox.finish(up)


@pytest.mark.parametrize(("code", "status"), [("0", 0), ("3", 1)])
def test_completed(gate, code, status):
    up = start(gate, "job")
    process = waiting(gate, "--for", "completed", "job")
    gate.write("open", code)
    result = gate.sandbox.finish(process)
    assert result.status == status, str(result)
    assert result.events[-1]["ok"] == (status == 0)
    gate.sandbox.finish(up)


def test_it_fails_when_the_service_crashes_for_good(sandbox):
    project = sandbox.project("""
        [services.web]
        command = "exit 3"
        restart = "no"

        [services.front]
        command = "true"
        depends_on = ["web"]
    """)
    project.fail("up", status=1)
    result = project.fail("wait", "web", status=1)
    assert "exited with code 3" in result.err and "locald why web" in result.err
    assert "front is waiting" in project.fail("wait", "front", status=1).err
    project.fail("wait", "--for", "started", "web", status=1)
    project.run("wait", "--for", "stopped", "web")


def test_it_fails_when_the_service_is_stopped_meanwhile(gate):
    up = start(gate, "web")
    process = waiting(gate, "web")
    gate.run("stop")
    result = gate.sandbox.finish(process)
    assert result.status == 1 and "web is stopped" in result.events[-1]["error"]["text"]
    gate.sandbox.finish(up)


def test_stopped(web):
    web.up()
    process = waiting(web, "--for", "stopped")
    web.run("stop")
    assert web.sandbox.finish(process).status == 0


def test_a_daemon_that_is_killed_meanwhile(gate):
    up = start(gate, "web")
    process = waiting(gate, "web")
    gate.sandbox.kill_daemon()
    gate.sandbox.finish(up)
    gate.write("open", "0")
    assert gate.sandbox.finish(process).status == 0


def test_ctrl_c(gate):
    up = start(gate, "web")
    process = waiting(gate, "web")
    process.send_signal(signal.SIGINT)
    assert gate.sandbox.finish(process).status == 130
    assert gate.service("web")["state"] == "running"
    up.send_signal(signal.SIGINT)
    gate.sandbox.finish(up)


def test_bad_input(web):
    assert "did you mean `web`" in web.fail("wait", "wbe", status=4).err
    assert "`--for` is one of" in web.fail("wait", "--for", "red", status=2).err
    for time in ("soon", "-1", "", "1y", "1.2.3"):
        assert "--timeout" in web.fail("wait", f"--timeout={time}", status=2).err
