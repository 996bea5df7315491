"""The root file system as an overlay that is mounted inside the user namespace."""

import contextlib
import os
import pathlib
import shutil
import signal
import stat
import subprocess

import pytest

from support import elsewhere
from support.sandbox import wait_readable
from .conftest import mounts_of_host, wait_gone


FUSE = shutil.which("fuse-overlayfs", path="/usr/local/bin:/usr/bin:/bin")


def opens_fuse(shim):
    test = subprocess.run([*shim.prefix, "sh", "-c", "exec 3<> /dev/fuse"], stderr=subprocess.DEVNULL,
                          check=False, **shim.arguments)
    return test.returncode == 0


@pytest.fixture
def fuse(shim):
    """/dev/fuse for everybody, as udev makes it; in a mount namespace where the machine's is root's."""
    if not FUSE:
        pytest.skip("fuse-overlayfs is not installed")
    if opens_fuse(shim):
        yield
        return
    if os.getuid() != 0 or not os.path.exists("/dev/fuse"):
        pytest.skip("/dev/fuse may not be used here")
    with elsewhere.elsewhere(elsewhere.FUSE) as place:
        shim.prefix = place.command(shim.user.account)
        assert opens_fuse(shim)
        yield
        shim.prefix = []


@pytest.fixture(params=["kernel", "fuse"])
def overlay(request, shim):
    """A bundle whose rootfs folder is empty and whose root is two layers and an upper one."""
    if request.param == "fuse":
        request.getfixturevalue("fuse")
    return make_overlay(shim, request.param)


def make_overlay(shim, kind):
    bundle = shim.new_bundle()
    lower = bundle.path / "lower"
    bundle.rootfs.rename(lower)
    bundle.rootfs.mkdir()
    second = bundle.mkdir("second")
    (second / "layer").write_text("second")
    (lower / "layer").write_text("first")
    shim.user.own(second / "layer")
    bundle.mkdir("rw")  # who serves it must be able to enter this
    bundle.mkdir("rw/upper")
    bundle.mkdir("rw/work")
    bundle.config["mounts"].insert(0, {
        "destination": "/", "type": "overlay", "source": "overlay",
        "options": [f"lowerdir={second}:{lower}", f"upperdir={bundle.path}/rw/upper",
                    f"workdir={bundle.path}/rw/work", "userxattr"]})
    if kind == "fuse":
        mount = bundle.config["mounts"][0]
        mount |= {"type": "fuse-overlayfs", "source": FUSE, "options": mount["options"][:3]}
    return bundle.write()


def test_layers_are_merged_and_changes_go_to_the_upper_one(shim, overlay):
    out = shim.output(overlay, "cat /layer; echo changed > /layer; rm /bin/yes; touch /new; "
                      "cat /layer; ls /bin/yes 2>/dev/null")
    assert out == "secondchanged\n"
    assert (overlay.path / "second/layer").read_text() == "second"
    assert (overlay.path / "rw/upper/layer").read_text() == "changed\n"
    assert (overlay.path / "rw/upper/new").stat().st_uid == shim.user.uid_map[0][1]
    assert (overlay.path / "lower/bin/yes").is_symlink()
    # And the next run finds them.
    assert shim.output(overlay, "cat /layer; test -e /bin/yes || echo gone") == "changed\ngone\n"


def test_nothing_is_mounted_on_the_host(shim, overlay):
    before = mounts_of_host()
    shim.run(overlay, check=0)
    assert mounts_of_host() == before
    assert not list(overlay.rootfs.iterdir())


def test_a_store_in_a_closed_folder_works(shim, overlay):
    """0700 above the layers, owned by the caller, whose id may not exist inside."""
    overlay.path.chmod(0o700)
    assert shim.output(overlay, "cat /layer") == "second"


def test_without_an_upper_layer_it_is_read_only(shim, overlay):
    mount = overlay.config["mounts"][0]
    mount["options"] = [o for o in mount["options"] if not o.startswith(("upper", "work"))]
    (overlay.path / "lower/tmp/x").touch()
    result = shim.run(overlay.sh("cat /layer; touch /layer"))
    assert result.stdout == "second" and "Read-only" in result.stderr


@pytest.mark.parametrize("count", [40, 120])
def test_many_layers_and_names_with_colons(shim, overlay, count):
    layers = []
    for i in range(count):
        folder = overlay.mkdir(f"layer:{i}")
        (folder / f"file{i}").touch()
        layers.append(str(folder).replace(":", "\\:"))
    mount = overlay.config["mounts"][0]
    mount["options"][0] = "lowerdir=" + ":".join(layers) + f":{overlay.path}/lower"
    result = shim.run(overlay.sh("ls -d /file*"))
    if result.returncode and "6.8" in result.stderr:
        pytest.skip("this kernel takes 80 layers")
    assert len(result.stdout.split()) == count, result


def test_the_mount_shows_no_path_of_the_host(shim, overlay):
    assert str(overlay.path) not in shim.output(overlay, "cat /proc/self/mounts")


@pytest.mark.parametrize("folder", ["lower", "rw/upper", "rw/work"])
def test_a_missing_layer_is_named(shim, overlay, folder):
    path = overlay.path / folder
    path.rename(overlay.path / "away")
    result = shim.run(overlay, check=1)
    assert f"{path.name}dir" in result.stderr and str(path) in result.stderr


@pytest.mark.parametrize("drop", ["lowerdir", "upperdir", "workdir"])
def test_a_missing_option_is_named(shim, overlay, drop):
    mount = overlay.config["mounts"][0]
    mount["options"] = [o for o in mount["options"] if not o.startswith(drop)]
    assert "mounts[0]" in shim.run(overlay.write(), check=1).stderr


def test_another_type_of_root_is_refused_by_name(shim, overlay):
    overlay.config["mounts"][0]["type"] = "tmpfs"
    assert "`tmpfs` is not supported" in shim.run(overlay.write(), check=1).stderr


def test_a_missing_root_is_named(shim, bundle):
    bundle.config["root"]["path"] = "nosuch"
    assert "root.path" in shim.run(bundle.write(), check=1).stderr
    bundle.config["root"]["path"] = "config.json"
    assert "Not a directory" in shim.run(bundle.write(), check=1).stderr
    os.unlink(bundle.path / "config.json")
    assert "config.json" in shim.run(bundle, check=1).stderr


def test_what_a_layer_removes_is_gone(shim, overlay):
    """Whiteouts as locald's store has them: devices 0/0, and user.overlay.opaque."""
    if os.getuid() != 0:
        pytest.skip("only root makes the layers of others")
    for name in ("lower/gone", "lower/folder/below", "second/folder/above"):
        path = overlay.path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        shim.user.own(path.parent)
        shim.user.own(path)
    os.mknod(overlay.path / "second/gone", 0o600 | stat.S_IFCHR, os.makedev(0, 0))
    os.setxattr(overlay.path / "second/folder", "user.overlay.opaque", b"y")
    script = "ls / | grep gone; ls /folder; rm -r /folder; mkdir /folder; ls /folder; rm /layer; ls / | grep layer"
    assert shim.output(overlay, script) == "above\n"
    assert shim.output(overlay, "ls /folder; test -e /layer || echo removed") == "removed\n"


# --- fuse-overlayfs ---


@pytest.fixture
def served(shim, fuse):
    return make_overlay(shim, "fuse")


def children(pid):
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def servers_below(pid):
    found = []
    for child in children(pid):
        with contextlib.suppress(OSError):  # it may have ended
            if os.readlink(f"/proc/{child}/exe").endswith("/fuse-overlayfs"):
                found.append(child)
    return found


def server_of(pid):
    """The program that serves the root of the container that process `pid` runs."""
    (server,) = servers_below(pid)
    return server


def kill(pid):
    """Returns when it serves nothing any more."""
    pidfd = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    wait_readable(pidfd, 60)
    os.close(pidfd)


def gone(pid):
    def look():
        if pid in children(os.getpid()):
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
        return os.path.exists(f"/proc/{pid}")
    return not wait_gone(look)


def test_its_server_has_no_power_and_is_not_seen(shim, served):
    with shim.running(served, "grep -l fuse-overlay /proc/*/comm || echo ready; cat") as process:
        server = server_of(process.pid)
        status = pathlib.Path(f"/proc/{server}/status").read_text()
        base = shim.user.uid_map[0][1]
        assert f"\nUid:\t{base}\t{base}\t{base}\t{base}\n" in status and "\nNoNewPrivs:\t1\n" in status
        for kind in ("pid", "user"):
            same = os.readlink(f"/proc/{server}/ns/{kind}") == os.readlink(f"/proc/self/ns/{kind}")
            assert same == (kind == "pid"), "in the container's user namespace, and out of its processes"
        points = [line.split()[4] for line in
                  pathlib.Path(f"/proc/{server}/mountinfo").read_text().splitlines()]
        assert not any(point.startswith(str(served.rootfs)) for point in points)
        own = {path.lstat().st_ino for path in served.path.rglob("*")} - {served.path.stat().st_ino}
        for fd in os.listdir(f"/proc/{server}/fd"):
            with contextlib.suppress(FileNotFoundError):  # it opens and closes files all the time
                there = os.stat(f"/proc/{server}/fd/{fd}")
                # fd 2 is a memfd; pipes are the program's own, to splice.
                assert stat.S_IFMT(there.st_mode) in (stat.S_IFCHR, stat.S_IFIFO) or fd == "2" \
                    or there.st_ino in own, (fd, there)
    assert gone(server)


def test_its_server_ends_with_a_shim_that_is_killed(shim, served):
    with shim.running(served) as process:
        server = server_of(process.pid)
        process.kill()
        process.wait()
        assert gone(server)


def test_a_server_that_is_killed_leaves_nothing_that_hangs(shim, served):
    with shim.running(served, "echo ready; read line; cat /layer || echo lost; /bin/busybox true; exit 9") as process:
        kill(server_of(process.pid))
        out, said = process.communicate("go\n", timeout=60)
    assert process.returncode != 0 and "second" not in out, (out, said)


def test_created_and_deleted(shim, served):
    before = servers_below(os.getpid())
    shim.detached("create", "--bundle", served.args("/bin/sh", "-c", "cat /layer").path, "c")
    (server,) = set(servers_below(os.getpid())) - set(before)
    shim("start", "c", check=0)
    shim.wait_status("stopped")
    shim("delete", "c", check=0)
    assert gone(server)


@pytest.mark.parametrize("change, said", [
    ({"source": "/nowhere/fuse-overlayfs"}, "mounts[0]: /nowhere/fuse-overlayfs: execute it"),
    ({"source": "/bin/false"}, "mounts[0]: /bin/false: it ended"),
    ({"source": "fuse-overlayfs"}, "must be the absolute path"),
    ({"options": ["lowerdir=/", "upperdir=/a/upper", "workdir=/b/work"]}, "in one directory"),
    ({"options": ["lowerdir=/", "upperdir=/a/up,per", "workdir=/a/work"]}, "may not have"),
])
def test_a_server_that_cannot_be_is_told(shim, served, change, said):
    served.config["mounts"][0] |= change
    assert said in shim.run(served.write(), check=1).stderr


def test_without_the_device_it_is_told(shim):
    if opens_fuse(shim):
        pytest.skip("/dev/fuse may be used here")
    bundle = make_overlay(shim, "fuse")
    said = shim.run(bundle, check=1).stderr
    assert "mounts[0]: /dev/fuse" in said and "modprobe fuse" in said


def test_it_needs_a_user_namespace(root_shim):
    bundle = make_overlay(root_shim, "fuse").without("user")
    assert "needs a new user namespace" in root_shim.run(bundle.write(), check=1).stderr
