"""A service that listens where it likes is followed there, with a warning that carries the fix."""

import re
import time

from support import web
from support.waiting import until

from . import loads

ROW = "R29"
TITLE = "Wrong port"
PASS = "PORT ignored: the URL answers ≤ 1 s after the service listens elsewhere in its tree, and a warning has the " \
       "line for locald.toml, with file and line"


def test_the_proxy_follows(sandbox, svc, row):
    times, slowest, followed = row.choose(5, 50), 0.0, 0
    for i in range(times):
        port, heard = web.free_port(), sandbox.root / f"heard{i}"
        words = ["sleep", row.random.randrange(300), ",", "listen", port, ",", "clock", heard, ",", "wait"]
        # Every other one listens in a child of its leader.
        words = [svc, *words] if i % 2 else ["sh", "-c", " ".join(f"'{w}'" for w in [svc, *words]) + "; exit"]
        project = sandbox.project("# a comment\n" + loads.service("web", words), name=f"shop{i}")
        running = project.popen("up")
        heard_at = int(until(lambda: heard.exists() and heard.read_text(), timeout=30)) / 1e9
        until(lambda: answers(project), timeout=30)
        slowest = max(slowest, time.monotonic() - heard_at)
        assert sandbox.finish(running).status == 0
        web_ = project.service("web")
        assert web_["observed_port"] == port, web_
        (warning,) = web_["warnings"]
        assert re.search(rf"listens on port {port}, .*PORT.*{web_['port']}", warning), warning
        assert f"`port = {port}`" in warning and "locald.toml:2" in warning, warning
        assert f"port = {port}" in project.run("status").out
        followed += 1
        # The fix is right: with it there is nothing to warn of.
        project.write("locald.toml", (project.folder / "locald.toml").read_text() + f"port = {port}\n")
        project.up()
        assert project.service("web")["warnings"] == [] and project.service("web")["port"] == port
        project.run("stop")
    row.figure("followed, and warned of with the fix", f"{followed}/{times}", wanted=f"{times}/{times}")
    row.took("until the URL answers, slowest", slowest, limit=1)


def answers(project):
    listed = project.attempt("status", "--json")
    services = listed.json["services"] if listed.status == 0 else []
    url = services[0]["url"] if services else None
    return url and ":" in url and web.get(url, timeout=10).status == 200
