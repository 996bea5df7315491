"""Id-mapped mounts: a folder of the host whose owners are others in the container."""

import os
import re
import subprocess

import pytest

from .conftest import ROOT_BASE

SETUP = """
mount -t tmpfs none {fs}; touch {fs}/file; chown 7:8 {fs} {fs}/file; chmod 777 {fs}
mkdir {fs}/sub; mount -t tmpfs none {fs}/sub; touch {fs}/sub/file; chown 7:8 {fs}/sub/file
mount --make-rshared {fs}
"""


def ids(inside, outside, count=100):
    return [{"containerID": inside, "hostID": outside, "size": count}]


@pytest.fixture
def folder(root_shim):
    """Where a tmpfs is mounted, in a namespace of the test's own."""
    if tuple(map(int, re.findall(r"\d+", os.uname().release)[:2])) < (6, 3):
        pytest.skip("tmpfs takes id-mapped mounts since Linux 6.3")
    path = root_shim.folder / "fs"
    path.mkdir()
    return path


def run(shim, bundle, folder, after=":"):
    script = SETUP.format(fs=folder) + f'"$@"\n{after}'
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh",
         *shim.command("run", "--bundle", bundle.path, "c")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False)


def output(*args):
    result = run(*args)
    assert result.returncode == 0, result
    return result.stdout.splitlines()


def mounted(shim, folder, options, uids=None, gids=None):
    bundle = shim.new_bundle().mount("/m", "bind", folder, options)
    if uids:
        bundle.config["mounts"][-1] |= {"uidMappings": uids, "gidMappings": gids or uids}
    return bundle


@pytest.mark.parametrize("options,uids,gids,shown,kept", [
    (["bind", "idmap"], None, None, "7:8", "0:0"),
    (["bind"], ids(0, ROOT_BASE), None, "7:8", "0:0"),
    (["bind", "idmap"], ids(0, ROOT_BASE + 100), None, "107:108", None),
    (["bind", "idmap"], ids(7, ROOT_BASE, 1), ids(8, ROOT_BASE, 1), "0:0", "7:8"),
    (["bind", "ro", "idmap"], ids(0, ROOT_BASE), None, "7:8", None),
    (["bind", f"idmap=uids=0-{ROOT_BASE}-7#7-{ROOT_BASE + 9}-1;gids=8-{ROOT_BASE}-1"], None, None,
     "9:0", "0:8"),
], ids=["of-the-container", "without-the-option", "shifted", "one", "read-only", "as-text"])
def test_owners_inside_and_outside(root_shim, folder, options, uids, gids, shown, kept):
    bundle = mounted(root_shim, folder, options, uids, gids)
    bundle.sh("stat -c %u:%g /m/file; touch /m/new 2>/dev/null; :")
    lines = output(root_shim, bundle, folder,
                   f"test ! -e {folder}/new || stat -c %u:%g {folder}/new")
    assert lines == [shown] + ([kept] if kept else [])


@pytest.mark.parametrize("option,below", [("idmap", "65534:65534"), ("ridmap", "7:8")])
def test_what_is_mounted_below(root_shim, folder, option, below):
    bundle = mounted(root_shim, folder, ["rbind", option])
    bundle.sh("stat -c %u:%g /m/file /m/sub/file")
    assert output(root_shim, bundle, folder) == ["7:8", below]


def test_without_a_user_namespace(root_shim, folder):
    bundle = mounted(root_shim, folder, ["bind", "idmap"], ids(0, 1000)).without("user")
    assert output(root_shim, bundle.sh("stat -c %u:%g /m/file"), folder) == ["1007:1008"]
    bundle = mounted(root_shim, folder, ["bind", "idmap"]).without("user")
    result = run(root_shim, bundle.args("/bin/true"), folder)
    assert result.returncode == 1 and "needs uidMappings and gidMappings" in result.stderr


def test_with_a_user_namespace_that_is_joined(root_shim, folder):
    other = root_shim.new_bundle()
    with root_shim.running(other, container="other"):
        pid = root_shim.state_of("other")["pid"]
        bundle = mounted(root_shim, folder, ["bind", "idmap"])
        linux = bundle.config["linux"]
        linux["namespaces"][0]["path"] = f"/proc/{pid}/ns/user"
        del linux["uidMappings"], linux["gidMappings"]
        assert output(root_shim, bundle.sh("stat -c %u:%g /m/file"), folder) == ["7:8"]


@pytest.mark.parametrize("propagation,tag", [(None, None), ("rslave", "master:")])
def test_no_mount_goes_back_to_the_host(root_shim, folder, propagation, tag):
    bundle = mounted(root_shim, folder, ["rbind", "ridmap"])
    if propagation:
        bundle.config["linux"]["rootfsPropagation"] = propagation
    lines = output(root_shim, bundle.sh("grep ' /m' /proc/self/mountinfo"), folder)
    assert len(lines) == 2
    for line in lines:
        assert "shared:" not in line and (not tag or tag in line), line


def test_a_file_system_that_cannot_is_explained(root_shim):
    bundle = mounted(root_shim, "/proc/sys", ["bind", "idmap"])
    said = root_shim.run(bundle.args("/bin/true"), check=1).stderr
    assert "id-mapped mount of `/proc/sys`: map its ids: Invalid" in said
    assert "its file system does not allow it" in said


def test_who_may_not_is_told(shim, bundle):
    """An ordinary user has not mounted what it shows."""
    if shim.user.name == "root":
        pytest.skip("root may")
    bundle.mount("/m", "bind", bundle.mkdir("data"), ["bind", "idmap"])
    said = shim.run(bundle.args("/bin/true"), check=1).stderr
    assert f"id-mapped mount of `{bundle.path}/data`" in said and "only who has mounted" in said


@pytest.mark.parametrize("change,said", [
    ({"type": "tmpfs", "options": ["idmap"]}, "only a bind mount can be id-mapped"),
    ({"uidMappings": ids(0, 1)}, "needs both uidMappings and gidMappings"),
    ({"uidMappings": ids(0, 1, 0), "gidMappings": ids(0, 1)}, "uidMappings[0]: size is 0"),
    ({"uidMappings": {}, "gidMappings": []}, "uidMappings: must be an array"),
])
def test_what_makes_no_sense_is_refused(root_shim, change, said):
    bundle = root_shim.new_bundle().mount("/m", "bind", "/tmp", ["bind"])
    bundle.config["mounts"][-1] |= change
    assert said in root_shim.run(bundle.write(), check=1).stderr
