"""Which services a plain `up` starts: profiles, autostart, formations."""

import pytest


@pytest.fixture
def project(sandbox):
    return sandbox.project("""
        [services.web]
        command = "exec python3 -m http.server $PORT"

        [services.mail]
        type = "worker"
        command = "exec sleep 1000"
        profiles = ["dev"]

        [services.seed]
        type = "worker"
        command = "exec sleep 1000"
        autostart = false
    """)


def running(project):
    return {name for name, service in project.services().items() if service["state"] == "running"}


def test_a_profile_is_opt_in(project):
    project.up()
    assert running(project) == {"web"}
    project.up("--profile", "dev")
    assert running(project) == {"web", "mail"}


def test_profiles_of_the_environment(project):
    project.up(env={"LOCALD_PROFILES": "elsewhere,dev"})
    assert running(project) == {"web", "mail"}


def test_a_name_is_stronger(project):
    project.up("mail", "seed")
    assert running(project) == {"mail", "seed"}


def test_an_unknown_profile_is_refused(project):
    failed = project.fail("up", "--profile", "dve", status=4)
    assert "did you mean `dev`?" in failed.err


def test_a_procfile_with_a_formation_as_with_foreman(sandbox):
    project = sandbox.project(None)
    project.write("Procfile", """
        # comment
        web: exec python3 -m http.server $PORT
        worker: exec sleep 1000
        clock_1: exec sleep 1000
        release: touch released
    """)
    project.up("-m", "web=1,worker=0")
    assert running(project) == {"web", "clock_1"}
    project.run("stop")
    project.up("--formation", "all=0,worker=1")
    assert running(project) == {"worker"}
    assert not (project.folder / "released").exists()
    project.run("stop")
    project.up("-m", "all=0,web=2")
    assert running(project) == {"web-1", "web-2"}
    project.up("release")
    assert (project.folder / "released").exists()
    assert "NAME=COUNT" in project.fail("up", "-m", "web", status=2).err
    assert "did you mean `web`" in project.fail("up", "-m", "wbe=1", status=4).err
