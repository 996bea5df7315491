"""locald init --from: process-compose.yaml and compose.yaml as people have them."""

import pathlib
import re
import shutil
import tomllib
import urllib.request

import pytest
from support.web import free_port

SAMPLES = pathlib.Path(__file__).resolve().parent / "samples"

SERVER = """
    import http.server, os, sys

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(os.environ["REPLY"].encode())

    http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""

WORKER = """
    import os, time
    print("queue is open (1 of 1)")
    while not os.path.exists("data/stopped"):
        time.sleep(0.05)
"""


def import_sample(project, sample):
    """Imports a copy of the sample; the file that was written, as TOML, and the command's result."""
    shutil.copy(SAMPLES / sample, project.folder / sample)
    project.sandbox.own(project.folder)
    result = project.run("init", "--from", sample)
    project.run("config", "check")
    return tomllib.loads((project.folder / "locald.toml").read_text()), result


def left_out(result):
    """{"12": text}: the lines of the source that were told to be left out."""
    return dict(re.findall(r"^! \S+?:(\d+):\d+: (.*)$", result.err, re.M))


@pytest.mark.parametrize("sample", sorted(path.name for path in SAMPLES.glob("*.yaml")))
def test_what_is_left_out_is_told_and_is_a_comment(sandbox, sample):
    project = sandbox.project(None)
    _, result = import_sample(project, sample)
    text = (project.folder / "locald.toml").read_text()
    told = re.findall(r"^! (?:\S+?:\d+:\d+: )?(.*)$", result.err, re.M)
    assert told and f"{len(told)} left out" in result.err
    for reason in told:
        assert f"# left out: {reason}" in text


def test_process_compose_keys(sandbox):
    config, result = import_sample(sandbox.project(None), "process-compose-shop.yaml")
    services = config["services"]
    assert config["env"] == {"LOG_LEVEL": "debug", "GREETING": "hello from ${HOME:-}"}
    assert services["migrate"]["oneshot"] is True
    assert services["migrate"]["command"].endswith('costs 5$" > data/migrated\n')
    api = services["api"]
    assert api["depends_on"] == {"migrate": "completed"} and api["port"] == 41873
    assert api["env"] == {"REPLY": "api at ${LOG_LEVEL:-}"}, "PORT is the service's own"
    assert api["health_check"] == {"type": "http", "path": "/healthz", "interval": 1, "timeout": 2,
                                   "retries": 5}
    assert (api["stop_signal"], api["stop_timeout"]) == ("SIGINT", 3)
    assert (api["restart"], api["max_restarts"]) == ("on-failure", 5), "came by <<"
    assert services["web"]["depends_on"] == {"api": "ready"} and "type" not in services["web"]
    assert services["queue"]["health_check"]["pattern"] == r"queue is open \(1 of 1\)"
    assert services["queue"]["stop_command"] == "touch data/stopped"
    assert services["report"]["schedule"] == "30 7 * * 1-5"
    assert services["console"] == {"type": "worker", "command": "python3 -q", "tty": True,
                                   "autostart": False, "restart": "no"}
    told = left_out(result)
    assert told["67"].startswith("processes.queue.namespace: ")
    assert told["14"].startswith("processes.web.availability.backoff_seconds: ")


def test_process_compose_oddities(sandbox):
    config, result = import_sample(sandbox.project(None), "process-compose-tools.yaml")
    services = config["services"]
    assert set(services) == {"private-process", "after", "every"}
    assert services["private-process"]["command"] == ["sleep", "1000"]
    assert services["private-process"]["env_file"] == []
    after = services["after"]
    assert after["command"][:2] == ["bash", "-c"] and "$literal" in after["command"][2]
    assert after["env"] == {"A": "$$literal"} and "depends_on" not in after
    assert after["health_check"]["command"] == "cd /tmp && test -e /"
    assert services["every"]["every"] == 5400
    told = left_out(result)
    assert "template" in told["20"] and "no such process" in told["29"]
    assert "not known" in told["48"]


def test_an_imported_process_compose_project_runs(sandbox):
    project = sandbox.project(None)
    port = free_port()
    sample = (SAMPLES / "process-compose-shop.yaml").read_text()
    project.write("process-compose.yaml", sample.replace("41873", str(port)))
    project.write("server.py", SERVER)
    project.write("worker.py", WORKER)
    project.run("init", "--from", "process-compose.yaml")
    project.up()
    services = project.services()
    assert {name for name, service in services.items() if service["ready"]} >= {"api", "web", "queue"}
    assert (project.folder / "data/migrated").read_text() == "migrated for shop, costs 5$\n"
    for name, reply in (("api", "api at debug"), ("web", "web")):
        address = f"http://127.0.0.1:{services[name]['port']}/healthz"
        assert urllib.request.urlopen(address, timeout=10).read().decode() == reply
    assert services["api"]["port"] == port
    assert services["console"]["state"] != "running"
    project.run("stop")
    assert (project.folder / "data/stopped").exists(), "shutdown.command was run"


def test_compose_keys(sandbox):
    config, result = import_sample(sandbox.project(None), "compose-shop.yaml")
    services = config["services"]
    assert config["project"]["name"] == "shop"
    db = services["db"]
    assert (db["image"], db["port"], db["container_port"]) == ("postgres:16", 5432, 5432)
    assert db["env"]["POSTGRES_PASSWORD"] == "${DB_PASSWORD:-secret}"
    assert db["health_check"]["command"] == "pg_isready -U $POSTGRES_USER"
    assert db["health_check"]["start_period"] == 50
    assert (db["stop_timeout"], db["restart"]) == (90, "always")
    cache = services["cache"]
    assert cache["command"] == ["redis-server", "--save", "", "--appendonly", "no"]
    assert (cache["profiles"], cache["stop_signal"]) == (["cache"], "SIGINT")
    migrate = services["migrate"]
    assert migrate["oneshot"] is True and migrate["type"] == "worker"
    assert migrate["depends_on"] == {"db": "ready"}
    assert migrate["env"]["DATABASE_URL"] == (
        "postgres://postgres:secret@${services.db.host}:${services.db.port}/shop")
    web = services["web"]
    assert (web["command"], web["workdir"], web["port"]) == ("npm run dev", "./web", 3000)
    assert "image" not in web and web["env_file"] == ["web.env"]
    assert web["env"] == {"REDIS_HOST": "${services.cache.host}", "TITLE": "the db of shop",
                          "REDIS_URL": "redis://${services.cache.host}:${services.cache.port}/0"}
    assert "proxy" not in services
    told = left_out(result)
    assert "Dockerfile" in told["67"] and "one port" in told["58"]


def test_the_environment_decides_what_is_expanded_now(sandbox):
    project = sandbox.project(None)
    project.write("compose.yaml", """
        services:
          db: {image: "postgres:${PG}", ports: ["${PG_PORT:-5432}:5432"]}
    """)
    project.write(".env", "PG=15\nPG_PORT=5432\n")
    project.run("init", "--from", "compose.yaml", env={"PG": "17"})
    text = (project.folder / "locald.toml").read_text()
    assert 'image = "postgres:17"' in text, "the shell goes before .env, as with compose"


def test_paths_are_from_the_folder_of_the_file(sandbox):
    project = sandbox.project(None)
    project.write("infra/compose.yaml", """
        services:
          db:
            image: redis:7
            env_file: db.env
            volumes: ["./data:/data", "name:/cache:ro", {type: bind, source: ../up, target: /up}]
          web:
            build: ../web
            command: npm start
    """)
    project.write("infra/db.env", "")
    project.run("init", "--from", "infra/compose.yaml")
    services = tomllib.loads((project.folder / "locald.toml").read_text())["services"]
    assert services["db"]["env_file"] == ["infra/db.env"]
    assert services["db"]["volumes"] == ["./infra/data:/data", "name:/cache:ro",
                                         "./up:/up"]
    assert services["web"]["workdir"] == "web"


@pytest.mark.parametrize("text, place, message", [
    ("services:\n  a: {image: x\n", "3:1", "C046"),
    ("a: 1\n", "1:1", "neither `processes`"),
    ("services: &s\n  a: *s\n", "2:6", "would be a part of itself"),
    ("a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{c}: &{c} [{','.join(['*' + chr(ord(c) - 1)] * 10)}]\n" for c in "bcdefghij"),
     "5:", "more than 100000 values"),
])
def test_bad_yaml_has_a_place(sandbox, text, place, message):
    project = sandbox.project(None)
    project.write("compose.yaml", text)
    failed = project.fail("init", "--from", "compose.yaml", status=2)
    assert f"compose.yaml:{place}" in failed.err and message in failed.err
    assert not (project.folder / "locald.toml").exists()


def test_a_file_of_which_nothing_is_left_is_refused(sandbox):
    project = sandbox.project(None)
    project.write("compose.yaml", "services:\n  web: {build: .}\n")
    failed = project.fail("init", "--from", "compose.yaml", status=2)
    assert "compose.yaml:2:3" in failed.err and "nothing is left" in failed.err
    assert not (project.folder / "locald.toml").exists()
