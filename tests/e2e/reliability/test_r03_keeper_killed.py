"""Keepers that are killed: their services go on, and so does their output."""

import contextlib
import os
import re
import resource
import signal
import time

from support import audit
from support.keeper import Keeper
from support.log_segments import Account, read_log
from support.waiting import until

from . import loads

ROW = "R03"
TITLE = "Keeper SIGKILL"
PASS = "20 services that write, each keeper killed 10×: pids unchanged, `degraded` shown ≤ 1 s, 0 lines lost " \
       "or doubled, exit codes told or unknown"


def keeper_pid(sandbox, project, name):
    with Keeper(sandbox, project, name) as keeper:
        return keeper.pid


def kill_keeper(sandbox, project, name):
    """Returns how long it took until status says that the service is degraded; its next keeper listens."""
    pid = keeper_pid(sandbox, project, name)
    began = time.monotonic()
    loads.kill(pid)
    until(lambda: project.service(name).get("degraded"))
    took = time.monotonic() - began
    wait_for_next(sandbox, project, name, pid)
    return took


def killed_again(sandbox, project, name):
    """A degraded service's keeper is killed: the next one has another pid."""
    pid = keeper_pid(sandbox, project, name)
    loads.kill(pid)
    wait_for_next(sandbox, project, name, pid)


def wait_for_next(sandbox, project, name, pid):
    def is_replaced():
        # There may be no socket for a moment, or one that nobody listens on.
        with contextlib.suppress(OSError, AssertionError):
            return keeper_pid(sandbox, project, name) != pid
        return False

    until(is_replaced)


def test_lines_survive_killed_keepers(sandbox, svc, row):
    services, kills = row.choose(3, 20), row.choose(3, 10)
    rate, lines = row.choose(2000, 5000), row.choose(6000, 200000)
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, "stream", "both", ",", "lines", lines, rate, ",", "say", "done", ",", "wait"],
                      type="worker") for i in range(services)))
    project.up()
    before, slowest = loads.identities(project), 0.0
    names = list(before)
    for i in range(kills):
        row.random.shuffle(names)
        for name in names:
            time.sleep(row.random.uniform(0.0, 0.05))
            if i == 0:
                slowest = max(slowest, kill_keeper(sandbox, project, name))
            else:
                killed_again(sandbox, project, name)
    same = sum(before[name] == identity for name, identity in loads.identities(project).items())
    row.figure("keepers killed", kills * services)
    row.figure("pids and runs unchanged", f"{same}/{services}", wanted=f"{services}/{services}")
    row.took("degraded in status, slowest", slowest, limit=1)
    missing = doubled = gaps = 0
    for name in before:
        until(lambda name=name: any(r["text"] == "done" for r in loads.output(project, name)), timeout=120)
        # Each stream is in order; together they need not be.
        found = sorted(loads.numbers(project, name))
        assert found[0] == 1 and found[-1] == lines
        lost, twice = loads.missing_and_doubled(found)
        missing, doubled = missing + lost, doubled + twice
        account = Account(loads.log_folder(project, name))
        gaps += account.unexplained_gap + account.out_of_order
    row.figure("lines missing", missing, wanted=0)
    row.figure("lines doubled", doubled, wanted=0)
    row.figure("gaps in the log", gaps, wanted=0)
    adopted = sum(r.event["event"] == "adopt" for name in before for r in read_log(loads.log_folder(project, name))
                  if r.stream == "event")
    row.at_least("keepers that took over", adopted, kills * services)


def test_flat_out_writers_lose_no_byte(sandbox, svc, row):
    size, kills = row.choose(20_000_000, 1_000_000_000), row.choose(5, 50)
    project = sandbox.project(loads.service(
        "flat", [svc, "ledger", sandbox.root / "ledger", ",", "binary", size, ",", "say", "end", ",", "wait"], type="worker"))
    project.up()
    for _ in range(kills):
        time.sleep(row.random.uniform(0.0, 0.1))
        killed_again(sandbox, project, "flat")
    folder = loads.log_folder(project, "flat")
    until(lambda: Account(folder).position >= size + 4, timeout=300)
    account = Account(folder)
    row.figure("bytes written", size + 4, wanted=account.position)
    row.figure("bytes unaccounted", account.position - account.evicted - account.dropped - account.stored["out"],
               wanted=0)
    row.figure("bytes dropped", account.dropped, wanted=0)


def test_a_terminal_loses_no_line(sandbox, svc, row):
    lines, kills = row.choose(100000, 1000000), row.choose(8, 50)
    project = sandbox.project(loads.service("tty", [
        svc, "lines", lines, ",", "say", "done", ",", "wait"], type="worker", tty=True, log_size="256MiB"))
    project.up()
    for _ in range(kills):
        time.sleep(row.random.uniform(0.0, 0.02))
        killed_again(sandbox, project, "tty")
    folder = loads.log_folder(project, "tty")

    def shown():
        return b"".join(record.data for record in read_log(folder) if record.stream == "out").split()

    until(lambda: shown()[-1:] == [b"done"], timeout=60)
    found = [int(word) for word in shown() if word.isdigit()]
    missing, doubled = loads.missing_and_doubled(found)
    row.figure("lines on a terminal missing", missing + (lines - len(set(found))), wanted=0)
    row.figure("lines on a terminal doubled", doubled, wanted=0)


ENDS = ["sh", "-c", "trap 'exit 7' USR1; echo ready; while :; do sleep 0.05; done"]

# What PIDFD_GET_INFO says of processes that have been reaped.
KERNEL_TELLS_ENDS = tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) >= (6, 15)


def last_exit(project, name):
    until(lambda: project.service(name)["pid"] is None)
    last = project.service(name)["last_exit"]
    return last and (last["code"], last["signal"])


def ends_figures(row, what, wanted, found):
    """An end is told as it was, or is unknown where the kernel does not say it."""
    told = sum(found[name] == wanted[name] for name in wanted)
    row.figure(f"{what}: ends told", f"{told} of {len(wanted)}")
    row.figure(f"{what}: ends unknown", sum(end is None for end in found.values()),
               wanted=0 if KERNEL_TELLS_ENDS else None)
    row.figure(f"{what}: ends wrong", sum(end not in (None, wanted[name]) for name, end in found.items()), wanted=0)


def test_how_an_adopted_service_ends(sandbox, svc, row):
    project = sandbox.project(
        loads.service("code", [svc, "obey", "USR1", ",", "say", "ready", ",", "wait"], type="worker", restart="no")
        + loads.service("seven", ENDS, type="worker", restart="no")
        + loads.service("signal", [svc, "say", "ready", ",", "wait"], type="worker", restart="no"))
    project.up()
    wanted = {"code": (0, 0), "seven": (7, 0), "signal": (-1, signal.SIGKILL)}
    for name in wanted:
        loads.wait_for_line(project, name, "ready")
        kill_keeper(sandbox, project, name)
    for name in wanted:
        os.kill(project.service(name)["pid"], signal.SIGKILL if name == "signal" else signal.SIGUSR1)
    ends_figures(row, "under the next keeper", wanted, {name: last_exit(project, name) for name in wanted})


def test_the_end_of_a_service_between_two_keepers(sandbox, row):
    """It ends when its keeper is gone, and the daemon has not started another yet."""
    project = sandbox.project(loads.service("seven", ENDS, type="worker", restart="no"))
    project.up()
    loads.wait_for_line(project, "seven", "ready")
    service, daemon = project.service("seven")["pid"], sandbox.daemon_pid()
    keeper = keeper_pid(sandbox, project, "seven")
    os.kill(daemon, signal.SIGSTOP)
    try:
        loads.kill(keeper)
        loads.kill(service, signal.SIGUSR1)
    finally:
        os.kill(daemon, signal.SIGCONT)
    ends_figures(row, "between two keepers", {"seven": (7, 0)}, {"seven": last_exit(project, "seven")})


def test_the_end_of_a_service_that_nobody_reaps(sandbox, row):
    """Its daemon was killed, so it goes to us when its keeper is killed, and stays a zombie."""
    project = sandbox.project(loads.service("seven", ENDS, type="worker", restart="no"))
    project.up()
    loads.wait_for_line(project, "seven", "ready")
    sandbox.kill_daemon()
    until(lambda: project.service("seven")["state"] == "running")
    kill_keeper(sandbox, project, "seven")
    service = project.service("seven")["pid"]
    os.kill(service, signal.SIGUSR1)
    found = last_exit(project, "seven")
    assert audit.processes()[service].is_zombie, "somebody has reaped it"
    row.figure("a zombie: its end", found, wanted=(7, 0))


def test_a_keeper_killed_with_an_end_that_is_not_recorded(testing_sandbox, row):
    """It has reaped the program, and nobody else can."""
    sandbox = testing_sandbox
    sandbox.environment.update(LOCALD_FAULT="keeper.tree_gone:kill",
                               LOCALD_FAULT_LOG=str(sandbox.root / "passed"))
    project = sandbox.project(loads.service("seven", ENDS, type="worker", restart="no"))
    project.up()
    loads.wait_for_line(project, "seven", "ready")
    os.kill(project.service("seven")["pid"], signal.SIGUSR1)
    ends_figures(row, "reaped, not recorded", {"seven": (7, 0)}, {"seven": last_exit(project, "seven")})
    assert (sandbox.root / "passed.done").exists(), "no keeper was killed"


def test_a_stop_is_not_forgotten(sandbox, row):
    """The keeper that was told to stop is killed: the next one does it."""
    script = "n=0; trap 'n=$((n+1)); echo asked $n; [ $n = 1 ] || exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    project = sandbox.project(loads.service("web", ["sh", "-c", script], type="worker", stop_timeout=60))
    project.up()
    loads.wait_for_line(project, "web", "ready")
    keeper = keeper_pid(sandbox, project, "web")
    stop = project.popen("stop")
    loads.wait_for_line(project, "web", "asked 1")
    loads.kill(keeper)
    row.figure("stopped by the next keeper", sandbox.finish(stop).status, wanted=0)
    assert "asked 2" in project.log("web")


def test_a_stop_ends_the_whole_tree_of_an_adopted_service(sandbox, svc, row):
    """Some left the leader before its keeper was lost, others after."""
    project = sandbox.project(loads.service("web", [
        svc, "escape", "setsid", ",", "escape", "double-fork", ",", "escape", "nohup", ",", "escape", "daemon", ",",
        "tree", 10, 3, ",", "ignore", "TERM", ",", "wait"], type="worker", stop_timeout=1))
    project.up()
    loads.wait_for_line(project, "web", "tree of 10")
    kill_keeper(sandbox, project, "web")
    row.at_least("processes", len(loads.processes_of(project, "web")), 15)
    project.run("stop", "web")
    row.figure("left after stop", len(loads.processes_of(project, "web")), wanted=0)
    row.figure("degraded after the next start", restarted(project).get("degraded", False), wanted=False)


def restarted(project):
    project.up()
    return project.service("web")


def test_a_port_stays_with_an_adopted_service(sandbox, row):
    project = sandbox.project(loads.service("web", loads.APP))
    project.up()
    url = project.service("web")["url"]
    visitor = loads.Visitor(url)
    kill_keeper(sandbox, project, "web")
    for _ in range(3):
        sandbox.kill_daemon()
        assert project.service("web")["state"] == "running"
    visitor.stop()
    row.figure("requests refused or broken", visitor.refused + len(visitor.broken), wanted=0)
    row.figure("ready", project.service("web")["ready"], wanted=True)
    row.figure("degraded for the next daemon", project.service("web").get("degraded"), wanted=True)

def test_many_keepers_are_held_with_a_low_limit(sandbox, row):
    """The daemon's soft limit of descriptors is the user's, and services see it unchanged."""
    soft, services = 128, 16
    project = sandbox.project(
        loads.service("first", ["sh", "-c", "exec sleep 1000"], type="worker")
        + "".join(loads.service(f"s{i}", ["sh", "-c", "echo limit $(ulimit -Sn); exec sleep 1000"], type="worker",
                                autostart=False) for i in range(services)))
    project.up()
    daemon = sandbox.daemon_pid()
    resource.prlimit(daemon, resource.RLIMIT_NOFILE, (soft, resource.prlimit(daemon, resource.RLIMIT_NOFILE)[1]))
    names = [f"s{i}" for i in range(services)]
    project.run("up", *names)
    before = loads.identities(project)
    for name in names:
        kill_keeper(sandbox, project, name)
    same = sum(before[name] == identity for name, identity in loads.identities(project).items() if name in names)
    row.figure("services that went on with a soft limit of 128", f"{same}/{services}", wanted=f"{services}/{services}")
    for name in names:
        loads.wait_for_line(project, name, f"limit {soft}")
    row.figure("services that saw it as their limit", services)
    row.figure("limit of the daemon afterwards", resource.prlimit(daemon, resource.RLIMIT_NOFILE)[0], wanted=soft)
