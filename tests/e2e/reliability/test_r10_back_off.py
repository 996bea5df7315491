"""A service that crashes again and again is started again, later each time, and says so."""

import time

from support.log_segments import read_log
from support.waiting import until

from . import loads

ROW = "R10"
TITLE = "Crash, restart, back-off"
PASS = "exit 1 each time: next starts after 0, 1, 2, 4, 8, 16, 30 s ± 20 %, ≤ 8 starts in 60 s, CPU < 1 %, counted " \
       "anew after 60 s ready; status has exits, code, next try and the last 5 lines"

DELAYS = (0, 1, 2, 4, 8, 16, 30)
NS = 10**9


def history(sandbox, name):
    """[(moment of the start, of the exit or None)] of each run, in seconds."""
    folder = next((sandbox.root / "state/locald/logs").glob(f"*/{name}"))
    found = []
    for record in read_log(folder):
        if record.stream != "event":
            continue
        if record.event["event"] == "start":
            found.append([record.mono_ns / NS, None])
        elif record.event["event"] == "exit":
            found[-1][1] = record.mono_ns / NS
    return found


def delays(sandbox, name):
    runs = history(sandbox, name)
    return [after[0] - before[1] for before, after in zip(runs, runs[1:])]


def speed(sandbox, row):
    """The small size lives 20 times as fast."""
    scale = row.choose(20, 1)
    sandbox.environment["LOCALD_TEST_TIMESCALE"] = str(scale)
    return scale


def test_each_next_start_comes_later(testing_sandbox, svc, row):
    sandbox, scale = testing_sandbox, speed(testing_sandbox, row)
    words = [w for i in range(8) for w in ("say", f"line {i}", ",")]
    project = sandbox.project(loads.service("api", [svc, *words, "exit", "1"], type="worker"))
    project.attempt("up")
    daemon = sandbox.daemon_pid()
    cpu, began = loads.cpu_seconds(daemon), time.monotonic()
    until(lambda: len(history(sandbox, "api")) >= len(DELAYS) + 1, timeout=120)
    used = (loads.cpu_seconds(daemon) - cpu) / (time.monotonic() - began)
    found = delays(sandbox, "api")[:len(DELAYS)]
    wanted = [delay / scale for delay in DELAYS]
    assert all(is_ >= 0.8 * should for is_, should in zip(found, wanted)), f"too early: {found}"
    late = max(is_ - 1.2 * should for is_, should in zip(found, wanted))
    row.figure("delays", ", ".join(f"{delay * scale:.2f}" for delay in found) + " s")
    row.took("later than 20 % and a start", max(late, 0), limit=0.2)
    starts = [begin for begin, _ in history(sandbox, "api")]
    row.at_most("starts in 60 s", sum(begin - starts[0] <= 60 / scale for begin in starts), 8)
    if scale == 1:
        row.at_most("CPU of the daemon", used * 100, 1, "%")


def test_status_tells_the_crash(testing_sandbox, svc, row):
    speed(testing_sandbox, row)
    words = [w for i in range(8) for w in ("say", f"line {i}", ",")]
    project = testing_sandbox.project(loads.service("api", [svc, *words, "exit", "3"], type="worker"))
    project.attempt("up")
    api = until(lambda: (s := project.service("api"))["state"] == "crashed" and s["restarts"] >= 5 and s, timeout=60)
    row.figure("exits", api["restarts"] >= 5, wanted=True)
    row.figure("code", api["last_exit"]["code"], wanted=3)
    row.figure("last lines", api["last_lines"], wanted=[f"line {i}" for i in range(3, 8)])
    row.figure("next try is told", api["next_try_ms"] >= 0, wanted=True)
    text = until(lambda: next((out for out in [project.run("status").out] if "next try" in out), None), timeout=60)
    row.figure("status says so", "exit 3" in text and "line 7" in text, wanted=True)


def test_ready_for_a_minute_counts_anew(testing_sandbox, svc, row):
    scale = speed(testing_sandbox, row)
    project = testing_sandbox.project(
        loads.service("long", [svc, "sleep", int(62000 / scale), ",", "exit", "1"], type="worker") +
        loads.service("short", [svc, "sleep", int(20000 / scale), ",", "exit", "1"], type="worker"))
    project.up()
    until(lambda: len(history(testing_sandbox, "long")) >= 3, timeout=200)
    row.took("delay after each minute ready", max(delays(testing_sandbox, "long")), limit=0.3)
    row.figure("crashes in a row, a minute ready each", project.service("long")["restarts"], wanted=1)
    row.at_least("crashes in a row, 20 s ready each", project.service("short")["restarts"], 2)
