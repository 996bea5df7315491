"""What becomes of a service that ends by itself, and how it is stopped."""

import pathlib

from support.waiting import until


def test_max_restarts_is_a_limit_and_the_detail_says_so(sandbox):
    project = sandbox.project("""
        [services.job]
        type = "worker"
        command = "echo run >> runs; exit 7"
        max_restarts = 1
    """)
    project.fail("up", status=1)
    job = until(lambda: "max_restarts" in project.service("job").get("detail", "")
                and project.service("job"), what="the service was given up")
    assert job["state"] == "crashed" and "next_try_ms" not in job
    assert job["detail"].startswith("exited with code 7") and "after 1 restart" in job["detail"]
    assert (project.folder / "runs").read_text().count("run") == 2


def test_restart_always_starts_again_what_ended_well(sandbox):
    project = sandbox.project("""
        [services.job]
        type = "worker"
        command = "echo run >> runs; sleep 0.3"
        restart = "always"
    """)
    project.up()
    until(lambda: (project.folder / "runs").read_text().count("run") >= 3, timeout=30,
          what="it has been started again and again")
    project.run("stop")
    runs = (project.folder / "runs").read_text()
    assert project.service("job")["state"] == "stopped"
    assert (project.folder / "runs").read_text() == runs


def test_other_exit_codes_can_be_success(sandbox):
    project = sandbox.project("""
        [services.seed]
        command = "exit 3"
        oneshot = true
        success_exit_codes = [3]

        [services.after]
        type = "worker"
        command = "echo here; exec sleep 1000"
        depends_on = { seed = "completed" }
    """)
    project.up()
    services = project.services()
    assert services["seed"]["state"] == "exited" and services["seed"]["last_exit"]["code"] == 3
    assert services["after"]["state"] == "running"


def test_the_stop_command_stops_it_in_its_environment_and_folder(sandbox):
    project = sandbox.project("""
        [services.db]
        type = "worker"
        workdir = "data"
        env = { WORD = "please" }
        command = "trap '' TERM; echo $$ > pid; while [ ! -e stop ]; do sleep 0.05; done; echo bye"
        stop_command = "echo $WORD > stop"
    """)
    project.write("data/.keep", "")
    project.up()
    until((project.folder / "data/pid").exists, what="the service has begun")
    project.run("stop")
    assert (project.folder / "data/stop").read_text() == "please\n"
    assert "bye" in project.log("db")
    assert project.service("db")["last_exit"]["killed"] is False
    assert not pathlib.Path(f"/proc/{(project.folder / 'data/pid').read_text().strip()}").exists()


def test_a_stop_command_that_fails_leaves_it_to_the_signal(sandbox):
    project = sandbox.project("""
        [services.db]
        type = "worker"
        command = "exec sleep 1000"
        stop_command = ["false"]
    """)
    project.up()
    project.run("stop")
    assert project.service("db")["last_exit"]["signal"] == 15
