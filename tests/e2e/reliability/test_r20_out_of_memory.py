"""Memory runs out: the service goes before what watches it, and the limit is named."""

import os
import pathlib

import pytest

from support.waiting import until

from . import loads

ROW = "R20"
TITLE = "Out of memory"
PASS = "a cgroup of 64 MiB: \"killed: out of memory (limit 64 MiB)\", the policy applied, daemon, keepers and the others " \
       "alive; without one: the service's oom_score_adj is above the daemon's and the keeper's"

LIMIT_MIB = 64
TOP = pathlib.Path("/sys/fs/cgroup")


def memory_cgroup():
    """(folder to make one in, file of the limit), or (None, why there is none)."""
    lines = pathlib.Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines()
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers == "memory":
            folder = TOP / "memory" / path.lstrip("/")
            return (folder if folder.exists() else TOP / "memory"), "memory.limit_in_bytes"
    for _, controllers, path in (line.split(":", 2) for line in lines):
        folder = TOP / path.lstrip("/")
        if controllers == "" and "memory" in read(folder / "cgroup.subtree_control"):
            return folder, "memory.max"
    return None, "no cgroup with the memory controller can be made here"


def read(path):
    return path.read_text(encoding="ascii") if path.exists() else ""


@pytest.fixture
def limited(sandbox):
    """A memory cgroup of 64 MiB, in which a daemon is started and all that it starts."""
    above, file = memory_cgroup()
    if not above:
        pytest.skip(file)
    folder = above / f"ld-{os.path.basename(sandbox.root)}"
    try:
        folder.mkdir()
    except OSError as error:
        pytest.skip(f"{folder}: {error.strerror}")
    (folder / file).write_text(str(LIMIT_MIB << 20), encoding="ascii")
    started = sandbox.finish(sandbox.popen(argv=[
        "sh", "-c", f'echo $$ > "{folder}/cgroup.procs" && exec "$0" daemon start', sandbox.binary]))
    assert started.status == 0, str(started)
    yield sandbox
    sandbox.shutdown()
    until(lambda: not read(folder / "cgroup.procs").strip())
    until(lambda: remove(folder), what="the cgroup is empty")


def remove(folder):
    try:
        folder.rmdir()
    except OSError:
        return False
    return True


def oom_score_adj(pid):
    return int(pathlib.Path(f"/proc/{pid}/oom_score_adj").read_text())


def parent(pid):
    return int(pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_a_limit_is_named(limited, svc, row):
    times, named = row.choose(2, 20), 0
    project = limited.project(
        loads.service("quiet", [svc, "listen", ",", "wait"]) +
        loads.service("eater", [svc, "say", "hungry", ",", "eat", 4 * LIMIT_MIB, ",", "wait"], type="worker",
                      max_restarts=times - 1))
    project.attempt("up")
    daemon, before = limited.daemon_pid(), project.service("quiet")
    for i in range(times):
        eater = until(lambda i=i: next((s for s in [project.service("eater")] if s["state"] == "crashed"
                                        and s["restarts"] > i), None), timeout=60)
        assert f"killed: out of memory (limit {LIMIT_MIB} MiB)" in eater["detail"], eater
        assert eater["last_exit"]["signal"] == 9 and eater["last_lines"] == ["hungry"], eater
        named += 1
    row.figure("named with the limit", f"{named}/{times}", wanted=f"{times}/{times}")
    row.figure("policy applied", project.service("eater")["detail"].endswith("(max_restarts)"), wanted=True)
    after = project.service("quiet")
    row.figure("the daemon and the other service are the same",
               limited.daemon_pid() == daemon and (after["pid"], after["run"]) == (before["pid"], before["run"]), wanted=True)
    assert "out of memory" in project.run("status").out and "out of memory" in project.run("why", "eater").out


def test_without_a_cgroup_an_allocation_fails(sandbox, svc, row):
    """The degraded case: RLIMIT_AS, which the program itself meets."""
    project = sandbox.project(
        loads.service("quiet", [svc, "listen", ",", "wait"]) +
        loads.service("eater", ["sh", "-c", f"ulimit -v {LIMIT_MIB << 10}; exec {svc} eat {4 * LIMIT_MIB}"],
                      type="worker", restart="no"))
    project.attempt("up")
    eater = until(lambda: next((s for s in [project.service("eater")] if s["state"] == "crashed"), None))
    row.figure("its own limit: code, last line", f"{eater['last_exit']['code']}, {eater['last_lines'][-1]}",
               wanted="111, svc: mmap: Cannot allocate memory")
    quiet = project.service("quiet")
    scores = [oom_score_adj(pid) for pid in (quiet["pid"], parent(quiet["pid"]), sandbox.daemon_pid())]
    row.figure("oom_score_adj of service, keeper, daemon", scores)
    row.figure("the service goes first", scores[0] > max(scores[1:]), wanted=True)
