"""Who the program is: capabilities, ids, groups, keys, and who may touch a container."""

import os
import subprocess

import pytest

from support import accounts

from . import conftest

NONE = "0" * 16


def caps_of(text):
    return dict(line.split() for line in text.splitlines() if line.startswith("Cap"))


@pytest.mark.parametrize("uid", [0, 1000])
def test_capabilities_of_run_and_exec(shim, bundle, uid):
    """CVE-2022-29162, -27650, -24769: nothing is inheritable that was not configured."""
    bundle.config["process"]["user"] = {"uid": uid, "gid": uid}
    with shim.running(bundle, "grep ^Cap /proc/self/status >&2; echo ready; cat") as process:
        seen = caps_of(shim("exec", "c", "/bin/grep", "^Cap", "/proc/self/status", check=0).stdout)
        more = caps_of(shim("exec", "--cap", "CAP_NET_RAW", "c", "/bin/grep", "^Cap",
                            "/proc/self/status", check=0).stdout)
        first = caps_of(process.communicate(timeout=60)[1])
    assert first == seen
    assert first["CapInh:"] == first["CapAmb:"] == more["CapInh:"] == more["CapAmb:"] == NONE
    assert (first["CapEff:"] == NONE) == (uid != 0)
    assert int(more["CapBnd:"], 16) == int(first["CapBnd:"], 16) | 1 << 13


def test_only_what_is_configured_is_inheritable(shim, bundle):
    sets = bundle.config["process"]["capabilities"]
    sets["inheritable"] = ["CAP_KILL"]
    caps = caps_of(shim.output(bundle, "grep ^Cap /proc/self/status"))
    assert caps["CapInh:"] == f"{1 << 5:016x}" and caps["CapAmb:"] == NONE


USERS = ["", "abc", "1:", ":1", ":", "1x", "x1", "1:x", "4294967296", "4294967295", "1:4294967295",
         "-1", "+1", " 1", "1 ", "0x0", "1:2:3", "1.0", "\n0", "0\n", "root", "1,2"]


def test_users_of_exec_that_are_none(shim, bundle):
    """CVE-2026-30892: a slip must never run the program, and least of all as root."""
    bundle.config["process"]["user"] = {"uid": 7, "gid": 7}
    with shim.running(bundle):
        for user in USERS:
            result = shim("exec", "--user", user, "c", "/bin/id")
            assert result.returncode == 2 and not result.stdout, (user, result)
            assert "--user" in result.stderr, (user, result)
        for user, expected in (("0", "uid=0 gid=7"), ("5:6", "uid=5 gid=6"), ("00:0", "uid=0 gid=0")):
            out = shim("exec", "--user", user, "c", "/bin/id", check=0).stdout
            assert expected in out.replace("(root)", ""), (user, out)
        result = shim("exec", "--user", "70000", "c", "/bin/id")
        assert result.returncode == 1 and not result.stdout, result


def test_keys_of_the_caller_are_not_inside(shim, bundle):
    """A new session keyring: neither possessed keys nor their names are there."""
    bundle.probe().sh("echo ready; read key; probe read-key $key; probe find-key ld-shim-key; "
                      "cat /proc/keys")
    probe = conftest.built("tests/support/probe")
    process = subprocess.Popen(
        [probe, "with-key", "ld-shim-key", *shim.command("run", "--bundle", bundle.path, "c")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/",
        **shim.user.arguments)
    word, _, key = process.stderr.readline().partition(" ")
    if word != "key":
        process.kill()
        process.communicate()
        pytest.skip("this kernel has no keyrings for us")
    out, err = process.communicate(key + "\n", timeout=60)
    lines = out.split()
    assert lines[0] == "ready" and len(lines) == 3, (out, err)
    assert lines[1] in ("EACCES", "ENOKEY", "EPERM", "ENOSYS"), (out, err)
    assert lines[2] in ("ENOKEY", "EACCES", "ENOSYS"), (out, err)


def single_id(user):
    """The caller's one id, as without subordinate ranges."""
    return conftest.User("rootless", user.account, [(0, user.account.uid, 1)],
                         [(0, user.account.gid, 1)])


def test_groups_cannot_be_dropped_with_one_id(program):
    """CVE-2014-8989: a group may stand for what one must not do, so it stays."""
    user = single_id(conftest.rootless_user())
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = shim.new_bundle().probe()
        out = shim.output(bundle, "cat /proc/self/setgroups; probe call 116 0 0; id -u")
        assert out.split() == ["deny", "EPERM", "0"]
        bundle.config["process"]["user"]["additionalGids"] = [0]
        assert "additionalGids" in shim.run(bundle.write(), check=1).stderr


def other_ids():
    """Ids that belong to somebody else's range, and none at all."""
    account, _ = accounts.ordinary_user()
    start, count = conftest.subordinate("/etc/subuid", account.name)
    return {
        "root of the host": [(0, 0, 1)],
        "another user": [(0, account.uid, 1), (1, 65534, 1)],
        "beyond the range": [(0, account.uid, 1), (1, start, count + 1)],
        "before the range": [(0, account.uid, 1), (1, start - 1, 2)],
        "overlapping inside": [(0, account.uid, 1), (1, start, 10), (5, start + 20, 10)],
        "overlapping outside": [(0, account.uid, 1), (1, start, 10), (11, start, 10)],
    }


@pytest.mark.parametrize("case", ["root of the host", "another user", "beyond the range",
                                  "before the range", "overlapping inside", "overlapping outside"])
@pytest.mark.parametrize("key", ["uidMappings", "gidMappings"])
def test_maps_that_newuidmap_must_refuse(program, case, key):
    """CVE-2018-7169 and its kin: an ordinary user cannot have ids that are not given to it."""
    user = conftest.rootless_user()
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = shim.new_bundle()
        bundle.config["linux"][key] = [
            {"containerID": i, "hostID": h, "size": n} for i, h, n in other_ids()[case]]
        result = shim.run(bundle.sh("echo ran"))
        assert result.returncode == 1 and key in result.stderr and not result.stdout, result
        assert not list(shim.state.iterdir())


def test_a_map_with_more_lines_than_the_kernel_takes(program):
    user = conftest.rootless_user()
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = shim.new_bundle()
        start, _ = conftest.subordinate("/etc/subuid", user.account.name)
        bundle.config["linux"]["uidMappings"] = [
            {"containerID": i, "hostID": start + 2 * i, "size": 1} for i in range(400)]
        result = shim.run(bundle.sh("echo ran"))
        assert result.returncode == 1 and "uidMappings" in result.stderr, result


def stranger():
    """Root, but without a way past permissions: a user that is neither the test's nor root."""
    return {"user": 65534, "group": 65534, "extra_groups": []}


@pytest.mark.parametrize("words", [
    ["state", "c"], ["kill", "c", "KILL"], ["exec", "c", "/bin/true"], ["delete", "c"],
    ["delete", "--force", "c"], ["pause", "c"], ["resume", "c"], ["ps", "c"], ["list"],
    ["update", "--pids-limit", "1", "c"], ["start", "c"],
])
def test_a_stranger_is_refused(shim, bundle, words):
    """State directories are 0700 and their owner is checked."""
    if os.getuid() != 0:
        pytest.skip("needs root to be a stranger")
    with shim.running(bundle):
        result = subprocess.run(shim.command(*words), stdout=subprocess.PIPE, text=True,
                                stderr=subprocess.PIPE, timeout=60, check=False, cwd="/",
                                **stranger())
        assert result.returncode == 1 and str(shim.state) in result.stderr, result
        assert shim.state_of()["status"] == "running"


def test_everything_of_a_state_is_its_owners_alone(shim, bundle):
    with shim.running(bundle):
        for path in [shim.state, *shim.state.rglob("*")]:
            status = path.lstat()
            assert status.st_uid == shim.user.account.uid and not status.st_mode & 0o077, path


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o701])
def test_a_state_folder_that_is_open_is_refused(shim, bundle, mode):
    shim.state.mkdir()
    os.chown(shim.state, shim.user.account.uid, shim.user.account.gid)
    shim.state.chmod(mode)
    result = shim.run(bundle.sh("echo ran"))
    assert result.returncode == 1 and str(shim.state) in result.stderr and not result.stdout


def test_a_container_folder_that_is_anothers_is_refused(root_shim):
    """Inside an own root: as when somebody could plant one."""
    bundle = root_shim.new_bundle()
    root_shim("list", check=0)
    planted = root_shim.state / "c"
    planted.mkdir(mode=0o700)
    os.chown(planted, 65534, 65534)
    for words in (["state", "c"], ["kill", "c"], ["exec", "c", "true"], ["delete", "--force", "c"]):
        result = root_shim(*words)
        assert result.returncode == 1 and "belongs to another user" in result.stderr, result
    assert root_shim.run(bundle, check=1).stderr
    planted.rmdir()
    planted.symlink_to(root_shim.folder)
    assert root_shim("delete", "--force", "c").returncode == 1
    assert root_shim.folder.is_dir()
    planted.unlink()
