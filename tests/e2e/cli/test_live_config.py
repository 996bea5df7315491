"""Live configuration: what runs follows the files, and what nobody has agreed to does not run."""

import os
import shutil
import subprocess

from support.sandbox import Project
from support.waiting import until

from .conftest import with_app

TWO = """
    [services.web]
    command = "python3 app.py web"
    env = {{ LEVEL = "{level}" }}

    [services.db]
    command = "python3 app.py db"
"""


def shop(sandbox, level="info"):
    return with_app(sandbox.project(TWO.format(level=level)))


def project_of(project):
    return project.status()["projects"][0]


def run_of(project, name):
    """(state, run) of a service; None when there is no such service."""
    service = project.services().get(name)
    return service and (service["state"], service["run"], service["ready"])


def is_running(project, name, run):
    return lambda: run_of(project, name) == ("running", run, True)


def errors(project):
    return project_of(project).get("config_errors", [])


def git(project, *arguments):
    subprocess.run(
        ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", str(project.folder),
         *arguments],
        check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"], "HOME": str(project.sandbox.home)},
    )


def repository(project):
    git(project, "init", "-q", "-b", "main")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "first")


def test_only_what_changed_restarts(sandbox):
    project = shop(sandbox)
    project.up()
    project.write("locald.toml", TWO.format(level="debug"))
    until(is_running(project, "web", 2))
    assert run_of(project, "db") == ("running", 1, True)


def test_a_file_replaced_by_rename_is_followed_again_and_again(sandbox):
    project = shop(sandbox)
    project.up()
    for run, level in enumerate(["debug", "warn", "error"], start=2):
        project.write("new.toml", TWO.format(level=level))
        os.rename(project.folder / "new.toml", project.folder / "locald.toml")
        until(is_running(project, "web", run))


def test_what_is_added_starts_and_what_is_removed_stops(sandbox):
    project = shop(sandbox)
    project.up()
    project.write("locald.toml", """
        [services.web]
        command = "python3 app.py web"
        env = { LEVEL = "info" }

        [services.mail]
        command = "python3 app.py mail"

        [services.later]
        command = "python3 app.py later"
        autostart = false
    """)
    until(is_running(project, "mail", 1))
    until(lambda: run_of(project, "db") is None)
    assert run_of(project, "web") == ("running", 1, True)
    assert run_of(project, "later")[0] == "stopped"


def test_a_service_that_was_stopped_stays_stopped(sandbox):
    project = shop(sandbox)
    project.up()
    project.run("stop", "db")
    project.write("locald.toml", TWO.format(level="debug").replace("app.py db", "app.py other"))
    until(is_running(project, "web", 2))
    assert run_of(project, "db")[0] == "stopped"


def test_a_dotenv_that_appears_changes_and_goes(sandbox):
    project = shop(sandbox)
    project.up()
    project.write(".env", "FLAVOUR=vanilla\n")
    until(is_running(project, "web", 2))
    until(is_running(project, "db", 2))
    project.write(".env", "FLAVOUR=mint\n")
    until(is_running(project, "web", 3))
    (project.folder / ".env").unlink()
    until(is_running(project, "web", 4))


def test_a_broken_file_changes_nothing_and_is_shown_until_it_is_good(sandbox):
    project = shop(sandbox)
    project.up()
    project.write("locald.toml", TWO.format(level="debug") + "\n    comand = 1\n")
    found = until(lambda: errors(project))
    place = found[0]["places"][0]
    assert (place["file"], place["line"], place["column"]) == ("locald.toml", 8, 1)
    text = project.run("status").out
    assert "locald.toml:8:1" in text and "comand" in text, text
    assert run_of(project, "web") == ("running", 1, True)

    sandbox.kill_daemon()
    assert until(lambda: errors(project)) == found
    assert run_of(project, "web") == ("running", 1, True)

    project.write("locald.toml", TWO.format(level="debug"))
    until(is_running(project, "web", 2))
    assert errors(project) == []
    assert run_of(project, "db") == ("running", 1, True)


def test_a_file_that_only_fails_when_it_is_composed_is_shown_too(sandbox):
    project = shop(sandbox)
    project.up()
    project.write("locald.toml", TWO.format(level="${services.db.env.NOTHING}"))
    found = until(lambda: errors(project))
    assert found[0]["places"][0]["file"] == "locald.toml", found
    assert run_of(project, "web") == ("running", 1, True)


def test_a_change_while_no_daemon_looks_is_applied_by_the_next(sandbox):
    project = shop(sandbox)
    project.up()
    sandbox.kill_daemon()
    project.write("locald.toml", TWO.format(level="debug"))
    until(is_running(project, "web", 2))
    assert run_of(project, "db") == ("running", 1, True)


def test_the_environment_of_the_last_up_is_kept_over_a_daemon_restart(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 app.py ${env.WHO}"
        env = { WHO = "${env.WHO}", LEVEL = "info" }
    """))
    project.write("locald.toml", """
        [services.web]
        command = "python3 app.py"
        env = { WHO = "${env.WHO}", LEVEL = "info" }
    """)
    project.up(env={"WHO": "me"})
    sandbox.kill_daemon()
    project.write("locald.toml", """
        [services.web]
        command = "python3 app.py"
        env = { WHO = "${env.WHO}", LEVEL = "debug" }
    """)
    until(is_running(project, "web", 2))
    pid = project.service("web")["pid"]
    environment = open(f"/proc/{pid}/environ", "rb").read().split(b"\0")
    assert b"WHO=me" in environment and b"LEVEL=debug" in environment


def test_what_a_symbolic_link_points_to_is_watched(sandbox):
    project = shop(sandbox)
    shared = sandbox.root / "shared"
    shared.mkdir()
    os.rename(project.folder / "locald.toml", shared / "real.toml")
    os.symlink("../../shared/real.toml", project.folder / "locald.toml")
    sandbox.own(shared)
    project.up()
    Project(sandbox, shared).write("real.toml", TWO.format(level="debug"))
    until(is_running(project, "web", 2))


def test_a_project_that_was_stopped_follows_nothing(sandbox):
    project = shop(sandbox)
    project.up()
    project.run("stop")
    project.write("locald.toml", TWO.format(level="debug"))
    project.up()
    assert project.service("web")["run"] == 2


# --- S13: content that came by a checkout ---


def test_an_edit_at_the_same_commit_is_applied(sandbox):
    project = shop(sandbox)
    repository(project)
    project.up()
    project.write("locald.toml", TWO.format(level="debug"))
    until(is_running(project, "web", 2))
    git(project, "commit", "-q", "-a", "-m", "mine")
    project.status()  # asked for after the commit, answered after it was seen
    project.write("locald.toml", TWO.format(level="warn"))
    until(is_running(project, "web", 3))


def test_a_checkout_is_not_applied_until_up(sandbox):
    project = shop(sandbox)
    repository(project)
    git(project, "checkout", "-q", "-b", "evil")
    canary = sandbox.root / "canary"
    project.write("locald.toml", TWO.format(level="info").replace(
        "python3 app.py web", f"touch {canary}; exec python3 app.py web"))
    git(project, "commit", "-q", "-a", "-m", "evil")
    git(project, "checkout", "-q", "main")
    project.up()

    git(project, "checkout", "-q", "evil")
    blocked = until(lambda: project_of(project).get("blocked"))
    commit = subprocess.check_output(
        ["git", "-c", "safe.directory=*", "-C", str(project.folder), "rev-parse", "HEAD"],
        text=True)
    assert blocked == f"locald.toml changed in commit {commit[:7]}"
    text = project.run("status").out
    assert f"blocked: locald.toml changed in commit {commit[:7]}, run locald up" in text, text
    assert run_of(project, "web") == ("running", 1, True)

    # Nor by a new daemon, nor by an edit on top of what was not agreed to.
    sandbox.kill_daemon()
    assert until(lambda: project_of(project).get("blocked")) == blocked
    assert run_of(project, "web") == ("running", 1, True)
    project.write(".env", "A=1\n")
    assert not canary.exists()

    project.up()
    assert canary.exists() and run_of(project, "web")[1] == 2
    assert "blocked" not in project_of(project)


def test_content_that_was_approved_once_is_fine_at_any_commit(sandbox):
    project = shop(sandbox)
    repository(project)
    git(project, "checkout", "-q", "-b", "other")
    project.write("locald.toml", TWO.format(level="debug"))
    git(project, "commit", "-q", "-a", "-m", "other")
    project.up()
    git(project, "checkout", "-q", "main")
    until(lambda: project_of(project).get("blocked"))
    project.up()
    assert run_of(project, "web")[1] == 2
    git(project, "checkout", "-q", "other")
    until(is_running(project, "web", 3))
    git(project, "checkout", "-q", "main")
    until(is_running(project, "web", 4))


def test_nothing_is_started_again_with_content_that_came_by_a_pull(sandbox):
    project = shop(sandbox)
    repository(project)
    canary = sandbox.root / "canary"
    git(project, "checkout", "-q", "-b", "evil")
    project.write("locald.toml", TWO.format(level="info").replace(
        "python3 app.py db", f"touch {canary}; exec python3 app.py db"))
    git(project, "commit", "-q", "-a", "-m", "evil")
    git(project, "checkout", "-q", "main")
    project.up()
    pid = project.service("db")["pid"]
    sandbox.kill_daemon()
    git(project, "checkout", "-q", "evil")
    os.kill(pid, 9)
    until(lambda: not os.path.exists(f"/proc/{pid}"))
    until(lambda: project_of(project).get("blocked"))
    assert run_of(project, "web") == ("running", 1, True)
    assert run_of(project, "db")[1] == 1 and not canary.exists()


def test_git_is_not_run(sandbox):
    """The reader is our own: a project in a repository works without git in sight."""
    project = shop(sandbox)
    repository(project)
    assert shutil.which("git", path=str(sandbox.root)) is None
    project.up(env={"PATH": f"{sandbox.root}:{sandbox.environment['PATH']}"})
    project.write("locald.toml", TWO.format(level="debug"))
    until(is_running(project, "web", 2))
