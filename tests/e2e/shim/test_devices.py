"""Nodes in /dev: whose they are, what their mounts allow, and who may use them."""

import pathlib

import pytest

PATHS = ["/dev/null", "/dev/zero", "/dev/full", "/dev/tty", "/dev/random", "/dev/urandom"]


def test_what_is_bound_from_the_host_is_no_program(shim, bundle):
    lines = [line.split() for line in
             shim.output(bundle, "cat /proc/self/mountinfo").splitlines()]
    options = {fields[4]: fields[5].split(",") for fields in lines if fields[4] in PATHS}
    assert sorted(options) == sorted(PATHS)
    for path, words in options.items():
        assert {"nosuid", "noexec"} <= set(words), (path, words)
    assert shim.output(bundle, "head -c 3 /dev/zero | wc -c; echo x >/dev/null && echo ok") == "3\nok\n"


def device(path, **values):
    return {"path": path, "type": "c", "major": 1, "minor": 5, **values}


@pytest.mark.parametrize("kinds", [(), ("user",)], ids=["userns", "host"])
def test_a_device_has_the_owner_and_mode_of_config_json(root_shim, kinds):
    bundle = root_shim.new_bundle().without(*kinds)
    bundle.config["linux"]["devices"] = [
        device("/dev/foo", uid=10, gid=11, fileMode=0o604), device("/dev/sub/bar"),
        {"path": "/dev/pipe", "type": "p", "uid": 3, "fileMode": 0o600}]
    out = root_shim.output(bundle, "stat -c '%u:%g %a %t:%T %F' /dev/foo /dev/sub/bar; "
                           "stat -c '%u %a' /dev/pipe; head -c 3 /dev/foo | wc -c; "
                           "find /dev -name 0 -o -name 1; true")
    assert out.splitlines() == ["10:11 604 1:5 character special file",
                                "0:0 666 1:5 character special file", "3 600", "3"]


def test_rules_hold_for_devices_in_a_user_namespace(root_shim):
    if not any(pathlib.Path("/sys/fs/cgroup", name).exists()
               for name in ("devices", "cgroup.controllers")):
        pytest.skip("no cgroup for devices")
    bundle = root_shim.new_bundle()
    bundle.config["linux"]["devices"] = [device("/dev/foo"), device("/dev/kmsg2", minor=11)]
    bundle.config["linux"]["resources"] = {"devices": [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 5, "access": "rw"}]}
    out = root_shim.output(bundle, "head -c 3 /dev/foo | wc -c; head -c 1 /dev/kmsg2 2>&1")
    assert out.splitlines()[0] == "3" and "Operation not permitted" in out


def test_an_owner_that_is_not_mapped_is_named(root_shim):
    bundle = root_shim.new_bundle()
    bundle.config["linux"]["devices"] = [device("/dev/foo", uid=100000)]
    said = root_shim.run(bundle.args("/bin/true"), check=1).stderr
    assert "linux.devices: `/dev/foo`" in said and "100000:0 is not in" in said


def test_an_ordinary_user_gets_the_hosts_or_an_error(shim, bundle):
    if shim.user.name == "root":
        pytest.skip("root makes them")
    bundle.config["linux"]["devices"] = [device("/dev/zero", fileMode=0o600)]
    assert shim.output(bundle, "head -c 3 /dev/zero | wc -c") == "3\n"
    bundle.config["linux"]["devices"] = [device("/dev/nosuch")]
    assert "/dev/nosuch" in shim.run(bundle.args("/bin/true"), check=1).stderr
