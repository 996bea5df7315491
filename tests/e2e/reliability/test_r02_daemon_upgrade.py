"""Another version of the daemon takes over, and back again: nothing restarts, nothing is refused."""

import os

from support import audit
from support.waiting import until

from . import loads

ROW = "R02"
TITLE = "Daemon upgrade"
PASS = "N-1 → N → N-1: 0 restarts, 0 lines lost, 0 connections refused, an open WebSocket survives"


def daemon_program(sandbox):
    return os.path.basename(os.readlink(f"/proc/{sandbox.daemon_pid()}/exe"))


def proxies(sandbox):
    return [p for p in audit.processes().values()
            if p.command().split()[1:2] == ["proxy"] and audit.is_below(p, os.getpid(), audit.processes())]


def restart(sandbox, program):
    result = sandbox.finish(sandbox.popen(argv=[str(program), "daemon", "restart"]))
    assert result.status == 0, str(result)


def test_an_upgrade_and_back(sandbox, svc, row, build, channels):
    lines, rate = row.choose((1000, 500), (40000, 1000))
    project = sandbox.project(
        loads.service("clock", [svc, "lines", lines, rate, ",", "say", "done", ",", "wait"],
                      type="worker") + loads.service("web", loads.APP))
    project.up()
    before = loads.identities(project)
    url = project.service("web")["url"]
    channel, visitor = channels(url), loads.Visitor(url)
    versions, restarted, echoed = [], 0, 0
    for program in (build / "src/cli/locald-other", sandbox.binary):
        restart(sandbox, program)
        versions.append(daemon_program(sandbox))
        now = loads.identities(project)
        restarted += sum(now[name] != identity for name, identity in before.items())
        channel.send("still there")
        echoed += channel.receive() == "still there"
    visitor.stop()
    row.figure("daemons", " then ".join(versions), wanted="locald-other then locald")
    row.figure("services restarted", restarted, wanted=0)
    row.figure("connections refused or broken", visitor.refused + len(visitor.broken), wanted=0)
    row.figure("requests answered", visitor.answered)
    row.figure("WebSocket frames echoed", f"{echoed}/2", wanted="2/2")
    channel.close()
    until(lambda: len(proxies(sandbox)) == 1,
          what="the proxies of before have ended with their last connection")
    until(lambda: loads.last_line(project, "clock") == "done", timeout=120)
    found = loads.numbers(project, "clock")
    row.figure("lines missing, doubled", loads.missing_and_doubled(found), wanted=(0, 0))
    assert (found[0], found[-1]) == (1, lines)


def test_a_restart_of_the_same_version_keeps_the_proxy(sandbox, row):
    project = sandbox.project(loads.service("web", loads.APP))
    project.up()
    proxy = project.status()["daemon"]["proxy"]
    old, before = sandbox.daemon_pid(), loads.identities(project)
    sandbox.run("daemon", "restart")
    assert sandbox.daemon_pid() != old
    row.figure("same proxy after a restart", project.status()["daemon"]["proxy"] == proxy, wanted=True)
    assert loads.identities(project) == before
