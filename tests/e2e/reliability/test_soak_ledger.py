"""The soak: services that do all sorts of things, and everything around them is killed at random.

Each service counts its own starts, ends and bytes in a file that it maps (`svc ledger`), which no
kill can take back.  In the end these ledgers are compared with what locald stored:

    stored + evicted + dropped == written, to the byte (a SIGKILL may fall inside one write)
    every start has its exit, and every end of a service's own will its code

`make soak SECONDS=300` runs it for longer and with 100 services; make check runs the short form.
"""

import contextlib
import os
import pathlib
import resource
import subprocess
import time

import pytest

from support import disk
from support.keeper import Keeper
from support.log_segments import Account
from support.waiting import until

from . import loads

ROW = "soak"
TITLE = "Ledger"
PASS = "100 services, kills of daemon and keepers, edits, disk-full and descriptor episodes: " \
       "0 unexplained differences, no growth of memory or descriptors"

SECONDS = float(os.environ.get("LOCALD_SOAK_SECONDS") or 20)
EXIT_CODE = 3


def behaviour(random, svc, ledger):
    """The words of a service."""
    first = [svc, "ledger", ledger, ","]
    rate, lines = random.randint(5, 60), random.randint(20, 200)
    return random.choice([
        [*first, "lines", 0, rate],
        [*first, "stream", "both", ",", "lines", 0, rate, random.randint(1, 300)],
        [*first, "lines", lines, rate, ",", "exit", EXIT_CODE],
        [*first, "lines", lines * 20, ",", "sleep", random.randint(100, 900), ",", "repeat"],
        [*first, "line", random.randint(1, 200000), ",", "sleep", 700, ",", "repeat"],
        [*first, "escape", "double-fork", ",", "stream", "err", ",", "lines", 0, rate],
        [*first, "ignore", "TERM", ",", "lines", lines, rate, ",", "exit", EXIT_CODE],
        [*first, "chunk", 5000, ",", "lines", 0, rate * 20],
    ])


class Soak:
    def __init__(self, sandbox, svc, row, services):
        self.sandbox, self.random = sandbox, row.random
        self.ledgers = sandbox.root / "ledgers"
        self.ledgers.mkdir()
        self.words = {f"s{i}": behaviour(self.random, svc, self.ledgers / f"s{i}")
                      for i in range(services)}
        self.edits = dict.fromkeys(self.words, 0)
        self.project = sandbox.project(self.toml())
        self.orphaned = {}  # service -> runs whose keeper was killed
        self.counts = {}
        self.samples = []

    def toml(self):
        return "".join(
            loads.service(name, words, type="worker", restart="always", stop_timeout=1)
            + f'[services.{name}.env]\nEDIT = "{self.edits[name]}"\n\n'
            for name, words in self.words.items())

    def some(self):
        return self.random.sample(sorted(self.words), self.random.randint(1, 4))

    # --- what happens to them ---

    def kill_daemon(self):
        self.sandbox.kill_daemon()
        self.project.attempt("status")

    def restart_daemon(self):
        self.sandbox.attempt("daemon", "restart")

    def restart_services(self):
        self.project.attempt("restart", *self.some())

    def stop_and_start(self):
        names = self.some()
        self.project.attempt("stop", *names)
        self.project.attempt("up", *names)

    def edit(self):
        for name in self.some():
            self.edits[name] += 1
        self.project.write("locald.toml", self.toml())

    def break_the_file(self):
        self.project.write("locald.toml", self.toml() + "\n[services\n")
        time.sleep(0.3)
        self.project.write("locald.toml", self.toml())

    def kill_a_keeper(self):
        name, service = self.random.choice(sorted(self.project.services().items()))
        run = service["run"]
        with contextlib.suppress(OSError, AssertionError), Keeper(self.sandbox, self.project, name) as keeper:
            # Unless it is seen to be taken over, its end and last bytes may be unknown.
            self.orphaned.setdefault(name, set()).add(run)
            loads.kill(keeper.pid)
            until(lambda: self.is_taken_over(name, run, keeper.pid), timeout=5)

    def is_taken_over(self, name, run, lost):
        """By a keeper that listens: `degraded` is said before there is one."""
        if self.project.service(name)["run"] != run:
            return True
        with contextlib.suppress(OSError, AssertionError), Keeper(self.sandbox, self.project, name) as keeper:
            if keeper.pid != lost and int(keeper.status()["run"]) == run:
                self.orphaned[name].discard(run)
        return run not in self.orphaned[name]

    def few_descriptors(self):
        pid = self.sandbox.daemon_pid()
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        now = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (now + self.random.randint(0, 6), before[1]))
        time.sleep(0.5)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, before)

    def full_disk(self):
        hog = self.sandbox.root / "state/hog"
        with contextlib.suppress(OSError), hog.open("wb") as file:
            while True:
                file.write(b"x" * 65536)
        time.sleep(0.5)
        hog.unlink()

    def act(self, actions):
        action = self.random.choice(actions)
        self.counts[action.__name__] = self.counts.get(action.__name__, 0) + 1
        action()
        time.sleep(self.random.uniform(0, 0.3))

    def sample(self):
        self.project.status()  # starts one where there is none
        pid = self.sandbox.daemon_pid()
        self.samples.append((loads.rss_kib(pid), len(os.listdir(f"/proc/{pid}/fd"))))

    def run(self, seconds, has_own_disk):
        quiet = [self.restart_services, self.stop_and_start, self.edit, self.break_the_file,
                 self.kill_a_keeper]
        wild = [*quiet, self.kill_daemon, self.restart_daemon, self.few_descriptors]
        if has_own_disk:
            wild.append(self.full_disk)
        began = time.monotonic()
        while time.monotonic() < began + seconds * 0.7:
            self.act(wild)
        while time.monotonic() < began + seconds:
            self.act(quiet)
            self.sample()

    # --- what came of it ---

    def differences(self, name):
        """What locald and the ledger of a service do not agree on."""
        account = Account(next((self.sandbox.root / "state/locald/logs").glob(f"*/{name}")))
        wrote = loads.ledger(self.ledgers / name)
        begun = wrote["begun_out"] + wrote["begun_err"]
        written = wrote["written_out"] + wrote["written_err"]
        orphaned = self.orphaned.get(name, set())
        ends = sum(code == EXIT_CODE for _, code, _ in account.exits)
        no_exit = set(account.starts) - {run for run, _, _ in account.exits} - orphaned
        if account.out_of_order:
            yield f"{account.out_of_order} records out of order"
        if account.unexplained_gap:
            yield f"a gap of {account.unexplained_gap} bytes that no event tells"
        if not written <= account.position <= begun and not orphaned:
            yield f"wrote {written} to {begun} bytes, {account.position} are accounted for"
        if account.evicted:
            return
        if abs(ends - wrote["ends"]) > account.lost_events and not orphaned:
            yield f"ended {wrote['ends']} times by itself, {ends} are in the log"
        if len(no_exit) > account.lost_events:
            yield f"runs {sorted(no_exit)} have no exit"
        if len(account.starts) + account.lost_events < wrote["starts"]:
            yield f"started {wrote['starts']} times, {len(account.starts)} are in the log"


@pytest.fixture
def own_disk(sandbox):
    """The state on a small disk of its own, where we may mount one: with room for all logs, so that
    it is full in the episodes and not for the rest of the time."""
    state = sandbox.root / "state"
    size = "256m" if SECONDS < 60 else "2g"
    made = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size},mode=700", "none", state],
        stderr=subprocess.DEVNULL).returncode == 0
    yield made
    if made:
        sandbox.shutdown()
        disk.unmount(state)


def halves(values):
    """The most in the first and in the second half: it goes up and down with what is under way, and
    a slope of some seconds would make much of that."""
    middle = len(values) // 2
    return max(values[:middle]), max(values[middle:])


@pytest.mark.timeout(int(SECONDS) * 2 + 300)
def test_nothing_is_lost(sandbox, svc, row, own_disk):
    services = 100 if SECONDS >= 60 else 20
    soak = Soak(sandbox, svc, row, services)
    soak.project.attempt("up", timeout=120)
    soak.run(SECONDS, own_disk)
    soak.project.attempt("stop", timeout=120)
    soak.project.run("stop", timeout=120)
    found = {name: list(soak.differences(name)) for name in soak.words
             if (soak.ledgers / name).exists()}
    told = [f"{name} ({' '.join(map(str, soak.words[name][1:]))}): {what}"
            for name, list_of in found.items() for what in list_of]
    print(*told, sep="\n", end="\n" if told else "")
    written = sum(sum(loads.ledger(p)[k] for k in ("written_out", "written_err"))
                  for p in pathlib.Path(soak.ledgers).iterdir())
    row.figure("seconds", int(SECONDS))
    row.figure("services", services)
    row.figure("episodes", ", ".join(f"{n} × {a}" for a, n in sorted(soak.counts.items())))
    row.figure("bytes written", written)
    row.figure("unexplained differences", len(told), wanted=0)
    if len(soak.samples) > 10 and SECONDS >= 60:
        kib, descriptors = zip(*soak.samples, strict=True)
        row.figure("daemon at most, first and second half, MiB",
                   ", ".join(f"{most / 1024:.1f}" for most in halves(kib)))
        row.figure("descriptors at most, first and second half", ", ".join(map(str, halves(descriptors))))
    print(row)
