"""Fixtures of the runtime's tests: locald-shim itself, with bundles made of a static busybox.

Most tests run twice: as root, with a user namespace that maps nothing of root, and as an ordinary
user.  After each test no process, mount, cgroup or state may be left.
"""

import contextlib
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time

import pytest

from support import accounts
from support.waiting import until

BUSYBOX = pathlib.Path("/bin/busybox")
ROOT_BASE = 1812725760  # host ids of containers that root starts
COUNT = 65536
CAPS = [
    "CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
    "CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
]
MOUNTS = [
    ("/proc", "proc", ["nosuid", "noexec", "nodev"]),
    ("/dev", "tmpfs", ["nosuid", "strictatime", "mode=755", "size=65536k"]),
    ("/dev/pts", "devpts",
     ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]),
    ("/dev/shm", "tmpfs", ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]),
    ("/dev/mqueue", "mqueue", ["nosuid", "noexec", "nodev"]),
    ("/sys", "sysfs", ["nosuid", "noexec", "nodev", "ro"]),
]


def is_static(path):
    return path.exists() and b"/ld-linux" not in path.read_bytes()


class User:
    """Who starts containers: its id maps, and how to become it."""

    def __init__(self, name, account, uid_map, gid_map):
        self.name, self.account = name, account
        self.uid_map, self.gid_map = uid_map, gid_map

    @property
    def arguments(self):
        return self.account.popen_arguments()

    def own(self, path):
        """Gives a file to root of the container."""
        os.chown(path, self.uid_map[0][1], self.gid_map[0][1], follow_symlinks=False)


def subordinate(path, name):
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        owner, start, count = line.split(":")
        if owner == name:
            return int(start), int(count)
    raise LookupError(name)


def root_user():
    if os.getuid() != 0:
        pytest.skip("needs root")
    return User("root", accounts.caller(), [(0, ROOT_BASE, COUNT)], [(0, ROOT_BASE, COUNT)])


def rootless_user():
    account, reason = accounts.ordinary_user()
    if not account:
        pytest.skip(reason)
    maps = [
        [(0, own, 1), (1, *subordinate(path, account.name))]
        for own, path in ((account.uid, "/etc/subuid"), (account.gid, "/etc/subgid"))
    ]
    return User("rootless", account, *maps)


class Bundle:
    def __init__(self, user, folder):
        self.user, self.path = user, folder
        self.rootfs = folder / "rootfs"
        self.config = default_config(user)

    def write(self):
        (self.path / "config.json").write_text(json.dumps(self.config), encoding="utf-8")
        return self

    def args(self, *args):
        self.config["process"]["args"] = list(args)
        return self.write()

    def sh(self, script):
        return self.args("/bin/sh", "-c", script)

    def mount(self, destination, type_, source, options=()):
        self.config["mounts"].append(
            {"destination": destination, "type": type_, "source": str(source),
             "options": list(options)})
        return self

    def probe(self):
        """Puts the probe into it: /bin/probe."""
        shutil.copy(built("tests/support/probe"), self.rootfs / "bin/probe")
        return self

    def without(self, *kinds):
        """Without some namespaces; without a user namespace everything is root's."""
        linux = self.config["linux"]
        linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] not in kinds]
        if "user" in kinds:
            del linux["uidMappings"], linux["gidMappings"]
            for path in [self.rootfs, *self.rootfs.rglob("*")]:
                os.chown(path, 0, 0, follow_symlinks=False)
        return self

    def mkdir(self, *parts):
        """A folder in the bundle that belongs to the container's root."""
        path = self.path.joinpath(*parts)
        path.mkdir(parents=True)
        self.user.own(path)
        return path


def default_config(user):
    ids = {
        key: [{"containerID": i, "hostID": h, "size": n} for i, h, n in ranges]
        for key, ranges in (("uidMappings", user.uid_map), ("gidMappings", user.gid_map))
    }
    return {
        "ociVersion": "1.2.0",
        "root": {"path": "rootfs"},
        "hostname": "inside",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
            "env": ["PATH=/bin"],
            "cwd": "/",
            "noNewPrivileges": True,
            "capabilities": {k: CAPS for k in ("bounding", "effective", "permitted")},
        },
        "mounts": [
            {"destination": d, "type": t, "source": t, "options": o} for d, t, o in MOUNTS
        ],
        "linux": {
            "namespaces": [
                {"type": t} for t in ("user", "mount", "pid", "network", "ipc", "uts", "cgroup")
            ],
            **ids,
            "maskedPaths": ["/proc/kcore", "/proc/keys", "/proc/acpi", "/sys/firmware"],
            "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger", "/proc/bus"],
        },
    }


class Shim:
    """The program, run as a user, with a state root of its own."""

    def __init__(self, program, user, folder):
        self.program, self.user, self.folder = program, user, folder
        self.state = folder / "state"
        self.count = 0
        self.words = set()  # all that was ever said, names of containers among it
        self.prefix = []  # a command that becomes the user elsewhere, and runs what follows

    @property
    def arguments(self):
        return {} if self.prefix else self.user.arguments

    def command(self, *args):
        self.words.update(map(str, args))
        return [*self.prefix, str(self.program), "--root", str(self.state), *map(str, args)]

    def __call__(self, *args, check=None, **kwargs):
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        kwargs.setdefault("cwd", "/")
        result = subprocess.run(
            self.command(*args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False, **self.arguments, **kwargs)
        if check is not None:
            assert result.returncode == check, f"{args}: {result}"
        return result

    def detached(self, *args, check=0):
        """A command whose container keeps the standard streams open; returns what they got."""
        with open(self.folder / "detached", "w+b") as out:
            result = subprocess.run(
                self.command(*args), stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd="/",
                timeout=60, check=False, **self.arguments)
            out.seek(0)
            text = out.read().decode()
        assert result.returncode == check, f"{args}: {text}"
        return text

    def start(self, *args, **kwargs):
        return subprocess.Popen(
            self.command(*args), text=True, **{"cwd": "/", "stdin": subprocess.DEVNULL,
            "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **self.arguments, **kwargs})

    def run(self, bundle, *options, container="c", **kwargs):
        return self("run", "--bundle", bundle.path, *options, container, **kwargs)

    def output(self, bundle, script, options=(), **kwargs):
        """What a script prints in the container, whatever its last command says."""
        return self.run(bundle.sh(script + "\n:"), *options, check=0, **kwargs).stdout

    @contextlib.contextmanager
    def running(self, bundle, script="echo ready; cat", *options, container="c"):
        """A container that runs, as the runtime has noted by now, until its standard input ends."""
        process = self.start("run", *options, "--bundle", bundle.sh(script).path, container,
                             stdin=subprocess.PIPE)
        try:
            line = process.stdout.readline()
            assert line == "ready\n", (line, process.communicate(timeout=60))
            until(lambda: (self.state / container / "config.json").exists())
            yield process
        finally:
            with orphans_reaped():
                process.communicate(timeout=60)

    def new_bundle(self, populated=True):
        self.count += 1
        bundle = Bundle(self.user, self.folder / f"bundle{self.count}")
        bundle.path.mkdir()
        (bundle.rootfs / "bin").mkdir(parents=True)
        if populated:
            populate(bundle.rootfs)
        for path in [bundle.path, bundle.rootfs, *bundle.rootfs.rglob("*")]:
            self.user.own(path)
        # The bundle itself is the caller's, and closed to others.
        os.chown(bundle.path, self.user.account.uid, self.user.account.gid)
        bundle.path.chmod(0o711)
        return bundle.write()

    def state_of(self, container="c"):
        return json.loads(self("state", container, check=0).stdout)

    def wait_status(self, status, container="c"):
        deadline = time.monotonic() + 20
        while self.state_of(container)["status"] != status:
            assert time.monotonic() < deadline, self.state_of(container)
            time.sleep(0.01)


def populate(rootfs):
    shutil.copy(BUSYBOX, rootfs / "bin/busybox")
    names = subprocess.run(
        [BUSYBOX, "--list"], stdout=subprocess.PIPE, text=True, check=True).stdout.split()
    for name in names:
        if name != "busybox":
            (rootfs / "bin" / name).symlink_to("busybox")
    for name in ("proc", "sys", "dev", "tmp", "etc"):
        (rootfs / name).mkdir()


def built(path):
    """A program of the build folder; skips where it is not built."""
    folder = os.environ.get("LOCALD_BUILD")
    root = pathlib.Path(__file__).resolve().parents[3]
    found = pathlib.Path(folder or root / "build").resolve() / path
    if not found.exists():
        pytest.skip(f"{found} is not built")
    return found


@pytest.fixture(scope="session")
def program():
    """A copy that root owns and everybody can run."""
    place = pathlib.Path("/tmp") / f"ld-shim-program-{os.getpid()}"
    place.mkdir(mode=0o755)
    shutil.copy(built("src/shim/locald-shim"), place / "locald-shim")
    yield place / "locald-shim"
    shutil.rmtree(place)


def mounts_of_host():
    """But for those of other tests, which have folders like ours."""
    points = (line.split()[4] for line in
              pathlib.Path("/proc/self/mountinfo").read_text().splitlines())
    return sorted(point for point in points
                  if not point.startswith("/tmp/ld-") or f"-{os.getpid()}-" in point)


def cgroups(is_wanted):
    """Those whose name is wanted; others come and go while we look, which os.walk() takes."""
    return {pathlib.Path(parent, name) for parent, names, _ in os.walk("/sys/fs/cgroup")
            for name in names if is_wanted(name)}


def cgroups_of(shim):
    """Those of containers that were asked for."""
    return cgroups(lambda name: name.startswith("locald-") and name[7:] in shim.words)


def remove_cgroup(folder):
    """The kernel may take a moment to see that the last process has left."""
    def is_removed():
        with contextlib.suppress(OSError):
            folder.rmdir()
        return not folder.exists()

    until(is_removed, what=f"{folder} is empty")


def reap_orphans():
    """A process of a container whose `exec` was killed is ours, the subreaper's; until it is reaped
    its process namespace cannot end."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            if f"\nPPid:\t{os.getpid()}\n" in status and "\nState:\tZ" in status \
                    and len(status.partition("\nNSpid:")[2].splitlines()[0].split()) > 1:
                os.waitpid(int(pid), os.WNOHANG)
        except OSError:
            continue


@contextlib.contextmanager
def orphans_reaped():
    is_over = threading.Event()

    def reap():
        while not is_over.wait(0.05):
            reap_orphans()

    thread = threading.Thread(target=reap)
    thread.start()
    try:
        yield
    finally:
        is_over.set()
        thread.join()


def processes_of(program):
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.readlink(f"/proc/{pid}/exe") == str(program):
                found.append(int(pid))
        except OSError:
            continue
    return found


def command_line(pid):
    """Empty when the process has ended meanwhile."""
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def wait_gone(look):
    """The end of a process namespace reaches its last members after its first."""
    deadline = time.monotonic() + 30
    while left := look():
        if time.monotonic() > deadline:
            return left
        time.sleep(0.01)
    return left


def make_shim(program, user):
    if not is_static(BUSYBOX):
        pytest.skip("needs busybox-static")
    folder = pathlib.Path("/tmp") / f"ld-shim-{os.getpid()}-{user.name}"
    folder.mkdir()
    os.chown(folder, user.account.uid, user.account.gid)
    return Shim(program, user, folder)


def open_and_retry(function, path, _):
    os.chmod(path, 0o700)
    shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)


def audited(shim):
    mounts = mounts_of_host()
    try:
        yield shim
        for container in shim("list", "-q").stdout.split():
            shim("delete", "--force", container)
        assert not wait_gone(lambda: processes_of(shim.program)), "a process of the shim is left"
        assert mounts_of_host() == mounts, "a mount is left on the host"
        assert not wait_gone(lambda: cgroups_of(shim)), "a cgroup is left"
        assert not shim.state.exists() or not list(shim.state.iterdir()), "a state is left"
    finally:
        # The kernel makes an overlay's inner work folder without any permission.
        shutil.rmtree(shim.folder, onerror=open_and_retry)


@pytest.fixture(params=["root", "rootless"])
def shim(request, program):
    """The program, once for root and once for an ordinary user."""
    yield from audited(make_shim(program, root_user() if request.param == "root"
                                 else rootless_user()))


@pytest.fixture
def root_shim(program):
    yield from audited(make_shim(program, root_user()))


@pytest.fixture
def bundle(shim):
    return shim.new_bundle()
