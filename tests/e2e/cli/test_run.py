"""locald run and locald exec: one-off commands in the context of a service."""

import json
import os
import signal

import pytest

from support.pty import Terminal
from support.waiting import until

from .conftest import with_app
from .test_plan import blocked_edit

ENV = "import json, os; print(json.dumps(dict(os.environ)))"


def environment(result):
    return json.loads(result.out)


def seen(project, *arguments, **options):
    """The environment that a command gets from `run` or `exec`."""
    return environment(project.run(*arguments, "--", "python3", "-c", ENV, **options))


def test_words_are_passed_on_as_they_are(web):
    result = web.run("run", "web", "--", "printf", "[%s]", "two words", "$HOME", "*", "-v", "--")
    assert result.out == "[two words][$HOME][*][-v][--]" and not result.err


def test_two_dashes_may_be_left_out(web):
    assert web.run("run", "web", "printf", "%s", "-q").out == "-q"


def test_shell_reads_the_text(web):
    result = web.run("run", "--shell", "web", "--", 'echo "$LOCALD_SERVICE" | tr a-z A-Z')
    assert result.out == "WEB\n"


def test_environment_and_folder_are_those_of_the_service(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 ../app.py"
        workdir = "front"
        env = { FLAVOUR = "toml", API = "${services.api.url}" }

        [services.api]
        command = "python3 app.py"
    """))
    project.write("front/index.html", "hello\n")
    env = seen(project, "run", "web", env={"FLAVOUR": "shell", "COLOUR": "shell"})
    assert (env["FLAVOUR"], env["COLOUR"]) == ("toml", "shell")
    assert env["LOCALD_SERVICE"] == "web" and env["API"].startswith("http://127.0.0.1:")
    folder = project.run("run", "web", "--", "pwd").out.strip()
    assert folder == str(project.folder / "front")


def test_nothing_is_started_but_what_it_depends_on(chain):
    chain.run("run", "api", "--", "true")
    services = chain.services()
    assert services["db"]["state"] == "running" and services["db"]["ready"]
    assert {services[name]["state"] for name in ("api", "web")} == {"stopped"}


def test_no_deps(chain):
    assert chain.run("run", "--no-deps", "api", "--", "echo", "done").out == "done\n"
    assert all(service["state"] == "stopped" for service in chain.status()["services"])


def test_a_dependency_that_fails_fails_the_run(sandbox):
    project = sandbox.project("""
        [services.web]
        command = "true"
        depends_on = ["db"]

        [services.db]
        command = "echo no space left; exit 3"
    """)
    result = project.fail("run", "web", "--", "echo", "never", status=1)
    assert "never" not in result.out and "no space left" in result.err


def test_port_is_the_services_own_until_the_service_has_it(web):
    before = seen(web, "run", "web")["PORT"]
    web.up()
    service = web.service("web")
    assert before == str(service["port"])
    assert seen(web, "run", "web")["PORT"] != before
    assert seen(web, "exec", "web")["PORT"] == before


@pytest.mark.parametrize(("script", "status"), [("exit 7", 7), ("kill -TERM $$", -15)])
def test_exit_status_is_the_commands(web, script, status):
    assert web.sandbox.attempt(
        "run", "web", "--", "sh", "-c", script, cwd=web.folder).status == status


def test_commands_that_cannot_be_run(web):
    result = web.fail("run", "web", "--", "no-such-command", status=127)
    assert "no-such-command" in result.err
    web.write("plain.txt", "text")
    web.fail("run", "web", "--", "./plain.txt", status=126)


def test_standard_input_is_passed_through(web):
    read, write = os.pipe()
    process = web.popen("run", "web", "--", "cat", stdin=read)
    os.close(read)
    os.write(write, b"to the command")
    os.close(write)
    assert web.sandbox.finish(process).raw_out == b"to the command"


def test_signals_reach_the_command(web):
    process = web.popen("run", "web", "--", "sh", "-c",
                        "trap 'echo got it; exit 3' TERM; touch ready; while :; do sleep 0.1; done")
    until(lambda: (web.folder / "ready").exists())
    process.send_signal(signal.SIGTERM)
    result = web.sandbox.finish(process)
    assert (result.status, result.out) == (3, "got it\n")


def test_a_terminal_stays_a_terminal(web):
    with Terminal(web, "run", "web", "--", "sh", "-c", "test -t 0 && tty && read x && echo got $x") as t:
        t.expect("/dev/pts/")
        t.type("this\n")
        t.expect("got this")
        assert t.wait() == 0


def test_ctrl_c_goes_to_the_command(web):
    with Terminal(web, "run", "web", "--", "sh", "-c",
                  "trap 'echo interrupted; exit 5' INT; echo waiting; while :; do sleep 0.1; done") as t:
        t.expect("waiting")
        t.interrupt()
        t.expect("interrupted")
        assert t.wait() == 5


def test_verbose_says_what_runs(web):
    assert "run: true" in web.run("run", "-v", "web", "--", "true").err


def test_bad_input(web):
    assert "did you mean `web`" in web.fail("run", "wbe", "--", "true", status=4).err
    assert "COMMAND" in web.fail("run", "web", status=2).err
    assert "--no-deps" in web.fail("run", "--no-dep", "web", "--", "true", status=2).err
    web.write("locald.toml", "[services.web]\ncomand = 'x'\n")
    assert "comand" in web.fail("run", "web", "--", "true", status=2).err


FLAVOUR = """
    [services.web]
    command = "python3 app.py"
    env = {{ FLAVOUR = "{}" }}
"""


def test_exec_has_the_environment_that_runs_whatever_is_written_since(web):
    """What came by a checkout does not run before the next `up`."""
    web.write("locald.toml", FLAVOUR.format("before"))
    blocked_edit(web, FLAVOUR.format("after"))
    assert seen(web, "exec", "web", env={"FLAVOUR": "shell"})["FLAVOUR"] == "before"
    assert web.run("exec", "web", "--", "pwd").out.strip() == str(web.folder)
    assert seen(web, "run", "web")["FLAVOUR"] == "after"


def test_exec_finds_programs_by_the_path_of_the_service(web):
    web.write("bin/tool", "#!/bin/sh\necho found\n", mode=0o755)
    path = f"{web.folder}/bin:{web.sandbox.environment['PATH']}"
    web.up(env={"PATH": path})
    assert web.run("exec", "web", "--", "tool").out == "found\n"


def test_exec_needs_a_service_that_runs(web):
    web.fail("exec", "web", "--", "true", status=4)
    web.up()
    web.run("stop")
    result = web.fail("exec", "web", "--", "true", status=1)
    assert "does not run" in result.err and "locald run web" in result.err
    assert "did you mean `web`" in web.fail("exec", "wbe", "--", "true", status=4).err
