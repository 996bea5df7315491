"""schedule and every: services that run when they are due."""

from support.waiting import until


def test_every_runs_it_again_and_again(sandbox):
    project = sandbox.project("""
        [services.sync]
        command = "echo run"
        every = "1s"
    """)
    project.up()
    # Between two runs: it may be starting just now.
    sync = until(lambda: (now := project.service("sync"))["ready"] and now)
    assert sync["port"] is None and sync["next_run"]
    until(lambda: project.service("sync")["run"] >= 1, timeout=30, what="it was due")
    until(lambda: project.log("sync").count("run") >= 2, timeout=30, what="it ran twice")
    project.run("stop")
    assert project.service("sync")["state"] == "stopped"


def test_a_schedule_says_when_and_restart_runs_it_now(sandbox):
    project = sandbox.project("""
        [services.report]
        command = "echo report"
        schedule = "0 0 1 1 *"
    """)
    project.up()
    report = project.service("report")
    assert report["state"] == "scheduled" and "-01-01 00:00" in report["detail"]
    assert report["next_run"].endswith("Z")
    assert project.up()["unchanged"] == ["report"]
    project.run("status", "--check")
    project.run("restart", "report")
    until(lambda: project.log("report") == ["report"], what="it ran")
    until(lambda: project.service("report")["state"] == "scheduled", what="it waits again")
    sandbox.kill_daemon()
    after = project.service("report")
    assert after["state"] == "scheduled" and after["run"] == 1


def test_wrong_schedules_are_shown_where_they_are_written(sandbox):
    project = sandbox.project("""
        [services.a]
        command = "true"
        schedule = "61 * * * *"

        [services.b]
        command = "true"
        depends_on = ["a"]
    """)
    result = project.fail("up", status=2)
    assert "locald.toml:3:" in result.err and 'minute: "61": expected 0-59' in result.err
    assert "C032" in result.err, str(result)
