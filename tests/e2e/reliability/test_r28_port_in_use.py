"""A port that somebody else holds: the holder is named, nothing is started, nobody is sent there."""

import contextlib
import os
import signal
import subprocess

import pytest

from support import web
from support.sandbox import STARTED
from support.waiting import until

from . import loads

ROW = "R28"
TITLE = "Port in use"
PASS = "200 collisions (fixed port; sticky port at a restart; a stranger who binds late): exit 7 before the program is " \
       "executed, pid, command, folder and owner named, 0 requests to the stranger, and it starts once the port is free"

SECRET = "I am the stranger"

# Its command line is shown, the secret is not in there.
STRANGER = f"""
import http.server, sys, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.wfile.write(bytes.fromhex("{SECRET.encode().hex()}"))
while True:
    try:
        server = http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Answer)
        break
    except OSError:
        time.sleep(0.005)
print(1, flush=True)
server.serve_forever()
"""


@pytest.fixture
def stranger(tmp_path):
    """A process of nobody's that listens: stranger(port) -> Popen."""
    started = []

    def listen(port):
        # All that takes time is done before the port is tried, again and again.
        process = subprocess.Popen(["python3", "-c", STRANGER, str(port)], cwd=tmp_path, stdout=subprocess.PIPE)
        STARTED.add(process.pid)
        started.append(process)
        return process

    def leave(process):
        process.kill()
        process.communicate()
        STARTED.discard(process.pid)
        started.remove(process)

    listen.leave = leave
    yield listen
    for process in list(started):
        leave(process)


def listens(process):
    assert process.stdout.readline() == b"1\n"
    return process


def names(text, process, folder):
    return f"pid {process.pid}" in text and "python3 -c" in text and str(folder) in text \
        and "not managed by locald" in text


def test_a_fixed_port(sandbox, svc, row, stranger, tmp_path):
    number, good = row.choose(3, 67), 0
    port = web.free_port()
    project = sandbox.project(loads.service("web", [svc, "listen", ",", "wait"], port=port))
    for i in range(number):
        process = listens(stranger(port))
        result = project.fail("up", status=7)
        told = names(result.err, process, tmp_path) and f"remove `port = {port}` at locald.toml:3" in result.err \
            and f"stop pid {process.pid}" in result.err
        assert told, str(result)
        assert project.service("web")["state"] == "crashed" and names(project.run("status").out, process, tmp_path)
        refused = loads.runs(sandbox, "web") if i else []
        answer = web.get(project.service("web")["url"])
        assert answer.status in (502, 503) and SECRET not in answer.text
        stranger.leave(process)
        project.up()
        assert len(loads.runs(sandbox, "web")) == len(refused) + 1
        project.run("stop")
        good += 1
    row.figure("fixed port: refused and named", f"{good}/{number}", wanted=f"{number}/{number}")


def test_a_port_of_another_service(sandbox, svc, row):
    port = web.free_port()
    other = sandbox.project(loads.service("api", [svc, "listen", ",", "wait"], port=port), name="other")
    other.up()
    project = sandbox.project(loads.service("web", [svc, "listen", ",", "wait"], port=port))
    result = project.fail("up", status=7)
    row.figure("a managed holder is named as such",
               f"managed by locald as api of {other.status()['projects'][0]['id']}" in result.err, wanted=True)


def test_a_sticky_port_at_a_restart(sandbox, svc, row, stranger, tmp_path):
    number, good = row.choose(2, 66), 0
    project = sandbox.project(loads.service("web", [svc, "listen", ",", "serve", "USR1", ",", "unlisten", ",", "wait"]))
    project.up()
    for _ in range(number):
        service = until(lambda: next((s for s in [project.service("web")] if s["ready"]), None), timeout=60)
        process = stranger(service["port"])
        os.kill(service["pid"], signal.SIGUSR1)
        listens(process)
        os.kill(service["pid"], signal.SIGKILL)
        until(lambda: names(project.service("web").get("detail", ""), process, tmp_path)
              and project.service("web")["state"] == "crashed")
        answer = web.get(service["url"])
        assert answer.status in (502, 503) and SECRET not in answer.text, answer.text
        assert loads.runs(sandbox, "web")[-1] == service["run"]
        stranger.leave(process)
        again = until(lambda: next((s for s in [project.service("web")] if s["ready"]), None), timeout=60)
        assert again["run"] > service["run"] and again["port"] == service["port"]
        good += 1
        project.run("restart")
    row.figure("sticky port: refused, and started when it was free", f"{good}/{number}", wanted=f"{number}/{number}")


def test_a_sticky_port_at_a_new_up_moves_and_says_so(sandbox, svc, row, stranger, tmp_path):
    project = sandbox.project(loads.service("web", [svc, "listen", ",", "wait"]))
    project.up()
    before = project.service("web")["port"]
    project.run("stop")
    process = listens(stranger(before))
    result = project.run("up")
    after = project.service("web")["port"]
    says = f"! web: port {before} is held by pid {process.pid} " in result.err and result.err.count("! web") == 1 \
        and names(result.err, process, tmp_path) and f"; now {after}\n" in result.err
    row.figure("sticky port at a new up: moved, and said once", says and after != before, wanted=True)
    assert says, str(result)
    project.run("stop")
    assert "is held by" not in project.run("up").err and project.service("web")["port"] == after


def test_a_stranger_who_binds_late(sandbox, svc, row, stranger, tmp_path):
    number, good, asked = row.choose(2, 67), 0, 0
    project = sandbox.project(loads.service("web", [svc, "serve", "USR1", ",", "listen", ",", "wait"]))
    for _ in range(number):
        running = project.popen("up")
        service = until(lambda: next((s for s in services_of(project) if s["pid"]), None))
        process = listens(stranger(service["port"]))
        until(lambda: names(project.service("web").get("detail", ""), process, tmp_path))
        # A visitor waits for the service, as long as it may still come.
        with contextlib.suppress(TimeoutError):
            asked += SECRET in web.get(project.service("web")["url"], timeout=0.5).text
        assert not project.service("web")["ready"]
        # Now it wants its port, and ends.
        os.kill(service["pid"], signal.SIGUSR1)
        result = sandbox.finish(running)
        assert result.status == 7 and names(result.err, process, tmp_path), str(result)
        stranger.leave(process)
        project.run("stop")
        good += 1
    row.figure("late stranger: seen and named", f"{good}/{number}", wanted=f"{number}/{number}")
    row.figure("requests to the stranger", asked, wanted=0)


def services_of(project):
    listed = project.attempt("status", "--json")
    return listed.json["services"] if listed.status == 0 else []
