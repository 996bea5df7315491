"""From start to exit of /bin/true in a container: the same bundle, each runtime in turn."""

import json
import os
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
import traceback

from measure import Table, interleaved
from support import images

ROUNDS = 40


def bundle(folder):
    """An OCI bundle of busybox that runs /bin/true; with a user namespace where we are not root."""
    root = folder / "rootfs"
    tar = images.busybox_tar(folder / "root.tar")
    with tarfile.open(tar) as archive:
        archive.extractall(root)
    namespaces = ["pid", "mount", "ipc", "uts"]
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "terminal": False,
            "user": {"uid": 0, "gid": 0},
            "args": ["/bin/true"],
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
    if os.getuid() != 0:
        config["linux"]["namespaces"].append({"type": "user"})
        for kind, number in (("uidMappings", os.getuid()), ("gidMappings", os.getgid())):
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
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    clone_newns, ms_rec_private = 0x00020000, 0x4000 | 0x40000
    if libc.unshare(clone_newns) or libc.mount(b"none", b"/", None, ms_rec_private, None):
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


def measure(commands):
    without_hybrid_cgroups()
    return interleaved(
        {name: (lambda n, words=words: [w.replace("@", f"bench{n}") for w in words])
         for name, words in commands.items()},
        ROUNDS,
    )


def bench(build):
    table = Table("container: start to exit of /bin/true", "locald-shim", "ms")
    with tempfile.TemporaryDirectory(prefix="ld-bench-") as name:
        folder = bundle(pathlib.Path(name))
        floor = folder / "clone_floor"
        subprocess.run(["cc", "-D_GNU_SOURCE", "-O2", "-o", str(floor),
                        str(pathlib.Path(__file__).with_name("clone_floor.c"))], check=True)
        state = folder / "state"
        state.mkdir()
        shim = build / "src/shim/locald-shim"
        commands = {
            "locald-shim": [str(shim), "--root", str(state / "shim"), "run", "--bundle",
                            str(folder), "@"],
            "clone floor": [str(floor), str(folder / "rootfs"), "/bin/true"],
        }
        for runtime in ("crun", "runc"):
            path = shutil.which(runtime)
            if path:
                commands[runtime] = [path, "--root", str(state / runtime), "run", "--bundle",
                                     str(folder), "@"]
            else:
                table.reasons[runtime] = "not installed"
        if "crun" in commands:  # the shim makes a cgroup only when the bundle names one
            words = commands["crun"]
            commands["crun, no cgroup"] = [words[0], "--cgroup-manager=disabled", *words[1:]]
        podman = shutil.which("podman")
        if podman:
            commands["podman"] = [
                podman, "run", "--rm", "--network=none", "--ulimit=nofile=1024:1024",
                "--ulimit=nproc=1024:1024", "--rootfs", str(folder / "rootfs"), "/bin/true"]
        else:
            table.reasons["podman"] = "not installed"
        medians, reasons = in_child(measure, commands)
    table.figures = {name: seconds * 1000 for name, seconds in medians.items()}
    table.reasons.update(reasons)
    yield table
