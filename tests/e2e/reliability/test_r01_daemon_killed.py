"""SIGKILL of the daemon again and again: services, lines and connections do not notice."""

import time

from support.waiting import until

from . import loads

ROW = "R01"
TITLE = "Daemon SIGKILL"
PASS = "50 services that write, 20 SIGKILLs: pids unchanged, 0 lines missing or doubled, status ≤ 1 s, " \
       "no URL refused"


def test_services_and_lines_survive_a_killed_daemon(sandbox, svc, row):
    services, kills = row.choose(10, 50), row.choose(5, 20)
    rate, lines = row.choose(200, 1000), row.choose(1000, 40000)
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, "lines", lines, rate, ",", "say", "done", ",", "wait"],
                      type="worker") for i in range(services)) + loads.service("web", loads.APP))
    project.up()
    before, slowest = loads.identities(project), 0.0
    visitor = loads.Visitor(project.service("web")["url"])
    for _ in range(kills):
        time.sleep(row.random.uniform(0.0, 0.3))
        sandbox.kill_daemon()
        began = time.monotonic()
        now = loads.identities(project)
        slowest = max(slowest, time.monotonic() - began)
        assert now == before
    visitor.stop()
    same = sum(before[name] == identity for name, identity in loads.identities(project).items())
    row.figure("pids and runs unchanged", f"{same}/{services + 1}", wanted=f"{services + 1}/{services + 1}")
    missing = doubled = 0
    for name in before.keys() - {"web"}:
        until(lambda name=name: loads.last_line(project, name) == "done", timeout=120)
        found = loads.numbers(project, name)
        assert found[0] == 1 and found[-1] == lines
        lost, twice = loads.missing_and_doubled(found)
        missing, doubled = missing + lost, doubled + twice
    row.figure("lines missing", missing, wanted=0)
    row.figure("lines doubled", doubled, wanted=0)
    row.figure("requests refused or broken", visitor.refused + len(visitor.broken), wanted=0)
    row.figure("requests answered", visitor.answered)
    row.took("status after a kill, slowest", slowest, limit=1)


def test_a_websocket_survives_a_killed_daemon(sandbox, row, channels):
    project = sandbox.project(loads.service("echo", loads.APP))
    project.up()
    channel = channels(project.service("echo")["url"])
    kills, echoed = 3, 0
    for i in range(kills):
        sandbox.kill_daemon()
        channel.send(f"between {i}")
        echoed += channel.receive() == f"between {i}"
        project.status()
        channel.send(f"after {i}")
        echoed += channel.receive() == f"after {i}"
    row.figure("WebSocket frames echoed", f"{echoed}/{2 * kills}", wanted=f"{2 * kills}/{2 * kills}")

