"""locald run and locald exec of services that run in containers; as the caller and as a user."""

import os
import signal

import pytest

from support.pty import Terminal
from support.waiting import until

SERVE = 'exec httpd -f -p "${HOST:-0.0.0.0}:$PORT" -h /srv/www'


@pytest.fixture
def project(store, request):
    name = request.node.originalname.replace("_", "-")[:40].strip("-")
    project = store.project(f"""
        [services.web]
        image = "base"
        command = '{SERVE}'
        env = {{ FLAVOUR = "toml" }}
    """, name=f"{name}-{store.account.uid}")
    yield project
    project.run("stop")


def containers(project):
    folder = project.sandbox.root / "state/locald/containers"
    return sorted(path.name for path in folder.glob("*/*.run-*"))


def gone(project):
    until(lambda: not containers(project), what="the container's folder is removed")


def test_a_command_has_a_container_of_its_own(project):
    script = "echo $FLAVOUR $LOCALD_SERVICE; hostname; pwd; exit 9"
    result = project.sandbox.attempt("run", "web", "--", "sh", "-c", script, cwd=project.folder)
    assert result.status == 9, str(result)
    assert result.out.split()[:3] == ["toml", "web", "web"] and not result.err
    assert all(service["state"] == "stopped" for service in project.status()["services"])
    gone(project)


def test_words_and_standard_input(project):
    process = project.popen("run", "web", "--", "sh", "-c", 'cat; printf "[%s]" "$@"', "x", "a b", "$X",
                            stdin=os.memfd_create("input"))
    assert project.sandbox.finish(process).out == "[a b][$X]"


def test_a_terminal(project):
    with Terminal(project, "run", "web", "--", "sh", "-c", "test -t 0 && read x && echo got $x") as t:
        t.type("this\n")
        t.expect("got this")
        assert t.wait() == 0
    gone(project)


def test_a_runtime_that_is_killed_leaves_nothing(project):
    process = project.popen("run", "web", "--", "sh", "-c", "echo ready; sleep 1000")
    assert process.stdout.readline() == b"ready\n"
    assert containers(project)
    process.send_signal(signal.SIGKILL)
    project.sandbox.finish(process)
    gone(project)


def test_commands_that_are_not_there(project):
    result = project.fail("run", "web", "--", "no-such-command", status=127)
    assert "no-such-command" in result.err
    gone(project)


def test_exec_runs_inside_the_container(project):
    project.up()
    pid = project.service("web")["pid"]
    script = "echo $FLAVOUR; ps | grep -c httpd; exit 4"
    result = project.sandbox.attempt("exec", "web", "--", "sh", "-c", script, cwd=project.folder)
    assert result.status == 4 and result.out.split()[0] == "toml" and int(result.out.split()[1]) > 0
    with Terminal(project, "exec", "web", "--", "sh", "-c", "tty && echo TERM=$TERM") as t:
        t.expect("TERM=xterm")
        assert t.wait() == 0
    assert project.service("web")["pid"] == pid
