"""Containers: the same bundle, each runtime in turn.  Start to exit of /bin/true as root and as an
ordinary user, create, start and delete apart, exec, peak memory and system calls."""

import ctypes
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import tarfile
import tempfile
import traceback

from measure import DEVNULL, Broken, Table, interleaved, timed, why_it_fails
from support import accounts, images

ROUNDS = 50
WARM = 2  # rounds that fill the caches
PR_SET_CHILD_SUBREAPER = 36
LIBC = ctypes.CDLL(None, use_errno=True)


def bundle(folder, owner=None, args=("/bin/true",)):
    """An OCI bundle of busybox; with a user namespace where its owner is not root."""
    root = folder / "rootfs"
    tar = images.busybox_tar(folder / "root.tar")
    with tarfile.open(tar) as archive:
        archive.extractall(root)
    uid, gid = (owner.uid, owner.gid) if owner else (os.getuid(), os.getgid())
    namespaces = ["pid", "mount", "ipc", "uts"]
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": list(args),
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {set_: [] for set_ in ("bounding", "effective", "permitted")},
        },
        "root": {"path": "rootfs", "readonly": True},
        "hostname": "bench",
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
             "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
        ],
        "linux": {
            "namespaces": [{"type": name} for name in namespaces],
            "maskedPaths": ["/proc/kcore", "/proc/keys"],
            "readonlyPaths": ["/proc/sys"],
        },
    }
    if uid != 0:
        config["linux"]["namespaces"].append({"type": "user"})
        for kind, number in (("uidMappings", uid), ("gidMappings", gid)):
            config["linux"][kind] = [{"containerID": 0, "hostID": number, "size": 1}]
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def without_hybrid_cgroups():
    """crun and podman refuse a machine with cgroup v1 and an empty v2 beside it; as root they get
    a mount namespace without the v2, which they then take for plain v1."""
    unified = pathlib.Path("/sys/fs/cgroup/unified")
    if os.getuid() != 0 or not unified.is_mount():
        return
    os_unshare_mounts()
    subprocess.run(["umount", str(unified)], check=True)


def os_unshare_mounts():
    clone_newns, ms_rec_private = 0x00020000, 0x4000 | 0x40000
    if LIBC.unshare(clone_newns) or LIBC.mount(b"none", b"/", None, ms_rec_private, None):
        raise OSError(ctypes.get_errno(), "cannot make a mount namespace")


def in_child(function, *arguments):
    """Calls function in a child process, whose namespaces end with it."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            with os.fdopen(writer, "w") as out:
                json.dump(function(*arguments), out)
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        text = stream.read()
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise SystemExit("bench: the measuring process failed")
    return json.loads(text)


def become(account):
    """For good, with a runtime folder of its own."""
    without_hybrid_cgroups()
    if not account.is_caller:
        os.setgroups(os.getgrouplist(account.name, account.gid))
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    os.environ["HOME"] = account.home


class Runtimes:
    """Who takes part, with a folder for states; {name: words before the verb}."""

    def __init__(self, build, folder, state):
        # As it is installed: without what a debugger wants, which a sealed copy would carry too.
        self.program = folder / "locald-shim"
        subprocess.run(["strip", "-o", self.program, build / "src/shim/locald-shim"], check=True)
        self.words = {"locald-shim": [str(self.program), "--root", str(state / "shim")]}
        self.missing = {}
        for name in ("crun", "runc"):
            path = shutil.which(name)
            if path:
                self.words[name] = [path, "--root", str(state / name)]
            else:
                self.missing[name] = "not installed"
        if "crun" in self.words:  # the shim makes a cgroup only when the bundle names one
            crun, *rest = self.words["crun"]
            self.words["crun, no cgroup"] = [crun, "--cgroup-manager=disabled", *rest]

    def run(self, folder):
        return {name: [*words, "run", "--bundle", str(folder), "@"]
                for name, words in self.words.items()}


def starts(commands, account):
    become(account)
    return interleaved(
        {name: (lambda n, words=words: [w.replace("@", f"bench{n}") for w in words])
         for name, words in commands.items()},
        ROUNDS)


def call(words):
    """One command that must succeed."""
    actions = [(os.POSIX_SPAWN_DUP2, DEVNULL, fd) for fd in (0, 1, 2)]
    pid = os.posix_spawn(words[0], words, os.environ, file_actions=actions)
    _, status = os.waitpid(pid, 0)
    if status != 0:
        raise Broken(f"{os.path.basename(words[0])} ended with status "
                     f"{os.waitstatus_to_exitcode(status)}: {why_it_fails(words)}")


def in_turn(words_of, one_round):
    """Calls one_round(name, words, number) for each runtime and round: {verb: {name: median}}."""
    samples, reasons = {}, {}
    for number in range(ROUNDS + WARM):
        for name, words in words_of.items():
            if name in reasons:
                continue
            try:
                figures = one_round(name, words, number)
            except (OSError, Broken) as error:
                reasons[name] = str(error)
                continue
            for verb, figure in figures.items() if number >= WARM else ():
                samples.setdefault(verb, {}).setdefault(name, []).append(figure)
    medians = {verb: {n: statistics.median(s) for n, s in each.items() if n not in reasons}
               for verb, each in samples.items()}
    return medians, reasons


def verbs_apart(words_of, folder, account):
    """create, start and delete of a container whose program ends at once."""
    become(account)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid_file = folder / "pid"

    def one_round(_, words, number):
        container = f"apart{number}"
        figures = {"create": timed(call, [*words, "create", "--bundle", str(folder), "--pid-file",
                                          str(pid_file), container])}
        pid = int(pid_file.read_text())
        figures["start"] = timed(call, [*words, "start", container])
        os.waitpid(pid, 0)
        figures["delete"] = timed(call, [*words, "delete", container])
        return figures

    return in_turn(words_of, one_round)


def execs(words_of, folder, account):
    """exec of /bin/true in a container that runs."""
    become(account)
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    pid_file, pids, broken = folder / "pid", {}, {}
    ids = {name: f"exec{i}" for i, name in enumerate(words_of)}
    for name, words in words_of.items():
        try:
            call([*words, "create", "--bundle", str(folder), "--pid-file", str(pid_file),
                  ids[name]])
            pids[name] = int(pid_file.read_text())
            call([*words, "start", ids[name]])
        except (OSError, Broken) as error:
            broken[name] = str(error)
    try:
        medians, reasons = in_turn(
            {name: words for name, words in words_of.items() if name not in broken},
            lambda name, words, _: {"exec": timed(call, [*words, "exec", ids[name], "/bin/true"])})
    finally:
        for name, pid in pids.items():
            os.kill(pid, 9)
            os.waitpid(pid, 0)
            call([*words_of[name], "delete", "--force", ids[name]])
    return medians, {**broken, **reasons}


def peaks(commands, peak, account):
    """The most memory that any process of a start has had, in KiB."""
    become(account)

    def one_round(_, words, number):
        result = subprocess.run(
            [peak, *(w.replace("@", f"peak{number}") for w in words)], stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = result.stderr.split()
        if result.returncode != 0:
            raise Broken(result.stderr.strip()[-100:])
        return {"peak": int(said[-1])}

    return in_turn(commands, one_round)


def system_calls(commands, folder, account):
    become(account)
    counts, reasons = {}, {}
    for name, words in commands.items():
        out = folder / "strace"
        result = subprocess.run(
            ["strace", "-f", "-c", "-o", out, *(w.replace("@", "traced") for w in words)],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        total = re.match(r"\s*\S+\s+\S+\s+\S+\s+(\d+)", out.read_text().splitlines()[-1])
        if result.returncode == 0 and total:
            counts[name] = int(total[1])
        else:
            reasons[name] = result.stdout.strip()[-100:] or "strace failed"
    return counts, reasons


def table(title, unit, figures, reasons, scale=1.0):
    made = Table(f"container: {title}", "locald-shim", unit, digits=2 if unit == "ms" else 0)
    made.figures = {name: figure * scale for name, figure in figures.items()}
    made.reasons = dict(reasons)
    return made


def compiled(folder, name):
    program = folder / name
    subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-static", "-o", str(program),
                    str(pathlib.Path(__file__).with_name(name + ".c"))], check=True)
    return str(program)


def start_commands(runtimes, folder, with_podman):
    commands = {**runtimes.run(folder), "clone floor": [
        compiled(folder, "clone_floor"), str(folder / "rootfs"), "/bin/true"]}
    podman = shutil.which("podman")
    if podman and with_podman:
        commands["podman"] = [
            podman, "run", "--rm", "--network=none", "--ulimit=nofile=1024:1024",
            "--ulimit=nproc=1024:1024", "--rootfs", str(folder / "rootfs"), "/bin/true"]
    elif not podman:
        runtimes.missing["podman"] = "not installed"
    return commands


def of_account(build, account, folder, state):
    """The tables of one user."""
    who = "as root" if account.uid == 0 else "as an ordinary user"
    runtimes = Runtimes(build, folder, state)
    once, stays = folder / "once", folder / "stays"
    for made, args in ((once, ("/bin/true",)), (stays, ("/bin/sleep", "3600"))):
        made.mkdir()
        bundle(made, account, args)
    commands, peak = start_commands(runtimes, once, account.uid == 0), compiled(folder, "peak")
    if not account.is_caller:
        for path in [folder, state, *folder.rglob("*")]:
            if path != runtimes.program:  # as it is installed: nobody else's
                os.chown(path, account.uid, account.gid, follow_symlinks=False)
    medians, reasons = in_child(starts, commands, account)
    yield table(f"start to exit of /bin/true, {who}", "ms", medians, {**reasons, **runtimes.missing},
                1000)
    verbs, reasons = in_child(verbs_apart, runtimes.words, once, account)
    for verb, medians in verbs.items():
        yield table(f"{verb}, {who}", "ms", medians, reasons, 1000)
    verbs, reasons = in_child(execs, runtimes.words, stays, account)
    yield table(f"exec of /bin/true, {who}", "ms", verbs.get("exec", {}), reasons, 1000)
    verbs, reasons = in_child(peaks, {**runtimes.run(once), "clone floor":
                                            commands["clone floor"]}, peak, account)
    yield table(f"peak memory of a start, {who}", "KiB", verbs.get("peak", {}), reasons)
    if shutil.which("strace"):
        counts, reasons = in_child(system_calls, {**runtimes.run(once), "clone floor":
                                                  commands["clone floor"]}, once, account)
        yield table(f"system calls of a start, {who}", "calls", counts, reasons)


def bench(build):
    chosen = [accounts.caller()]
    ordinary, _ = accounts.ordinary_user()
    if ordinary and not ordinary.is_caller:
        chosen.append(ordinary)
    for account in chosen:
        # States are in memory, as they are in /run, where every runtime has them by default.
        with tempfile.TemporaryDirectory(prefix="ld-bench-") as name, \
                tempfile.TemporaryDirectory(prefix="ld-bench-", dir="/dev/shm") as state:
            yield from of_account(build, account, pathlib.Path(name), pathlib.Path(state))
