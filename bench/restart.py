"""From the end of a process that failed to the start of the next."""

import pathlib
import shutil
import signal
import statistics
import subprocess
import tempfile

from measure import Table
from scale import S6
from support.sandbox import Sandbox
from support.waiting import until

ROUNDS = 15


def gaps_ms(stamps):
    """Milliseconds between an end and the next start, from the lines of exit_stamp."""
    runs = [tuple(map(int, line.split())) for line in stamps.read_text("ascii").splitlines()]
    return [(later[0] - earlier[1]) / 1e6 for earlier, later in zip(runs, runs[1:])]


def has_runs(stamps, count):
    return stamps.exists() and len(stamps.read_text("ascii").splitlines()) >= count


def of_locald(build, program, folder):
    """The first restart after a crash is without delay, so each round gives one gap."""
    stamps, gaps = folder / "locald", []
    sandbox = Sandbox(build / "src/cli/locald")
    try:
        project = sandbox.project(
            f'[services.s]\ntype = "worker"\ncommand = ["{program}", "{stamps}"]\n')
        for _ in range(ROUNDS):
            stamps.unlink(missing_ok=True)
            up = project.popen("up", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until(lambda: has_runs(stamps, 2), timeout=20)
            gaps.append(gaps_ms(stamps)[0])
            project.run("stop")
            up.wait()
    finally:
        sandbox.shutdown()
        sandbox.remove()
    return statistics.median(gaps)


def of_shell(program, folder):
    stamps = folder / "sh"
    loop = subprocess.Popen(["sh", "-c", 'while :; do "$0" "$1"; done', program, stamps])
    until(lambda: has_runs(stamps, ROUNDS), timeout=60)
    loop.send_signal(signal.SIGKILL)
    loop.wait()
    return statistics.median(gaps_ms(stamps))


def of_s6(program, folder):
    stamps = folder / "s6"
    peer = S6(f"{program} {stamps}", 1)
    try:
        peer.up()
        until(lambda: has_runs(stamps, 4), timeout=60)
    finally:
        peer.remove()
    return statistics.median(gaps_ms(stamps))


def bench(build):
    table = Table("from exit to restart", "locald", "ms", digits=1)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="ld-bench-", dir="/tmp"))
    try:
        program = folder / "exit_stamp"
        subprocess.run(["cc", "-O2", "-o", str(program),
                        str(pathlib.Path(__file__).with_name("exit_stamp.c"))], check=True)
        table.figures = {"locald": of_locald(build, program, folder),
                         "a loop of sh": of_shell(program, folder)}
        if shutil.which("s6-svscan"):
            table.figures["s6"] = of_s6(program, folder)
            table.notes = ["s6 never starts a service twice within a second"]
        else:
            table.reasons["s6"] = "not installed"
    finally:
        shutil.rmtree(folder)
    yield table
