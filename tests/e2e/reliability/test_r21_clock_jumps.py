"""The wall clock is set while services run: nothing waits for it, and logs stay in order.

The library clock_shim sets the clock of locald, of its daemon and of the keepers.  The keeper that is
installed is static and takes no such library, so here the same sources are linked dynamically.
"""

import json
import os
import re
import struct
import time

import pytest

from support import faults
from support.log_segments import read_log
from support.waiting import until

from . import loads

ROW = "R21"
TITLE = "Clock jumps, suspend"
PASS = "the wall clock ± 1 day and back, 50×, and left a day off: timers ≤ 50 ms off, the order of the log of " \
       "several services unchanged, uptime right"

DAY = 86400


@pytest.fixture
def set_clock(sandbox, build, tmp_path):
    """Sets the sandbox's wall clock: set_clock(seconds)."""
    clock = sandbox.root / "clock"
    clock.write_bytes(struct.pack("=q", 0))
    sandbox.environment.update(
        LOCALD_LIBEXEC=str(faults.make_libexec(build, tmp_path / "libexec", "locald-keeper-dynamic")),
        LD_PRELOAD=str(build / "tests/support/libclock_shim.so"), LOCALD_TEST_CLOCK=str(clock))

    def set_to(seconds):
        with clock.open("r+b") as file:
            file.write(struct.pack("=q", int(seconds * 1e9)))

    return set_to


def age(pid):
    """Seconds since the process started."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        started = int(file.read().rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    return time.clock_gettime(time.CLOCK_BOOTTIME) - started


def event_times(project, name, event):
    """When, by the monotonic clock in seconds, its keepers noted such an event."""
    folders = (project.sandbox.root / "state/locald/logs").glob(f"*/{name}")
    return [record.mono_ns / 1e9 for folder in folders for record in read_log(folder)
            if record.stream == "event" and record.event["event"] == event]


def jump(set_clock, times):
    """The clock goes to and fro."""
    for number in range(times):
        set_clock([DAY, 0, -DAY, 0][number % 4])
        time.sleep(0.07)  # so that things happen by this clock


def test_nothing_goes_by_the_wall_clock(sandbox, set_clock, svc, row):
    jumps = row.choose(12, 50)
    project = sandbox.project(
        loads.service("a", [svc, "stamps", 10], type="worker")
        + loads.service("b", [svc, "stamps", 10], type="worker")
        + loads.service("stubborn", [svc, "ignore", "TERM", ",", "wait"], type="worker", stop_timeout=1)
        + loads.service("broken", [svc, "exit", 3], type="worker", restart="no")
        + loads.service("ticker", [svc, "say", "tick"], every="1s"))
    project.attempt("up")
    until(lambda: project.service("broken")["state"] == "crashed")
    until(lambda: len(event_times(project, "ticker", "start")) >= 1)
    jump(set_clock, jumps)
    stop = project.popen("stop", "stubborn")
    jump(set_clock, jumps)
    sandbox.finish(stop)
    until(lambda: len(event_times(project, "ticker", "start")) >= 4, timeout=20)

    asked, ended = (event_times(project, "stubborn", event)[-1] for event in ("stop", "exit"))
    row.took("stop after 1 s, off by", abs(ended - asked - 1), limit=0.05)
    starts = event_times(project, "ticker", "start")
    spans = [later - earlier for earlier, later in zip(starts, starts[1:], strict=False)]
    row.took("job of every second, off by", max(abs(span - 1) for span in spans), limit=0.05)
    # A timer by the wall clock would be a day off: this much is said at any size.
    row.at_most("and by whole seconds", int(max(abs(ended - asked - 1), *(abs(s - 1) for s in spans))), 5, "s")

    set_clock(DAY)
    services = project.services()
    off = max(abs(services[name]["uptime_ms"] / 1000 - age(services[name]["pid"])) for name in "ab")
    row.took("uptime, off by", off, limit=0.1)
    row.at_most("and by whole seconds", int(off), 5, "s")
    began = event_times(project, "broken", "exit")[-1]
    said = [project.service("broken")["last_exit"]["ago_ms"]]
    days_off = [name for name in ("a", "broken") if re.search(r"\d (d|h \d+ m)\b", project.run("why", name).out)]
    sandbox.kill_daemon()
    until(lambda: project.service("broken")["state"] == "crashed")
    said.append(project.service("broken")["last_exit"]["ago_ms"])
    row.at_most("an end, and again for the next daemon, off by whole seconds",
                int(max(abs(ms / 1000 - (time.monotonic() - began)) for ms in said)), 5, "s")
    row.figure("of which `why` tells days or hours", days_off, wanted=[])
    entries = [json.loads(line) for line in project.run("logs", "--json", "-n", "1000000", "a", "b").out.splitlines()]
    stamps = [(int(e["text"]), e["time"][:10]) for e in entries if e.get("text", "").isdigit()]
    row.at_least("days in the log", len({day for _, day in stamps}), 3)
    # By when their keepers got them, which may be long after they were written.
    got = {line: record.mono_ns for name in "ab" for record in read_log(loads.log_folder(project, name))
           if record.stream == "out" for line in record.data.decode().split()}
    order = [got[str(stamp)] for stamp, _ in stamps]
    row.figure("lines of two services out of order", sum(a > b for a, b in zip(order, order[1:])), wanted=0)
    for name in "ab":
        own = [int(e["text"]) for e in entries if e.get("text", "").isdigit() and e["service"] == name]
        row.figure(f"order of {name} unchanged", own == sorted(own), wanted=True)
