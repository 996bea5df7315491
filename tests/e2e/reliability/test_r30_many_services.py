"""Many idle services: time to start, to ask, to stop, and what they cost while nothing happens."""

import time

from support import audit

from . import loads

ROW = "R30"
TITLE = "1,000 services"
PASS = "1,000 idle services: up ≤ 15 s, status ≤ 200 ms, idle CPU ≤ 0.5 %, daemon ≤ 100 MiB, " \
       "keeper ≤ 300 KiB private, stop ≤ 15 s"


def private_kib(pid):
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("Private_"))


def test_many_idle_services(sandbox, svc, row):
    number, seconds = row.choose(100, 1000), row.choose(3, 60)
    project = sandbox.project("".join(
        loads.service(f"s{i}", [svc, "wait"], type="worker") for i in range(number)))
    began = time.monotonic()
    project.up(timeout=300)
    row.took("up", time.monotonic() - began, limit=15)
    began = time.monotonic()
    services = project.services()
    row.took("status", time.monotonic() - began, limit=0.2)
    running = sum(service["state"] == "running" for service in services.values())
    row.figure("running", f"{running}/{number}", wanted=f"{number}/{number}")

    daemon = sandbox.daemon_pid()
    began, used = time.monotonic(), loads.cpu_seconds(daemon)
    time.sleep(seconds)  # the span that is measured
    share = (loads.cpu_seconds(daemon) - used) / (time.monotonic() - began) * 100
    row.at_most("idle CPU of the daemon", share, row.choose(2.0, 0.5), "%")
    row.at_most("daemon", loads.rss_kib(daemon) // 1024, 100, "MiB")
    keepers = [p.pid for p in audit.processes().values()
               if p.name.startswith("locald-keeper") and p.tag() == sandbox.tag]
    row.figure("keepers", len(keepers), wanted=number)
    row.at_most("keeper, private, biggest", max(private_kib(pid) for pid in keepers), 300, "KiB")

    began = time.monotonic()
    project.run("stop", timeout=300)
    row.took("stop", time.monotonic() - began, limit=15)
