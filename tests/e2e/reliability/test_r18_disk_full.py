"""The disk of the state is full: services go on, what is not stored is counted, and it is over soon after."""

import os
import re
import signal
import time

import pytest

from support import disk
from support.log_segments import Account
from support.waiting import until

from . import loads

ROW = "R18"
TITLE = "Disk full"
PASS = "8 MiB for the state, full: services go on; `status` says so with the bytes that were dropped; 100 " \
       "SIGKILLs of the daemon meanwhile: 100/100 states load; recovery ≤ 2 s after space is freed; stored + " \
       "evicted + dropped == written"

SERVICES = 4


@pytest.fixture
def small_disk(sandbox):
    """The state on a disk of 8 MiB."""
    with disk.small(sandbox.root / "state") as state:
        yield state
        sandbox.shutdown()


def full_services(project):
    return [s for s in project.services().values() if s.get("log_full")]


def written(ledgers):
    return {path.name: loads.ledger(path)["written_out"] for path in ledgers.iterdir()}


def test_a_full_disk_stops_nothing(sandbox, svc, row, small_disk):
    kills = row.choose(4, 100)
    ledgers, hog = sandbox.root / "ledgers", small_disk / "hog"
    ledgers.mkdir()
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, "ledger", ledgers / f"s{i}", ",", "lines", 0, 200, 100],
                      type="worker", log_size="1MiB") for i in range(SERVICES)))
    project.up()
    before = loads.identities(project)
    disk.fill(hog)
    until(lambda: len(full_services(project)) == SERVICES)
    said = re.compile(r"log disk full, [\d.,]+ \w+ dropped")
    until(lambda: len(said.findall(project.run("status").out)) == SERVICES)
    row.figure("services of which status says `log disk full, N … dropped`", SERVICES)

    loaded = 0
    for _ in range(kills):
        sandbox.kill_daemon()
        disk.fill(hog)
        loaded += loads.identities(project) == before
        time.sleep(row.random.uniform(0, 0.05))
    row.figure("states that load after a SIGKILL", f"{loaded}/{kills}", wanted=f"{kills}/{kills}")
    seen = written(ledgers)
    until(lambda: all(now > seen[name] for name, now in written(ledgers).items()))
    row.figure("services that go on", sum(loads.identities(project)[n] == before[n] for n in before),
               wanted=SERVICES)

    began = time.monotonic()
    hog.unlink()
    until(lambda: not full_services(project))
    row.took("recovery after space is freed", time.monotonic() - began, limit=2)
    project.run("stop")
    dropped = off = 0
    for name, wrote in written(ledgers).items():
        account = Account(loads.log_folder(project, name))
        dropped += account.dropped
        off += abs(account.position - wrote) + abs(account.unexplained_gap)
    row.at_least("bytes dropped, and told", dropped, 1)
    row.figure("bytes that are not accounted for", off, wanted=0)


CRASH = "trap 'exit 7' USR1; while :; do echo a line that is counted; sleep 0.01; done"


def crash(project, name):
    """Ends a service that has lost some of its output; returns when that is over."""
    service = project.service(name)
    until(lambda: project.service(name).get("log_full"))
    os.kill(service["pid"], signal.SIGUSR1)
    until(lambda: project.service(name)["pid"] != service["pid"])


def test_the_end_of_a_run_on_a_disk_that_stays_full(sandbox, row, small_disk):
    """How it ended, and how much of its output was dropped, is in the log all the same."""
    hog, runs = small_disk / "hog", row.choose(3, 5)
    project = sandbox.project(
        loads.service("once", ["sh", "-c", CRASH], type="worker", restart="no")
        + loads.service("again", ["sh", "-c", CRASH], type="worker", restart="always"))
    project.up()
    disk.fill(hog)
    crash(project, "once")
    for run in range(1, runs + 1):
        until(lambda run=run: project.service("again")["run"] == run and project.service("again")["pid"], timeout=60)
        crash(project, "again")
        disk.fill(hog)
    sandbox.kill_daemon()
    until(lambda: project.service("once")["state"] == "crashed")
    row.figure("end on a disk that stays full, known to the next daemon", project.service("once")["last_exit"]["code"],
               wanted=7)
    told = project.run("logs", "-n", "1000").out
    row.figure("of all ends in `logs`", told.count("exited code 7"), wanted=1 + runs)
    row.figure("and of what was dropped", len(re.findall(r"[1-9]\d* lines? \(.*\) lost: the disk was full", told)),
               wanted=1 + runs)
    for name in ("once", "again"):
        row.figure(f"bytes dropped of {name} without a word", Account(loads.log_folder(project, name)).unexplained_gap,
                   wanted=0)
    hog.unlink()
    until(lambda: project.service("again")["pid"] and not full_services(project), timeout=60)
    project.up()
