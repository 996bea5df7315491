"""The leak audit: what a sandbox leaves behind when all of it was stopped.

The test run is the subreaper of everything it starts, so nothing escapes it: a process that left
its parent comes back here, with or without the environment variable that marks its sandbox.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import stat
import time

PR_SET_CHILD_SUBREAPER = 36
TAG = "LOCALD_TEST"


def become_subreaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


class Process:
    def __init__(self, pid):
        self.pid = pid
        line = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        self.name = line[line.index("(") + 1 : line.rindex(")")]
        fields = line[line.rindex(")") + 2 :].split()
        self.state, self.parent = fields[0], int(fields[1])

    @property
    def is_zombie(self):
        return self.state in "ZX"

    def command(self):
        try:
            words = pathlib.Path(f"/proc/{self.pid}/cmdline").read_bytes().split(b"\0")
        except OSError:
            words = []
        return b" ".join(words).decode(errors="replace").strip() or f"[{self.name}]"

    def tag(self):
        """The sandbox that it says it belongs to, if it says so."""
        try:
            entries = pathlib.Path(f"/proc/{self.pid}/environ").read_bytes().split(b"\0")
        except OSError:
            return None
        prefix = TAG.encode() + b"="
        return next((e[len(prefix):].decode() for e in entries if e.startswith(prefix)), None)

    def __str__(self):
        return f"process {self.pid} ({'zombie ' if self.is_zombie else ''}{self.command()})"


def processes():
    found = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError, ValueError):
                found[int(entry)] = Process(int(entry))
    return found


def commands(wanted):
    """Those of these command lines that run, as often as they do."""
    return sorted(line for process in processes().values() if (line := process.command()) in wanted)


def is_below(process, ancestor, table):
    seen = set()
    while process and process.pid not in seen:
        if process.parent == ancestor:
            return True
        seen.add(process.pid)
        process = table.get(process.parent)
    return False


def left_processes(tag, others=frozenset(), before=frozenset()):
    """Those with the tag, and while no other sandbox lives, our descendants with none either
    that were not there `before`."""
    from support.sandbox import STARTED

    table = processes()
    tags = {pid: process.tag() for pid, process in table.items()}
    left = []
    for pid, process in table.items():
        if tags[pid] == tag and pid != os.getpid():
            left.append(process)
        if others or tags[pid] is not None or pid in before or pid in STARTED:
            continue
        is_waited_for = any(is_below(process, started, table) for started in STARTED)
        if is_below(process, os.getpid(), table) and not is_waited_for:
            left.append(process)
    return left


def reap():
    """Collects orphans that came back to us and have ended; not the children that tests wait for."""
    from support.sandbox import STARTED

    for pid, process in processes().items():
        if process.parent == os.getpid() and process.is_zombie and pid not in STARTED:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)


def left_mounts(root):
    found = []
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        point = re.sub(r"\\([0-7]{3})", lambda m: chr(int(m.group(1), 8)), line.split()[4])
        if point.startswith(str(root)):
            found.append(f"mount {point}")
    return found


def left_sockets(root):
    found = []
    for folder, _, files in os.walk(root):
        for name in files:
            path = os.path.join(folder, name)
            with contextlib.suppress(OSError):
                if stat.S_ISSOCK(os.lstat(path).st_mode):
                    found.append(f"socket {path}")
    return found


def cgroups():
    """Every cgroup of every hierarchy."""
    return {folder for folder, _, _ in os.walk("/sys/fs/cgroup")}


# What locald names a cgroup: of a keeper's run (src/keeper/run_cgroup.c), of a container by its
# project and service, and of a phase of a build.  Others, with names of their own, come and go.
RUN_CGROUP = re.compile(r"locald-([0-9a-f]{16})\.[0-9]+$")
CONTAINER_CGROUP = re.compile(r"locald-(.+-[0-9a-f]{8})\..+$")
BUILD_CGROUP = re.compile(r"locald-build-[0-9]+-")

STATES = ("state/locald", "home/.local/state/locald/sandbox/*/state")


def log_hashes(root):
    """Of a sandbox, as its keepers have them in the names of cgroups."""
    for folder in (path for state in STATES for path in root.glob(f"{state}/logs/*/*")):
        value = 0xCBF29CE484222325
        for byte in os.fsencode(folder):
            value = (value ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
        yield f"{value:016x}"


def project_ids(root):
    return {path.name for state in STATES for path in root.glob(f"{state}/logs/*")}


def left_cgroups(root, before):
    """Not those of other sandboxes, which may be at work beside this one."""
    runs, projects = set(log_hashes(root)), project_ids(root)
    for path in sorted(cgroups() - before):
        name = os.path.basename(path)
        run, container = RUN_CGROUP.match(name), CONTAINER_CGROUP.match(name)
        if run and run[1] in runs or container and container[1] in projects or BUILD_CGROUP.match(name):
            yield f"cgroup {path}"


def leaks(root, tag, processes_before, cgroups_before, others=frozenset(), patience=30.0):
    """What is left, after at most `patience` seconds in which processes that were told to end do:
    a machine that is busy with something else takes its time."""
    deadline = time.monotonic() + patience
    while True:
        reap()
        left = [str(process) for process in left_processes(tag, others, processes_before)]
        left += left_mounts(root) + left_sockets(root)
        left += left_cgroups(root, cgroups_before)
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.02)
