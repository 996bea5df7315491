"""Host execution: up, status, logs, stop, restart."""

import json
import os
import pathlib
import re
import signal
import time

from support import web as http
from support.waiting import until

from .conftest import ONE_SERVICE, with_app


def whoami(service):
    return json.loads(http.get(service["url"], "/whoami").text)


def environment(service):
    return json.loads(http.get(service["url"], "/env").text)


def process_exists(pid):
    return pathlib.Path(f"/proc/{pid}").exists()


def test_up_starts_the_service_and_returns_when_it_is_ready(web):
    result = web.run("up")
    service = web.service("web")
    assert service["state"] == "running" and service["ready"] and service["mode"] == "host"
    assert service["url"] in result.out, str(result)
    assert whoami(service)["cwd"] == str(web.folder)


def test_port_is_given_and_the_service_listens_on_it(web):
    web.up()
    service = web.service("web")
    assert environment(service)["PORT"] == str(service["port"])
    assert http.get(f"http://127.0.0.1:{service['port']}", "/x").status == 200


def test_injected_variables(web):
    web.up()
    service = web.service("web")
    env = environment(service)
    assert env["LOCALD"] == "1"
    assert env["LOCALD_SERVICE"] == "web"
    assert env["LOCALD_PROJECT"] == "shop"
    assert env["LOCALD_URL"] == service["url"]
    assert env["HOST"] == "127.0.0.1"


def test_the_shell_where_up_was_typed_gives_environment_and_path(web):
    tool = web.write("bin/my-server", "#!/bin/sh\nexec python3 app.py from-path\n", mode=0o755)
    web.write("locald.toml", """
        [services.web]
        command = "my-server"
    """)
    path = f"{tool.parent}:{web.sandbox.environment['PATH']}"
    web.up(env={"PATH": path, "FLAVOUR": "vanilla"})
    assert whoami(web.service("web"))["argv"] == ["app.py", "from-path"]
    assert environment(web.service("web"))["FLAVOUR"] == "vanilla"


def test_env_of_the_file_wins_over_dotenv_and_dotenv_over_the_shell(web):
    web.write("locald.toml", """
        [services.web]
        command = "python3 app.py"
        env = { A = "toml" }
    """)
    web.write(".env", "A=dotenv\nB=dotenv\nQUOTED=\"two words\"\n# a comment\n")
    web.up(env={"A": "shell", "B": "shell", "C": "shell"})
    env = environment(web.service("web"))
    assert (env["A"], env["B"], env["C"]) == ("toml", "dotenv", "shell")
    assert env["QUOTED"] == "two words"


def test_references_to_another_service(chain):
    chain.write("locald.toml", """
        [services.web]
        command = "python3 app.py"
        depends_on = ["api"]
        env = { API_PORT = "${services.api.port}", API_HOST = "${services.api.host}" }

        [services.api]
        command = "python3 app.py"
    """)
    chain.up()
    env = environment(chain.service("web"))
    assert env["API_PORT"] == str(chain.service("api")["port"])
    assert http.get(f"http://{env['API_HOST']}:{env['API_PORT']}", "/").status == 200


def test_array_commands_get_their_words_as_they_are(web):
    web.write("locald.toml", """
        [services.web]
        command = ["python3", "app.py", "two words", "$HOME", "*"]
    """)
    web.up()
    assert whoami(web.service("web"))["argv"] == ["app.py", "two words", "$HOME", "*"]


def test_workdir(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 ../app.py"
        workdir = "front"
    """))
    project.write("front/index.html", "hello\n")
    project.up()
    assert whoami(project.service("web"))["cwd"] == str(project.folder / "front")


def test_up_again_without_change_does_nothing(web):
    web.up()
    before = web.service("web")
    again = web.up()
    after = web.service("web")
    assert again["unchanged"] == ["web"] and not again.get("started")
    assert (before["pid"], before["run"]) == (after["pid"], after["run"])


def test_up_after_an_edit_restarts_what_changed_and_nothing_else(chain):
    chain.up()
    before = chain.services()
    text = (chain.folder / "locald.toml").read_text().replace("app.py web", "app.py edited")
    chain.write("locald.toml", text)
    chain.up()
    after = chain.services()
    assert after["web"]["pid"] != before["web"]["pid"]
    assert whoami(after["web"])["argv"] == ["app.py", "edited"]
    assert after["api"]["pid"] == before["api"]["pid"]
    assert after["db"]["pid"] == before["db"]["pid"]


def test_a_port_stays_the_same_over_stop_and_up(web):
    web.up()
    port = web.service("web")["port"]
    web.run("stop")
    web.up()
    assert web.service("web")["port"] == port


def test_dependencies_are_ready_before_their_dependents_start(chain):
    chain.up()
    started = {name: whoami(service)["started"] for name, service in chain.services().items()}
    assert started["api"] - started["db"] >= 0.5, "api started before db was ready"
    assert started["web"] > started["api"]


def test_one_service_brings_its_dependencies(chain):
    chain.up("api")
    states = {name: service["state"] for name, service in chain.services().items()}
    assert states["db"] == states["api"] == "running"
    assert states.get("web", "stopped") == "stopped"


def test_no_deps(chain):
    chain.up("--no-deps", "db")
    states = {name: service["state"] for name, service in chain.services().items()}
    assert states["db"] == "running" and states.get("api", "stopped") == "stopped"


def test_a_worker_has_no_port(sandbox):
    project = sandbox.project("""
        [services.clock]
        type = "worker"
        command = "echo port=${PORT-none}; exec sleep 1000"
    """)
    project.write("locald.toml", """
        [services.clock]
        type = "worker"
        command = ["sh", "-c", "env | grep -c ^PORT= ; exec sleep 1000"]
    """)
    project.up()
    until(lambda: project.log("clock") == ["0"], what="the worker's environment has no PORT")
    assert project.service("clock")["port"] is None


def test_logs_have_both_streams_in_order(web):
    web.up()
    listening = f"listening on {web.service('web')['port']}"
    until(lambda: {listening, "a line of stderr"} <= set(web.log("web")))
    records = [r for r in web.run("logs", "--json", "web").events if r["stream"] != "event"]
    texts = [r["text"] for r in records]
    assert texts.index("starting with []") < texts.index(listening)
    assert {r["stream"] for r in records if r["text"] == "a line of stderr"} == {"err"}
    sequence = [r["seq"] for r in records]
    assert sequence == sorted(sequence)


def test_logs_follow_what_comes(sandbox):
    project = sandbox.project("""
        [services.clock]
        type = "worker"
        command = ["sh", "-c", "while read line; do echo got $line; done < fifo"]
    """)
    os.mkfifo(project.folder / "fifo")
    project.up()
    viewer = project.popen("logs", "-f", "clock")
    writer = os.open(project.folder / "fifo", os.O_WRONLY)
    os.write(writer, b"one\n")
    seen = b""
    while b"got one" not in seen:
        seen += os.read(viewer.stdout.fileno(), 4096)
    os.write(writer, b"two\n")
    while b"got two" not in seen:
        seen += os.read(viewer.stdout.fileno(), 4096)
    viewer.send_signal(signal.SIGINT)
    assert sandbox.finish(viewer).status == 130
    os.close(writer)


def test_stop_ends_every_process_and_is_idempotent(sandbox):
    project = sandbox.project("""
        [services.tree]
        type = "worker"
        command = ["sh", "-c", "sleep 1001 & setsid sh -c 'sleep 1002 & sleep 1003' & (sleep 1004 &) ; echo up; wait"]
    """)
    project.up()
    until(lambda: project.log("tree") == ["up"])
    project.run("stop")
    assert project.service("tree")["state"] == "stopped"
    left = [p for p in os.listdir("/proc") if p.isdigit() and is_sleeper(p, sandbox)]
    assert not left
    project.run("stop")


def is_sleeper(pid, sandbox):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        tagged = sandbox.tag.encode() in pathlib.Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return tagged and words[0] == b"sleep"


def test_stop_kills_what_ignores_the_signal(sandbox):
    project = sandbox.project("""
        [services.stubborn]
        type = "worker"
        command = ["sh", "-c", "trap '' TERM; echo up; while :; do sleep 1000; done"]
        stop_timeout = 1
    """)
    project.up()
    until(lambda: project.log("stubborn") == ["up"])
    began = time.monotonic()
    project.run("stop")
    assert 0.9 < time.monotonic() - began < 8
    assert project.service("stubborn")["state"] == "stopped"


def test_stop_of_one_service_leaves_the_others(chain):
    chain.up()
    db = chain.service("db")
    chain.run("stop", "web")
    services = chain.services()
    assert services["web"]["state"] == "stopped"
    assert services["db"]["pid"] == db["pid"] and services["api"]["state"] == "running"


def test_restart_gives_a_new_run_at_the_same_port(web):
    web.up()
    before = web.service("web")
    web.run("restart", "web")
    after = web.service("web")
    assert after["run"] == before["run"] + 1
    assert after["pid"] != before["pid"] and after["port"] == before["port"]
    assert whoami(after)["pid"] and not process_exists(before["pid"])


def test_a_service_that_exits_fails_up_and_says_why(sandbox):
    project = sandbox.project("""
        [services.web]
        command = ["sh", "-c", "echo the reason >&2; exit 3"]
        restart = "no"
    """)
    result = project.fail("up", status=1)
    assert "web" in result.err and "code 3" in result.err and "the reason" in result.err, str(result)


def test_what_depends_on_a_failed_service_is_not_started(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "touch started; python3 app.py"
        depends_on = ["api"]

        [services.api]
        command = ["sh", "-c", "exit 4"]
        restart = "no"
    """))
    project.fail("up", status=1)
    assert not (project.folder / "started").exists()


def test_what_is_not_ready_in_time_is_named_with_its_cause_and_the_fix(sandbox):
    project = with_app(sandbox.project("""
        [services.web]
        command = "python3 app.py"
        depends_on = ["api"]

        [services.api]
        command = ["sh", "-c", "echo still at it; exec sleep 1000"]
        health_check = { type = "tcp", start_period = 3 }
    """))
    result = project.fail("up", status=5)
    port = project.service("api")["port"]
    assert "✘ api is not ready after 3s\n" in result.err and "    still at it\n" in result.err, str(result)
    assert f"  cause  nothing listens on port {port}" in result.err, str(result)
    assert f"  fix    let it listen on $PORT ({port})" in result.err and "web was not started (needs api)" in result.err, str(result)
    assert "0 ready, 1 failed, 1 waiting" in result.err and "error[" not in result.err, str(result)
    out = project.run("status").out
    assert "api  not ready after 3s: " in out and "last line: still at it" in out, out


def test_a_crash_loop_is_called_so(sandbox):
    project = sandbox.project("""
        [services.job]
        type = "worker"
        command = "echo no pg; exit 1"
        max_restarts = 20
    """)
    result = project.fail("up", status=1)
    assert "job exited with code 1" in result.err and "try 3 of 21 · next try in" in result.err, str(result)
    # It may be trying once more just now.
    until(lambda: re.search("job  crash loop: [0-9]+ exits in .*, last line: no pg", project.run("status").out),
          timeout=60)


def test_status_of_a_project_that_never_ran(web):
    services = web.services()
    assert services == {} or services["web"]["state"] == "stopped"


def test_two_projects_do_not_meet(sandbox):
    one = with_app(sandbox.project(ONE_SERVICE, name="one"))
    two = with_app(sandbox.project(ONE_SERVICE, name="two"))
    one.up()
    two.up()
    assert whoami(one.service("web"))["cwd"] == str(one.folder)
    assert whoami(two.service("web"))["cwd"] == str(two.folder)
    one.run("stop")
    assert two.service("web")["state"] == "running"
    names = {p["name"] for p in sandbox.run("status", "-A", "--json").json["projects"]}
    assert names == {"one", "two"}


def test_a_folder_below_the_project_means_the_project(web):
    web.up()
    below = web.folder / "a/b"
    below.mkdir(parents=True)
    status = web.sandbox.run("status", "--json", cwd=below).json
    assert [p["name"] for p in status["projects"]] == ["shop"]


def test_a_procfile_needs_no_locald_toml(sandbox):
    project = with_app(sandbox.project(None, name="heroic"))
    project.write("Procfile", "web: python3 app.py from-procfile\n")
    project.up()
    assert whoami(project.service("web"))["argv"] == ["app.py", "from-procfile"]


def test_ctrl_c_while_starting_stops_what_this_up_started(sandbox):
    project = with_app(sandbox.project("""
        [services.slow]
        command = "python3 app.py"
        env = { DELAY = "1000" }
    """))
    up = project.popen("up")
    until(lambda: project.services().get("slow", {}).get("state") == "running", what="the service runs")
    until(lambda: project.log("slow"), what="the service has said something")
    up.send_signal(signal.SIGINT)
    assert sandbox.finish(up).status == 130
    until(lambda: project.service("slow")["state"] == "stopped", what="slow was stopped")
