"""depends_on: ready, started, completed; and what a restart does to the others."""

from support.waiting import until


def runs(project):
    return {name: service["run"] for name, service in project.services().items()}


def test_restart_is_of_the_named_service_only(chain):
    chain.up()
    assert chain.run("restart", "--json", "api").result["restarted"] == ["api"]
    assert runs(chain) == {"web": 1, "api": 2, "db": 1}
    assert all(service["ready"] for service in chain.services().values())


def test_restart_with_dependents_takes_what_runs_and_depends_on_it(chain):
    chain.up()
    chain.run("stop", "web")
    result = chain.run("restart", "--json", "--with-dependents", "db").result
    assert sorted(result["restarted"]) == ["api", "db"]
    assert runs(chain) == {"web": 1, "api": 2, "db": 2}
    assert chain.service("web")["state"] == "stopped"


def test_a_crash_of_a_dependency_does_not_restart_its_dependents(sandbox):
    project = sandbox.project("""
        [services.db]
        type = "worker"
        command = "test -e again || { touch again; sleep 0.5; exit 1; }; exec sleep 1000"

        [services.web]
        type = "worker"
        command = "exec sleep 1000"
        depends_on = ["db"]
    """)
    project.up()
    web = project.service("web")
    until(lambda: project.service("db")["run"] == 2 and project.service("db")["ready"],
          timeout=30, what="db is up again")
    assert project.service("web")["pid"] == web["pid"]


def test_a_oneshot_that_has_ended_is_not_called_healthy(sandbox):
    project = sandbox.project("""
        [services.seed]
        command = "true"
        oneshot = true
    """)
    project.up()
    seed = project.service("seed")
    assert (seed["state"], seed["ready"], seed["health"]) == ("exited", True, {"kind": "none", "ok": False})
    assert "ok tcp" not in project.run("status").out


def test_each_condition_is_waited_for(sandbox):
    project = sandbox.project("""
        [services.seed]
        command = "sleep 0.5; touch seeded"
        oneshot = true

        [services.slow]
        type = "worker"
        command = "sleep 0.5; touch warm; echo warm; exec sleep 1000"
        health_check = { pattern = "warm" }

        [services.never]
        type = "worker"
        command = "exec sleep 1000"
        health_check = { pattern = "this is never said", start_period = 0 }

        [services.web]
        type = "worker"
        command = "ls > seen; exec sleep 1000"
        depends_on = { seed = "completed", slow = "ready", never = "started" }
    """)
    seen = project.folder / "seen"
    project.run("up", "web", "--no-deps")
    until(lambda: seen.exists() and seen.read_text(), what="web has looked")
    assert "seeded" not in seen.read_text()
    project.run("stop")
    up = project.popen("up")
    until(lambda: "seeded" in seen.read_text(), what="web was started")
    assert "warm" in seen.read_text()
    assert project.service("seed")["state"] == "exited"
    project.run("stop")
    sandbox.finish(up)
