"""`watch`: services that restart when their files change."""

from support.waiting import until

WATCHED = """
    [services.api]
    type = "worker"
    command = "cat src/app.py; exec sleep 1000"
    watch = ["src/**", "lib/*.{json,py}"]
    watch_ignore = ["*.log"]
    debounce = "50ms"

    [services.other]
    type = "worker"
    command = "sleep 1000"
"""


def watched(sandbox):
    project = sandbox.project(WATCHED)
    project.write("src/app.py", "one\n")
    project.up()
    return project


def is_running(project, name, run):
    def look():
        service = project.service(name)
        return (service["state"], service["run"], service["ready"]) == ("running", run, True)

    return look


def test_a_change_restarts_that_service_and_no_other(sandbox):
    project = watched(sandbox)
    project.write("src/app.py", "two\n")
    until(is_running(project, "api", 2))
    assert project.service("api")["watch"]["file"] == "src/app.py"
    assert project.service("other")["run"] == 1


def test_new_folders_are_followed_and_what_is_ignored_is_not(sandbox):
    project = watched(sandbox)
    project.write("src/x.log", "1\n")
    project.write("src/node_modules/a.js", "1\n")
    project.write("src/.app.py.swp", "1\n")
    project.write("lib/a.txt", "1\n")
    project.write("src/new/deep/mod.py", "1\n")
    until(is_running(project, "api", 2))
    assert project.service("api")["watch"]["file"].startswith("src/new/deep")
    project.write("lib/a.json", "1\n")
    until(is_running(project, "api", 3))
    assert project.service("api")["watch"]["file"] == "lib/a.json"


def test_it_goes_on_after_a_restart_of_the_daemon(sandbox):
    project = watched(sandbox)
    sandbox.kill_daemon()
    assert project.service("api")["run"] == 1
    project.write("src/app.py", "two\n")
    until(is_running(project, "api", 2))


def test_a_service_that_was_stopped_stays_stopped(sandbox):
    project = watched(sandbox)
    project.run("stop", "api")
    project.write("src/app.py", "two\n")
    project.run("up", "other")
    assert project.service("api")["state"] == "stopped"


def test_a_service_that_changes_its_own_files_is_left_alone(sandbox):
    project = sandbox.project("""
        [services.api]
        type = "worker"
        command = "date +%N > out/generated; exec sleep 1000"
        watch = ["out"]
        debounce = "20ms"
    """)
    (project.folder / "out").mkdir()
    sandbox.own(project.folder)
    project.up()
    (project.folder / "out/generated").write_text("by hand\n")
    until(lambda: project.service("api").get("watch", {}).get("paused"), timeout=30)
    warning = project.service("api")["warnings"][0]
    assert "out/generated" in warning and "watch_ignore" in warning
    assert "watch is paused" in project.run("status").out


def test_a_pattern_that_is_none_has_its_place(sandbox):
    project = sandbox.project("""
        [services.api]
        command = "true"
        watch = ["src/{a"]
    """)
    assert "locald.toml:3" in project.fail("config", "check", status=2).err
