"""What was written down before a reboot names processes that are somebody else's now."""

import json
import pathlib
import signal
import subprocess

from support.sandbox import STARTED
from support.waiting import until
from support.web import free_port

from . import loads

ROW = "R05"
TITLE = "Reboot, stale state"
PASS = "200 foreign processes with the numbers that the state names: 0 signals to them"


def start_ticks(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])


def test_foreign_processes_get_no_signal(sandbox, svc, row):
    number = row.choose(20, 200)
    boot = pathlib.Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    memory = sandbox.root / "run/locald/proxy.json"
    project = sandbox.project(loads.service("one", [svc, "wait"], type="worker"))
    project.up()
    before = loads.identities(project)
    decoys = [subprocess.Popen([svc, "wait"]) for _ in range(number)]
    STARTED.update(decoy.pid for decoy in decoys)
    try:
        for i, decoy in enumerate(decoys):
            # Its own proxy, and no stranger of before.
            proxy = until(lambda: next((p for p in [json.loads(memory.read_text())["pid"]]
                                        if p not in [decoy.pid for decoy in decoys]), None))
            sandbox.kill_daemon()
            loads.kill(proxy)
            ticks = start_ticks(decoy.pid)
            # The same number after a reboot, or later in the same boot.
            stale = {"boot_id": "0" * 36, "start_ticks": ticks} if i % 2 else \
                    {"boot_id": boot, "start_ticks": ticks - 1}
            memory.write_text(json.dumps({"port": free_port(), "pid": decoy.pid, **stale}))
            assert loads.identities(project) == before
        alive = sum(decoy.poll() is None for decoy in decoys)
        row.figure("decoys alive", f"{alive}/{number}", wanted=f"{number}/{number}")
    finally:
        for decoy in decoys:
            decoy.send_signal(signal.SIGKILL)
            decoy.wait()
        STARTED.difference_update(decoy.pid for decoy in decoys)


def test_after_a_reboot_the_services_start_anew(sandbox, svc, row):
    """A reboot as locald sees it: every process is gone, and the run directory is empty."""
    project = sandbox.project(loads.service("web", [svc, "listen", ",", "wait"]))
    project.up()
    port = project.service("web")["port"]
    sandbox.run("daemon", "stop", "--services")
    run = sandbox.root / "run/locald"
    for path in sorted(run.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    row.figure("state after the reboot", project.attempt("status", "--json").status in (0, 4), wanted=True)
    project.up()
    row.figure("same port after the reboot", project.service("web")["port"] == port, wanted=True)
