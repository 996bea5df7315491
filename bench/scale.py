"""Many services: 1,000 idle ones beside s6, and what the daemon does when nothing happens."""

import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time

from measure import Table, timed
from support.sandbox import Sandbox

IDLE = 1000
LISTENING = 100
QUIET_SECONDS = 60
ROUNDS = 3
QUIET = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]


class S6:
    """A scan folder with one service folder for each command, under s6-svscan."""

    def __init__(self, command, count):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="ld-s6-", dir="/tmp"))
        self.folders = [self.root / f"s{n}" for n in range(count)]
        self.process = None
        for number, folder in enumerate(self.folders):
            folder.mkdir()
            run = folder / "run"
            run.write_text(f"#!/bin/sh\nexport PORT={20000 + number}\nexec {command}\n",
                           encoding="ascii")
            run.chmod(0o755)

    def up(self):
        self.process = subprocess.Popen(
            ["s6-svscan", "-c", str(len(self.folders) + 10), str(self.root)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
        # A supervise folder is made by the supervisor: s6-svwait can only watch one that is there.
        for folder in self.folders:
            while not (folder / "supervise/status").exists():
                time.sleep(0.001)
        subprocess.run(["s6-svwait", "-u", *map(str, self.folders)], check=True)

    def stop(self):
        subprocess.run(["s6-svscanctl", "-t", str(self.root)], check=True)
        self.process.wait()

    def remove(self):
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        shutil.rmtree(self.root)


def services(count, command, kind="worker"):
    return "".join(f'[services.s{n}]\ntype = "{kind}"\ncommand = {command}\n' for n in range(count))


def resident_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE).group(1))


def calls_while_quiet(pid):
    """System calls that the process makes in QUIET_SECONDS."""
    result = subprocess.run(
        ["timeout", "-s", "INT", str(QUIET_SECONDS), "strace", "-c", "-f", "-p", str(pid)],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, check=False)
    total = re.search(r"^\s*100\.00\s+\S+\s+(?:\d+\s+)?(\d+)\s.*total$", result.stderr,
                      re.MULTILINE)
    return int(total.group(1)) if total else 0


def idle(build):
    up = Table(f"up of {IDLE} idle services", "locald up", "s")
    stop = Table(f"stop of {IDLE} idle services", "locald stop", "s")
    status = Table(f"status of {IDLE} services", "locald status", "ms", digits=1)
    memory = Table(f"the daemon with {IDLE} services", "", "KiB", digits=0)
    quiet = Table(f"system calls in {QUIET_SECONDS} s in which nothing happens", "", "calls",
                  digits=0)
    sandbox = Sandbox(build / "src/cli/locald")
    peer = S6("sleep 1000", IDLE) if shutil.which("s6-svscan") else None
    samples = {name: [] for name in ("up", "stop", "status", "peer up", "peer stop")}
    try:
        project = sandbox.project(services(IDLE, '["sleep", "1000"]'))
        sandbox.run("server", "start")
        for number in range(ROUNDS):
            samples["up"].append(timed(project.run, "up"))
            samples["status"].append(timed(project.run, "status"))
            if number == 0:
                memory.figures = {"resident": resident_kib(sandbox.daemon_pid())}
                quiet.figures = {"daemon": calls_while_quiet(sandbox.daemon_pid())}
            samples["stop"].append(timed(project.run, "stop"))
            if peer:
                samples["peer up"].append(timed(peer.up))
                samples["peer stop"].append(timed(peer.stop))
    finally:
        sandbox.shutdown()
        sandbox.remove()
        if peer:
            peer.remove()
    medians = {name: statistics.median(values) for name, values in samples.items() if values}
    up.figures = {"locald up": medians["up"]}
    stop.figures = {"locald stop": medians["stop"]}
    status.figures = {"locald status": medians["status"] * 1000}
    for table, name in ((up, "peer up"), (stop, "peer stop")):
        if peer:
            table.figures["s6-svscan"] = medians[name]
        else:
            table.reasons["s6-svscan"] = "not installed"
    up.notes = ["s6 writes no log here and checks no readiness"]
    return up, stop, status, memory, quiet


def listening(build):
    table = Table(f"up of {LISTENING} services until all of them listen", "locald up", "ms",
                  digits=0)
    svc = build / "tests/support/svc"
    if not svc.exists():
        table.reasons["locald up"] = f"{svc.name} was not built"
        return (table,)
    sandbox = Sandbox(build / "src/cli/locald")
    samples = []
    try:
        project = sandbox.project(services(LISTENING, f'["{svc}", "listen", ",", "wait"]', "exec"))
        sandbox.run("server", "start")
        for _ in range(ROUNDS):
            samples.append(timed(project.run, "up"))
            project.run("stop")
    finally:
        sandbox.shutdown()
        sandbox.remove()
    table.figures = {"locald up": statistics.median(samples) * 1000,
                     "a loop of fork and connect": floor(svc)}
    return (table,)


def wait_for_port(port):
    while True:
        with socket.socket() as sock:
            if sock.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.0005)


def floor(svc):
    """Milliseconds until as many bare processes listen: no keeper, no log, no environment."""
    samples = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        pids = [os.posix_spawn(svc, [svc, "listen", ",", "wait"], {"PORT": str(21000 + n)},
                               file_actions=QUIET) for n in range(LISTENING)]
        try:
            for number in range(LISTENING):
                wait_for_port(21000 + number)
            samples.append(time.perf_counter() - began)
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
    return statistics.median(samples) * 1000


def bench(build):
    yield from listening(build)
    yield from idle(build)
