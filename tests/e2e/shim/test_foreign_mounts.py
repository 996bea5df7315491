"""A container in a mount namespace that is not its own: one that it joins, or the shim's."""

import os
import re
import subprocess

import pytest

pytestmark = pytest.mark.skipif(
    tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 15),
    reason="mounts on what is not attached need Linux 6.15")
LOOK = "readlink /proc/self/ns/mnt; ls /; cat /file; cat /proc/self/mountinfo; echo new >/tmp/new"


def namespace(bundle, path=None):
    """With that mount namespace, or without any."""
    linux = bundle.without("user").config["linux"]
    linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "mount"]
    if path:
        linux["namespaces"].append({"type": "mount", "path": path})
    (bundle.rootfs / "file").write_text("of the image\n")
    bundle.mount("/data", "bind", bundle.mkdir("data"), ["bind"])
    bundle.config["root"]["readonly"] = True
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    return bundle.mount("/tmp", "tmpfs", "tmpfs")


@pytest.fixture
def other(root_shim):
    """A mount namespace with a shared tree, where a mount that goes astray would be seen."""
    process = subprocess.Popen(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c",
         "mount --make-rshared / && echo ready && cat"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process.pid
    process.communicate(timeout=60)


def mounts_of(pid):
    with open(f"/proc/{pid}/mountinfo", encoding="utf-8") as file:
        return [line for line in file if "/tmp/ld-" not in line.split()[4]
                or f"-{os.getpid()}-" in line]


@pytest.mark.parametrize("joins", [True, False])
def test_the_namespace_is_as_named_and_stays_as_it_was(root_shim, other, joins):
    pid = other if joins else os.getpid()
    bundle = namespace(root_shim.new_bundle(), f"/proc/{other}/ns/mnt" if joins else None)
    before = mounts_of(pid)
    bundle.config["linux"]["rootfsPropagation"] = "shared"
    lines = root_shim.output(bundle, LOOK + "; touch /sys/fs/cgroup/x 2>&1").splitlines()
    assert "Read-only" in lines[-1] or not os.listdir("/sys/fs/cgroup"), lines
    assert lines[0] == os.readlink(f"/proc/{pid}/ns/mnt")
    assert "of the image" in lines and "data" in lines and "home" not in lines
    with root_shim.running(bundle):
        assert mounts_of(pid) == before
    assert not list((bundle.rootfs / "data").iterdir())


@pytest.mark.parametrize("joins", [True, False])
def test_exec_is_inside_too(root_shim, other, joins):
    bundle = namespace(root_shim.new_bundle(), f"/proc/{other}/ns/mnt" if joins else None)
    with root_shim.running(bundle):
        lines = root_shim("exec", "c", "sh", "-c", LOOK + "; cat /tmp/new; pwd",
                          check=0).stdout.splitlines()
        assert "of the image" in lines and lines[-2:] == ["new", "/"]
        assert "outside" not in root_shim("exec", "c", "sh", "-c", "cd ../../..; ls; pwd").stdout


@pytest.mark.parametrize("joins", [True, False])
def test_no_way_out(root_shim, other, joins):
    """The old trick: a second chroot, and up."""
    bundle = namespace(root_shim.new_bundle(), f"/proc/{other}/ns/mnt" if joins else None)
    bundle.config["linux"]["maskedPaths"] = ["/data"]
    caps = bundle.config["process"]["capabilities"]
    assert all("CAP_SYS_CHROOT" in caps[kind] for kind in ("bounding", "effective", "permitted"))
    out = root_shim.output(bundle, "mkdir /tmp/in; cd /tmp; ls /data; "
                           "chroot /tmp/in /bin/sh; cd ../../../../..; ls; pwd; touch /x 2>&1")
    assert "file" in out.split() and "home" not in out.split() and "Read-only" in out


def test_with_a_new_user_namespace_it_is_refused(shim, bundle):
    linux = bundle.config["linux"]
    linux["namespaces"] = [n for n in linux["namespaces"] if n["type"] != "mount"]
    said = shim.run(bundle.args("/bin/true"), check=1).stderr
    assert "needs a new mount namespace" in said
