"""locald why: what it says of real services; the sentences themselves are in test_why.c."""

from .conftest import with_app


def why(project, name):
    return project.run("why", name, "--json").json


def test_of_a_service_that_runs(web):
    web.up()
    answer = why(web, "web")
    assert answer["ready"] and answer["chain"] == ["web"] and answer["fix"] is None
    port = web.service("web")["port"]
    assert answer["text"].startswith(f"web is ready, port {port} accepts connections, for ")
    assert web.run("why", "web").out.startswith("web is ready, ")


def test_of_one_that_was_stopped(web):
    web.up()
    web.run("stop")
    answer = why(web, "web")
    assert answer["text"].startswith("web is stopped, as it was asked to: run 1 ended by SIGTERM")
    assert answer["fix"] == "locald up web"


def test_of_one_whose_dependency_crashed(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 app.py"
        depends_on = ["db"]

        [services.db]
        command = "echo no space left on device; exit 3"
        restart = "no"
    """))
    project.fail("up", status=1)
    answer = why(project, "web")
    assert answer["chain"] == ["web", "db"]
    assert "web waits for db: crashed, exited with code 3 after" in answer["text"]
    assert answer["last_lines"] == ["no space left on device"]
    out = project.run("why", "web").out
    assert "\n    no space left on device\n  fix  locald logs db\n" in out, out


def test_of_one_whose_command_is_not_there(sandbox):
    project = sandbox.project("""
        [services.web]
        command = "no-such-program"
    """)
    project.fail("up", status=1)
    assert "correct `command` of web" in why(project, "web")["fix"]


def test_bad_input(web):
    web.fail("why", "web", status=4)
    web.up()
    assert "did you mean `web`" in web.fail("why", "wbe", status=4).err
    web.fail("why", status=2)
