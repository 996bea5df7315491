"""When a service is ready, and what becomes of it when it is not any more."""

import os
import signal
import socket

import pytest

from support import web as http
from support.waiting import until

from .conftest import with_app


def test_a_line_of_the_log_makes_it_ready(sandbox):
    project = sandbox.project("""
        [services.job]
        type = "worker"
        command = '''
            echo not ready yet; sleep 0.5; touch done
            printf '\\033[32mready\\033[0m in 5 ms\\n'; exec sleep 1000
        '''
        health_check = { pattern = "^ready in [0-9]+ ms$" }
    """)
    project.up()
    job = project.service("job")
    assert (project.folder / "done").exists() and job["ready"]
    assert job["health"] == {"kind": "log", "ok": True}


def test_a_new_daemon_knows_what_was_ready_by_its_log(sandbox):
    project = sandbox.project("""
        [services.job]
        type = "worker"
        command = "echo ready; exec sleep 1000"
        health_check = { pattern = "ready" }
    """)
    project.up()
    before = project.service("job")
    sandbox.kill_daemon()
    after = project.service("job")
    assert after["pid"] == before["pid"] and after["ready"]


def test_a_bad_pattern_is_shown_where_it_is_written(sandbox):
    project = sandbox.project("""
        [services.job]
        type = "worker"
        command = "sleep 1000"
        health_check = { pattern = "(" }
    """)
    result = project.fail("up", status=2)
    assert "C011" in result.err and "locald.toml:4:" in result.err, str(result)


def test_an_unhealthy_service_is_restarted_when_asked_for(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 app.py"
        health_check = { type = "command", command = "test ! -e sick", interval = 0.1, retries = 2, restart = true }
    """))
    project.up()
    before = project.service("web")
    project.write("sick", "")
    until(lambda: project.service("web")["restarts"] > 0, what="it was restarted")
    (project.folder / "sick").unlink()
    after = until(lambda: project.service("web")["ready"] and project.service("web"),
                  what="it is ready again")
    assert after["run"] > before["run"]


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_stranger_that_takes_the_port_gets_no_visitors(sandbox, when):
    """The service gives its port up and lives on; another process takes it."""
    project = with_app(sandbox.project("""
        [services.web]
        command = ["python3", "give_up.py"]
        health_check = { type = "tcp", interval = 0.2 }
    """))
    project.write("give_up.py", """
        import os, signal, socket
        signal.signal(signal.SIGUSR1, lambda *_: server.close())  # before it is ready
        server = socket.create_server(("127.0.0.1", int(os.environ["PORT"])))
        while True:
            signal.pause()
    """)
    project.up()
    service = project.service("web")
    os.kill(service["pid"], signal.SIGUSR1)
    if when == "later":
        until(lambda: project.service("web")["state"] == "unhealthy", what="it was seen")
    stranger = until(lambda: listen(sandbox, project, service["port"]), what="the port is free")
    unhealthy = until(lambda: (web := project.service("web"))["state"] == "unhealthy"
                      and "held by" in (web["detail"] or "") and web, what="the stranger was seen")
    assert f"pid {stranger.pid}" in unhealthy["detail"]
    answer = http.get(unhealthy["url"], "/whoami")
    stranger.kill()
    sandbox.finish(stranger)
    assert answer.status == 502 and "held by" in answer.text, answer.text


def listen(sandbox, project, port):
    """app.py on that port as nobody's service; None while it is taken."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return None
    return sandbox.popen(argv=["python3", "app.py"], cwd=project.folder, env={"PORT": str(port)})
