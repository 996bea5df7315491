"""Twenty services that do nothing: started by locald, and by a loop of sh that keeps no watch."""

import os
import pathlib
import re
import signal
import statistics
import time

from measure import Table, timed
from support.sandbox import Sandbox

SERVICES = 20
ROUNDS = 5


def sh_loop():
    """A shell that starts them and says when it has."""
    script = f"for i in $(seq {SERVICES}); do sleep 1000 & done; echo started; wait"
    reader, writer = os.pipe()
    began = time.perf_counter()
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", script], os.environ, setpgroup=0,
                         file_actions=[(os.POSIX_SPAWN_DUP2, writer, 1)])
    os.close(writer)
    os.read(reader, 64)
    seconds = time.perf_counter() - began
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reader)
    return seconds


def private_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii")
    return sum(int(n) for n in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.MULTILINE))


def rss_kib(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(re.search(r"^VmRSS:\s+(\d+)", text, re.MULTILINE).group(1))


def keepers(sandbox):
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and sandbox.tag.encode() in (entry / "environ").read_bytes():
                if (entry / "comm").read_text().strip() == "locald-keeper"[:15]:
                    yield int(entry.name)
        except OSError:
            continue


def bench(build):
    first = Table(f"up of {SERVICES} services that sleep", "locald up", "ms", digits=1)
    again = Table("up again, nothing to do", "locald up", "ms", digits=1)
    memory = Table(f"memory with {SERVICES} services", "", "KiB", digits=0)
    sandbox = Sandbox(build / "src/cli/locald")
    try:
        project = sandbox.project("".join(
            f'[services.s{n}]\ntype = "worker"\ncommand = ["sleep", "1000"]\n'
            for n in range(SERVICES)))
        sandbox.run("server", "start")
        samples = {"up": [], "again": [], "loop": []}
        for _ in range(ROUNDS):
            samples["up"].append(timed(project.run, "up"))
            samples["again"].append(timed(project.run, "up"))
            sizes = [private_kib(pid) for pid in keepers(sandbox)]
            daemon = rss_kib(sandbox.daemon_pid())
            project.run("stop")
            samples["loop"].append(sh_loop())
        medians = {name: statistics.median(values) * 1000 for name, values in samples.items()}
        first.figures = {"locald up": medians["up"], "sh loop": medians["loop"]}
        first.notes = ["the loop neither watches, logs nor waits for readiness"]
        again.figures = {"locald up": medians["again"]}
        memory.figures = {"daemon, resident": daemon}
        if sizes:
            memory.figures["a keeper, private (median)"] = statistics.median(sizes)
    finally:
        sandbox.shutdown()
        sandbox.remove()
    yield from (first, again, memory)
