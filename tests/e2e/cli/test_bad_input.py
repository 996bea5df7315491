"""Bad input: one clear error with its place, the exit code of the table, and nothing half-started.

0 ok · 1 operation or service failed · 2 usage or configuration · 3 no daemon · 4 no such thing ·
5 timeout · 6 not approved · 7 a port or another resource is taken
"""

import socket

import pytest

from .conftest import with_app

# name: (locald.toml, what stderr has to say)
CONFIGURATIONS = {
    "broken toml": ("[services.web]\ncommand = \"x\n", ["locald.toml:2:"]),
    "broken table": ("[services.web\ncommand = \"x\"\n", ["locald.toml:1:"]),
    "duplicate key": (
        "[services.web]\ncommand = \"x\"\ncommand = \"y\"\n", ["locald.toml:3:1", "command"]),
    "unknown key": (
        "[services.web]\ncommand = \"x\"\ncomand = \"y\"\n",
        ["locald.toml:3:1", "comand", "command"]),
    "unknown table": ("[servces.web]\ncommand = \"x\"\n", ["locald.toml:1:", "servces", "services"]),
    "wrong type": (
        "[services.web]\ncommand = \"x\"\nport = \"http\"\n", ["locald.toml:3:8", "port"]),
    "port out of range": (
        "[services.web]\ncommand = \"x\"\nport = 65536\n", ["locald.toml:3:8", "65535"]),
    "unknown dependency": (
        "[services.web]\ncommand = \"x\"\ndepends_on = [\"bd\"]\n[services.db]\ncommand = \"y\"\n",
        ["locald.toml:3:", "bd", "db"]),
    "cycle": (
        "[services.web]\ncommand = \"x\"\ndepends_on = [\"api\"]\n"
        "[services.api]\ncommand = \"x\"\ndepends_on = [\"web\"]\n",
        ["locald.toml:", "cycle", "web", "api"]),
    "itself": ("[services.web]\ncommand = \"x\"\ndepends_on = [\"web\"]\n", ["locald.toml:3:", "web"]),
    "no command": ("[services.web]\nport = 3000\n", ["web", "command"]),
    "bad name": ("[services.\"Web Site\"]\ncommand = \"x\"\n", ["locald.toml:1:", "Web Site"]),
    "no utf-8": (b"[services.web]\ncommand = \"\xff\"\n", ["locald.toml:2:"]),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("command", ["up", "config check"])
def test_configuration(sandbox, name, command):
    text, expected = CONFIGURATIONS[name]
    project = sandbox.project(None)
    file = project.folder / "locald.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    sandbox.own(project.folder)
    result = project.fail(*command.split(), status=2)
    for part in expected:
        assert part in result.err, f"no `{part}` in:\n{result}"
    assert result.out == "", str(result)
    assert sandbox.daemon_pid() is None or sandbox.run("status", "-A", "--json").json["projects"] == []


def test_all_errors_of_a_file_are_shown(sandbox):
    project = sandbox.project("""
        [services.web]
        command = "x"
        porrt = 1

        [services.api]
        command = 17.5
        depends_on = ["nobody"]
    """)
    result = project.fail("up", status=2)
    for line in ("locald.toml:3:", "locald.toml:6:"):
        assert line in result.err


def test_a_broken_file_leaves_the_running_services_alone(web):
    web.up()
    before = web.service("web")
    web.write("locald.toml", "[services.web]\ncommand = 17.5\n")
    result = web.fail("up", status=2)
    assert "locald.toml:2:" in result.err
    after = web.sandbox.run("status", "-A", "--json").json["services"][0]
    assert (after["pid"], after["run"]) == (before["pid"], before["run"])


def test_errors_as_json(sandbox):
    project = sandbox.project("[services.web]\ncomand = \"x\"\n")
    result = project.fail("up", "--json", status=2)
    error = result.result["error"]
    assert error["code"] == "config"
    (place,) = error["diagnostics"][0]["places"]
    assert (place["file"], place["line"], place["column"]) == ("locald.toml", 2, 1)


def test_a_port_that_is_taken_is_refused_before_anything_starts(sandbox):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        project = with_app(sandbox.project(f"""
            [services.web]
            command = "touch started; python3 app.py"
            port = {port}
        """))
        result = project.fail("up", status=7)
        assert str(port) in result.err and "python" in result.err, str(result)
        assert not (project.folder / "started").exists()


def test_two_services_that_want_one_port(sandbox):
    project = sandbox.project("""
        [services.a]
        command = "python3 -m http.server $PORT"
        port = 43210

        [services.b]
        command = "python3 -m http.server $PORT"
        port = 43210
    """)
    result = sandbox.attempt("up", cwd=project.folder)
    assert result.status in (2, 7) and "43210" in result.err, str(result)


@pytest.mark.parametrize("command", ['"no-such-program --flag"', '["no-such-program"]'])
def test_a_command_that_does_not_exist(sandbox, command):
    project = sandbox.project(f"""
        [services.web]
        command = {command}
    """)
    result = project.fail("up", status=1)
    assert "no-such-program" in result.err, str(result)


def test_a_workdir_that_does_not_exist(sandbox):
    project = sandbox.project("""
        [services.web]
        command = "true"
        workdir = "nowhere"
    """)
    result = sandbox.attempt("up", cwd=project.folder)
    assert result.status in (1, 2) and "nowhere" in result.err, str(result)


def test_no_project(sandbox):
    folder = sandbox.root / "src"
    folder.mkdir()
    sandbox.own(folder)
    result = sandbox.fail("up", status=4, cwd=folder)
    assert "locald.toml" in result.err


@pytest.mark.parametrize("command", ["up", "stop", "restart", "logs"])
def test_a_service_that_does_not_exist(web, command):
    web.up()
    result = web.fail(command, "wbe", status=4)
    assert "wbe" in result.err and "web" in result.err, str(result)
    assert web.service("web")["state"] == "running"


@pytest.mark.parametrize("arguments", [
    ["stat"], ["up", "--nosuch"], ["logs", "-n"], ["logs", "-n", "many"], ["image"],
    ["image", "import"], ["builder", "create"], ["server", "dance"], ["-C"], ["up", "--sandbox"],
])
def test_usage(web, arguments):
    result = web.fail(*arguments, status=2)
    assert result.out == "", str(result)


def test_did_you_mean(web):
    assert "status" in web.fail("statsu", status=2).err


def test_a_folder_that_does_not_exist(sandbox):
    result = sandbox.attempt("-C", "/no/such/folder", "up")
    assert result.status in (1, 4) and "/no/such/folder" in result.err, str(result)


def test_an_image_that_does_not_exist(sandbox):
    project = sandbox.project("""
        [services.web]
        image = "nothing-of-that-name"
        command = ["true"]
    """)
    result = sandbox.attempt("up", cwd=project.folder)
    assert result.status in (1, 4) and "nothing-of-that-name" in result.err, str(result)


def test_a_builder_that_does_not_exist(sandbox):
    project = sandbox.project("""
        [services.web]
        build = { builder = "nobody" }
    """)
    result = sandbox.attempt("up", cwd=project.folder)
    assert result.status in (1, 4) and "nobody" in result.err, str(result)
    assert "builder create" in result.err, "the hint says how to make one"


def test_a_tar_that_does_not_exist(sandbox):
    result = sandbox.attempt("image", "import", "/no/such.tar", "base")
    assert result.status in (1, 4) and "/no/such.tar" in result.err, str(result)
    assert sandbox.run("image", "list", "--json").json["images"] == []


def test_a_tar_that_is_none(sandbox):
    file = sandbox.root / "text.tar"
    file.write_text("this is not a tar file\n" * 100)
    result = sandbox.attempt("image", "import", str(file), "base")
    assert result.status in (1, 2) and "text.tar" in result.err, str(result)
    assert sandbox.run("image", "list", "--json").json["images"] == []


def test_a_builder_toml_that_is_broken(sandbox):
    file = sandbox.root / "builder.toml"
    file.write_text('[build]\nimage = "base\n')
    result = sandbox.attempt("builder", "create", "demo", "-c", str(file))
    assert result.status == 2 and "builder.toml:2:" in result.err, str(result)
    assert sandbox.run("builder", "list", "--json").json["builders"] == []


def test_nothing_half_started_is_left(sandbox):
    project = with_app(sandbox.project("""
        [services.good]
        command = "python3 app.py"

        [services.bad]
        command = ["sh", "-c", "sleep 1000 & exit 9"]
        restart = "no"
        depends_on = ["good"]
    """))
    project.fail("up", status=1)
    bad = project.service("bad")
    assert bad["state"] in ("exited", "crashed", "stopped"), bad
    assert not bad.get("pid")
