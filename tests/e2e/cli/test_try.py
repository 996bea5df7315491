"""locald try and locald add: a service that is not kept, and how it is kept after all."""

import os
import signal
import tomllib
import urllib.request

import pytest

from support.pty import Terminal
from support.sandbox import Project
from support.waiting import until
from support.web import free_port

SERVER = """
    import http.server, os, sys

    print("listening, PORT is", os.environ["PORT"], flush=True)
    port = int(sys.argv[1]) if len(sys.argv) > 1 else int(os.environ["PORT"])
    http.server.HTTPServer(("127.0.0.1", port), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture
def folder(sandbox):
    """Not a project."""
    project = Project(sandbox, sandbox.root / "anywhere")
    project.write("server.py", SERVER)
    return project


def left_over(sandbox):
    tries = sandbox.root / "state/locald/try"
    return [path.name for path in tries.iterdir() if path.is_dir()]


def test_it_has_a_port_and_a_url_until_ctrl_c(folder):
    with Terminal(folder, "try", "python3", "server.py") as terminal:
        terminal.expect("try-1  PORT=")
        terminal.expect("(Ctrl-C ends it)")
        terminal.expect("listening, PORT is")
        terminal.expect("answers on ")
        port = terminal.screen.split("PORT=")[1].split()[0]
        assert f"listening, PORT is {port}" in terminal.screen
        proxy = folder.sandbox.proxy_port()
        request = urllib.request.Request(f"http://127.0.0.1:{proxy}/server.py",
                                         headers={"Host": "try-1.localhost"})
        assert b"serve_forever" in urllib.request.urlopen(request, timeout=10).read()
        terminal.interrupt()
        terminal.expect("stopped after")
        terminal.expect("Keep it?   locald add last --name web")
        terminal.type("n\r")
        assert terminal.wait() == 128 + signal.SIGTERM, "the exit code is the child's"
    assert not (folder.folder / "locald.toml").exists()
    assert not left_over(folder.sandbox)
    assert folder.sandbox.run("status", "-A", "--json").json["services"] == []


def test_it_is_kept_when_wanted(folder):
    with Terminal(folder, "try", "python3", "server.py") as terminal:
        terminal.expect("answers on ")
        terminal.interrupt()
        terminal.expect("[Y/n]")
        terminal.type("\r")
        terminal.expect("+ locald.toml: added 2 lines at 1 of a new file")
        terminal.wait()
    assert (folder.folder / "locald.toml").read_text() == (
        '[services.web]\ncommand = "python3 server.py"\n')
    folder.up()
    assert folder.service("web")["ready"]


def test_a_program_that_ignores_its_port_is_followed(folder):
    other = free_port()
    process = folder.popen("try", "python3", "server.py", str(other), stderr=-1)
    line = b""
    while b"answers" not in line:
        line = process.stderr.readline()
        assert line, "it ended"
    assert f"answers on {other} (PORT ignored); http://try-1.localhost" in line.decode()
    process.send_signal(signal.SIGINT)
    assert folder.sandbox.finish(process).status == 128 + signal.SIGTERM
    assert folder.run("add", "last", "--name", "api").out == (
        "+ locald.toml: added 3 lines at 1 of a new file\n")
    config = tomllib.loads((folder.folder / "locald.toml").read_text())
    assert config["services"] == {"api": {"command": f"python3 server.py {other}", "port": other}}


@pytest.mark.parametrize("command, status", [
    (["true"], 0), (["sh", "-c", "exit 7"], 7), (["sh", "-c", "kill -9 $$"], 137),
    (["/does/not/exist", "x y"], 127), (["echo to out; echo to err >&2; exit 3"], 3),
])
def test_the_exit_code_and_the_streams_are_the_childs(folder, command, status):
    result = folder.attempt("-q", "try", *command)
    assert result.status == status, result
    if status == 3:
        assert (result.out, result.err) == ("to out\n", "to err\n")


def test_a_second_ctrl_c_kills(folder):
    folder.write("stubborn.sh", """
        trap 'echo not yet' TERM
        echo here
        while :; do sleep 0.1; done
    """)
    with Terminal(folder, "try", "sh", "stubborn.sh") as terminal:
        terminal.expect("here")
        terminal.interrupt()
        terminal.expect("not yet")
        terminal.interrupt()
        assert terminal.wait() == 137


def test_it_has_the_variables_of_the_projects_env_file(sandbox):
    project = sandbox.project("[services.web]\ncommand = 'true'\n")
    project.write(".env", "COLOUR=green\n")
    sub = Project(sandbox, project.folder / "sub")
    sub.write("x", "")
    result = sub.run("-q", "try", "echo $COLOUR in $(pwd)")
    assert result.out == f"green in {sub.folder}\n"


def test_two_at_a_time_have_names_of_their_own(folder):
    with Terminal(folder, "try", "python3", "server.py") as one:
        one.expect("try-1  PORT=")
        with Terminal(folder, "try", "python3", "server.py") as two:
            two.expect("try-2  PORT=")
            two.expect("answers on")
            two.process.send_signal(signal.SIGTERM)
            two.wait()
        one.expect("answers on")
        one.process.send_signal(signal.SIGTERM)
        one.wait()
    assert not left_over(folder.sandbox)


def test_it_goes_on_while_the_daemon_is_replaced(folder):
    with Terminal(folder, "try", "python3", "server.py") as terminal:
        terminal.expect("answers on ")
        pid = folder.sandbox.daemon_pid()
        folder.sandbox.run("daemon", "restart")
        assert folder.sandbox.daemon_pid() != pid
        terminal.interrupt()
        terminal.expect("[Y/n]")
        terminal.type("n\r")
        assert terminal.wait() == 128 + signal.SIGTERM
    assert not left_over(folder.sandbox)


COMMENTED = """\
# my project
[project]
name = "shop"   # a comment

[services.db]
command = "exec sleep 1000" # stays
type = "worker"

[env]
B = "2"
A = "1"
"""


def test_add_keeps_every_other_byte(sandbox):
    project = sandbox.project(None)
    path = project.folder / "locald.toml"
    path.write_text(COMMENTED + "# the end")
    path.chmod(0o640)
    sandbox.own(project.folder)
    sub = Project(sandbox, project.folder / "sub")
    sub.write("x", "")
    added = sub.run("add", "web", "--", "npm", "run", "dev")
    assert added.out == "+ locald.toml: added 4 lines at 13 (comments and order kept)\n"
    assert path.read_text() == COMMENTED + (
        '# the end\n\n[services.web]\ncommand = "npm run dev"\nworkdir = "sub"\n')
    assert path.stat().st_mode & 0o777 == 0o640
    project.run("add", "--worker", "mailer", "python3", "-c", "print('a b')")
    project.run("add", "api", "--port", "8123", "--", "serve", "--port", "$PORT", "a b")
    config = tomllib.loads(path.read_text())["services"]
    assert config["mailer"] == {"command": ["python3", "-c", "print('a b')"], "type": "worker"}
    assert config["api"] == {"command": "serve --port \"$PORT\" 'a b'", "port": 8123}
    project.run("config", "check")


def test_add_changes_nothing_when_it_cannot(sandbox):
    project = sandbox.project(COMMENTED)
    before = (project.folder / "locald.toml").read_text()
    refused = project.fail("add", "db", "--", "true", status=7)
    assert "there is a service `db` already" in refused.err
    assert "is not a name" in project.fail("add", "a/b", "--", "true", status=2).err
    assert "needs a command" in project.fail("add", "web", status=2).err
    assert "nothing was tried yet" in project.fail("add", "last", status=4).err
    project.write("locald.toml", before + "[services.x]\nprot = 1\n")
    broken = project.fail("add", "web", "--", "true", status=2)
    assert "did you mean `port`?" in broken.err and "nothing was changed" in broken.err
    assert "web" not in (project.folder / "locald.toml").read_text()


def test_add_hides_no_procfile(sandbox):
    project = sandbox.project(None)
    project.write("Procfile", "web: exec sleep 1000\n")
    refused = project.fail("add", "worker", "--", "sleep", "1000", status=7)
    assert "web would not run any more" in refused.err and "locald init" in refused.err
    assert not (project.folder / "locald.toml").exists()
    project.run("init")
    project.run("add", "worker", "--", "sleep", "1000")
    assert set(project.run("config", "show", "--json").json["services"]) == {"web", "worker"}


def test_what_is_added_starts_in_a_project_that_runs(sandbox):
    project = sandbox.project(COMMENTED)
    project.up()
    project.run("add", "--worker", "more", "--", "sleep", "1000")
    until(lambda: project.services().get("more", {}).get("state") == "running", timeout=30)


def test_a_link_and_dos_line_ends_stay(sandbox):
    project = sandbox.project(None)
    real = project.folder / "real.toml"
    real.write_bytes(b"[services.db]\r\ncommand = 'true'\r\n")
    os.symlink("real.toml", project.folder / "locald.toml")
    sandbox.own(project.folder)
    project.run("add", "web", "--", "true")
    assert (project.folder / "locald.toml").is_symlink()
    assert real.read_bytes().endswith(b"\r\n\r\n[services.web]\r\ncommand = \"true\"\r\n")
