"""`locald up --plan`: what would be done and why; nothing is."""

from support.waiting import until

from .conftest import with_app
from .test_live_config import git, project_of, repository

SHOP = """
[project]
name = "shop"
[env]
SHARED = "{shared}"
[services.api]
command = "python3 app.py api"
env = {{ LOG_LEVEL = "{level}", API_TOKEN = "{token}" }}
[services.web]
command = "python3 app.py web"
[services.old]
type = "worker"
command = "sleep 1000"
"""


def shop(sandbox):
    return with_app(sandbox.project(SHOP.format(shared="a", level="info", token="t0p")))


def plan_of(project, *arguments, **options):
    result = project.run("up", "--plan", "--json", *arguments, **options).result
    return {item["service"]: item for item in result["plan"]}


def test_a_plan_before_the_first_up_starts_nothing_and_keeps_nothing(sandbox):
    project = shop(sandbox)
    result = project.run("up", "--plan")
    lines = result.out.splitlines()
    assert lines[0].split() == ["+", "api", "start", "python3", "app.py", "api", "locald.toml:5"]
    assert {line.split()[1] for line in lines} == {"api", "web", "old"}
    assert all(service["state"] == "stopped" for service in project.services().values())
    assert not (sandbox.root / "run/locald/projects").exists()


def test_nothing_to_do(sandbox):
    project = shop(sandbox)
    project.up()
    assert project.run("up", "--plan").out == "= api, web, old unchanged\n"


def blocked_edit(project, text):
    """What a checkout brought is not applied, so that there is something to plan."""
    repository(project)
    git(project, "checkout", "-q", "-b", "other")
    project.write("locald.toml", text)
    git(project, "commit", "-q", "-a", "-m", "other")
    git(project, "checkout", "-q", "main")
    project.up()
    git(project, "checkout", "-q", "other")
    until(lambda: project_of(project).get("blocked"))


def test_the_difference_of_what_a_checkout_brought(sandbox):
    project = shop(sandbox)
    new = SHOP.format(shared="a", level="debug", token="n3w").replace(
        "[services.old]", "[services.mail]")
    blocked_edit(project, new)
    out = project.run("up", "--plan").out
    rows = [line.split("  ") for line in out.splitlines()]
    assert [row[0] for row in rows if row[0].strip()] == [
        "~ api", "+ mail", "- old", "= web unchanged"], out
    assert 'env LOG_LEVEL "info" → "debug"' in out and "locald.toml:7" in out, out
    assert "env API_TOKEN" in out and "t0p" not in out and "n3w" not in out, out

    plan = plan_of(project)
    assert {name: item["action"] for name, item in plan.items()} == {
        "api": "restart", "mail": "start", "old": "stop", "web": "unchanged"}
    assert {"what": "env LOG_LEVEL", "before": "info", "after": "debug",
            "file": "locald.toml", "line": 7} in plan["api"]["reasons"]

    # Still as before, and still blocked.
    services = project.services()
    assert services["api"]["run"] == 1 and services["old"]["state"] == "running"
    assert "mail" not in services
    assert "blocked" in project.status()["projects"][0]
    project.up()
    assert project.run("up", "--plan").out == "= api, web, mail unchanged\n"


def test_env_files_are_named_without_their_values(sandbox):
    project = shop(sandbox)
    project.write(".env", "FLAVOUR=vanilla\n")
    blocked_edit(project, SHOP.format(shared="b", level="info", token="t0p"))
    out = project.run("up", "--plan").out
    assert 'env SHARED "a" → "b"' in out and "locald.toml:4" in out, out
    assert "~ api" in out and "~ web" in out and "~ old" in out
    assert "vanilla" not in out


def test_a_broken_file_has_no_plan(sandbox):
    project = shop(sandbox)
    project.write("locald.toml", "[services.web]\ncomand = 1\n")
    assert "comand" in project.fail("up", "--plan", status=2).err


def test_only_what_was_asked_for(sandbox):
    project = shop(sandbox)
    assert set(plan_of(project, "web")) == {"web"}
