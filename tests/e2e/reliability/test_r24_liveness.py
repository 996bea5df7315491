"""A service that was ready and does not answer any more is unhealthy, soon and for all to see."""

import os
import signal
import time

import pytest

from support.waiting import until

from . import loads

ROW = "R24"
TITLE = "Liveness after ready"
PASS = "1 of 20 stops answering: unhealthy in 2 intervals, told as an event, started again where asked for; " \
       "the others are left alone"

# Answers until USR1.
WORDS = ["listen", ",", "serve", "USR1", ",", "unlisten", ",", "wait"]


@pytest.fixture
def events():
    """Opens streams of events: events(sandbox)."""
    opened = []

    def open_one(sandbox):
        opened.append(loads.Events(sandbox))
        return opened[-1]

    yield open_one
    for stream in opened:
        stream.close()


def one_falls_silent(sandbox, svc, row, events, kind, restart):
    services, interval = row.choose(5, 20), row.choose(0.4, 1)
    # A port that is closed refuses at once; others have time to answer, however busy the machine is.
    health = {"type": kind, "interval": interval, "timeout": 10, "retries": 2}
    table = ", ".join(f"{key} = {str(value).lower() if isinstance(value, bool) else repr(value)}"
                      for key, value in {**health, "restart": restart}.items())
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, *WORDS]).rstrip() + f"\nhealth_check = {{ {table} }}\n\n"
        for i in range(services)))
    project.up()
    before, stream = project.services(), events(sandbox)
    chosen = f"s{row.random.randrange(services)}"
    time.sleep(row.random.uniform(0, interval))
    began = time.monotonic()
    os.kill(before[chosen]["pid"], signal.SIGUSR1)
    told, event = until(lambda: stream.find(chosen, state="unhealthy"))
    row.figure(f"{kind}: event", f"{event['state']}, ready {event['ready']}", wanted="unhealthy, ready False")
    row.took(f"{kind}: until unhealthy", told - began, limit=2 * interval + 0.1)
    if restart:
        after = until(lambda: next((s for s in [project.service(chosen)] if s["ready"]), None))
        row.figure(f"{kind}: started again", after["run"] - before[chosen]["run"], wanted=1)
    else:
        row.figure(f"{kind}: status", project.service(chosen)["state"], wanted="unhealthy")
    others = sum(s["run"] == before[name]["run"] and s["ready"]
                 for name, s in project.services().items() if name != chosen)
    row.figure(f"{kind}: others unchanged", f"{others}/{services - 1}", wanted=f"{services - 1}/{services - 1}")


@pytest.mark.parametrize("kind,restart", [("http", False), ("tcp", True)])
def test_one_falls_silent(sandbox, svc, row, events, kind, restart):
    one_falls_silent(sandbox, svc, row, events, kind, restart)
