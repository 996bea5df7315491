"""--own-cgroup: in a cgroup that is delegated to an ordinary user, as a scope of systemd is."""

import os
import pathlib
import subprocess

import pytest

from support import elsewhere

from .conftest import remove_cgroup

V2 = "umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup"


def unified():
    """Where cgroup v2 is mounted with a controller that can be handed down, or None."""
    for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines():
        if " - cgroup2 " in line and "hugetlb" in pathlib.Path(line.split()[4], "cgroup.controllers").read_text():
            return pathlib.Path(line.split()[4])
    return None


@pytest.fixture
def scope(shim):
    """A cgroup of the user's own, on a host with cgroup v2 alone; what runs the shim enters it."""
    top = unified()
    if os.getuid() != 0 or not top:
        pytest.skip("needs root, and cgroup v2 with hugetlb")
    control = top / "cgroup.subtree_control"
    if "hugetlb" not in control.read_text():
        control.write_text("+hugetlb")
    folder = top / f"ld-scope-{os.getpid()}"
    folder.mkdir()
    for path in (folder, folder / "cgroup.procs", folder / "cgroup.subtree_control"):
        os.chown(path, shim.user.account.uid, shim.user.account.gid)
    with elsewhere.elsewhere(V2) as place:
        enter = f'echo $$ > /sys/fs/cgroup/{folder.name}/cgroup.procs; exec "$@"'
        shim.prefix = ["sh", "-ec", enter.replace("/sys/fs/cgroup/" + folder.name, str(folder)), "sh",
                       *place.command(shim.user.account)]
        yield folder
        shim.prefix = []
    for below in sorted(folder.rglob("*/"), reverse=True):
        if below.is_dir():
            remove_cgroup(below)
    remove_cgroup(folder)


def limited(shim):
    bundle = shim.new_bundle()
    bundle.config["linux"]["resources"] = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}
    return bundle.write()


def test_a_limit_is_set_beside_the_runtime(shim, scope):
    with shim.running(limited(shim), "echo ready; cat", "--own-cgroup") as process:
        assert (scope / "locald-c/hugetlb.2MB.max").read_text() == f"{4 << 20}\n"
        assert (scope / "runtime/cgroup.procs").read_text() == f"{process.pid}\n"
        first = int((scope / "locald-c/cgroup.procs").read_text().split()[0])
        assert f"0::/{scope.name}/locald-c\n" in pathlib.Path(f"/proc/{first}/cgroup").read_text()
    assert not (scope / "locald-c").exists()


def test_without_the_option_there_is_no_room(shim, scope):
    said = shim.run(limited(shim), check=1).stderr
    assert "hugetlb.2MB.max: No such file" in said


def test_limits_are_tried_there(shim, scope):
    said = shim("limits", "--own-cgroup", check=0).stdout
    # hugetlb is not among them; but a cgroup was made, so no permission is missing.
    assert "denied" not in said.lower(), said
    assert not [path for path in scope.iterdir() if path.name.startswith("locald-")]


def test_the_root_is_nobodys_own(root_shim):
    if not unified() or "\n0::/\n" not in "\n" + pathlib.Path("/proc/self/cgroup").read_text():
        pytest.skip("needs to be in the root of cgroup v2")
    said = root_shim("limits", "--own-cgroup", check=1).stderr
    assert "--own-cgroup: there is no cgroup v2 but its root" in said
