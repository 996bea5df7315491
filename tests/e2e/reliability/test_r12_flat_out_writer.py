"""One service writes as fast as it can: it is counted to the byte, and nobody else notices."""

import json
import statistics
import subprocess
import threading
import time

from support.log_segments import Account
from support.waiting import until

from . import loads

ROW = "R12"
TITLE = "1 GB/s log writer"
PASS = "10 GB as fast as it goes, beside 20 quiet services: accounting exact to the byte, keeper and daemon " \
       "≤ 64 MiB, lines of quiet services seen ≤ 100 ms later (p99), status ≤ 50 ms (p99), the writer ≥ 50 % " \
       "of `writer | cat > file`"

WIDTH, QUIET, EVERY_MS = 200, 20, 100


def flat_out(svc, count):
    return [svc, "chunk", 65536, ",", "lines", count, 0, WIDTH]


def into_a_file(words, path):
    """Seconds of `writer | cat > file`."""
    with path.open("wb") as file:
        began = time.monotonic()
        writer = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE)
        subprocess.run(["cat"], stdin=writer.stdout, stdout=file, check=True)
        writer.stdout.close()
        assert writer.wait() == 0
        seconds = time.monotonic() - began
    path.unlink()
    return seconds


class Follower:
    """`logs -f` of the quiet services: how long after it was written each line is seen."""

    def __init__(self, project, names):
        self.delays = []
        self.process = project.popen("logs", "-f", "-n", "0", "--json", *names)
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        for line in self.process.stdout:
            now = time.monotonic_ns()
            text = json.loads(line).get("text", "")
            if text.isdigit():
                self.delays.append((now - int(text)) / 1e9)

    def stop(self, sandbox):
        self.process.terminate()
        self.thread.join(30)
        sandbox.finish(self.process)
        return self.delays


class Watcher:
    """Somebody who looks at status all the time."""

    def __init__(self, project):
        self.project, self.times, self.is_over = project, [], threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.is_over.wait(0.1):
            asked = time.monotonic()
            self.project.run("status")
            self.times.append(time.monotonic() - asked)

    def stop(self):
        self.is_over.set()
        self.thread.join(60)
        return self.times


def p99(values):
    return statistics.quantiles(values, n=100)[98] if len(values) > 1 else values[0]


def test_a_writer_that_never_pauses(sandbox, svc, row):
    size = row.choose(400 << 20, 10_000_000_000)
    count = size // (WIDTH + 1)
    ledger, words = sandbox.root / "ledger", flat_out(svc, count)
    names = [f"quiet{i}" for i in range(QUIET)]
    project = sandbox.project(
        "".join(loads.service(name, [svc, "stamps", EVERY_MS], type="worker") for name in names)
        + loads.service("loud", [svc, "ledger", ledger, ",", *words[1:], ",", "wait"],
                        type="worker", autostart=False))
    project.up()
    follower, watcher = Follower(project, names), Watcher(project)
    until(lambda: follower.delays and watcher.times, timeout=60)
    file = into_a_file(words, sandbox.root / "file")  # beside the same others

    seen, asked, began = len(follower.delays), len(watcher.times), time.monotonic()
    project.run("up", "loud")
    until(lambda: ledger.exists() and loads.ledger(ledger)["lines"] == count, timeout=600)
    seconds = time.monotonic() - began
    until(lambda: len(follower.delays) > seen and len(watcher.times) > asked, timeout=60)
    delays, statuses = follower.stop(sandbox)[seen:], watcher.stop()[asked:]
    keeper = loads.rss_kib(loads.keeper_of(project, "loud"), "VmHWM")
    row.at_most("keeper at most", keeper / 1024, 64, "MiB")
    row.at_most("daemon at most", loads.rss_kib(sandbox.daemon_pid(), "VmHWM") / 1024, 64, "MiB")
    row.took("lines of quiet services seen after (p99)", p99(delays), limit=0.1)
    row.took("status (p99)", p99(statuses), limit=0.05)
    row.figure("MB a second", round(count * (WIDTH + 1) / seconds / 1e6))
    row.share("speed against `writer | cat > file`", file / seconds * 100, least=50)
    project.run("stop")
    account, wrote = Account(loads.log_folder(project, "loud")), loads.ledger(ledger)["written_out"]
    row.figure("stored + evicted + dropped - written", account.position - wrote, wanted=0)
    row.figure("gaps that no record tells", account.unexplained_gap, wanted=0)
