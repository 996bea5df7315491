"""Network devices of the host that are moved into the container (linux.netDevices)."""

import shutil
import subprocess

import pytest

SETUP = """
set -e
ip link set lo up
ip link add ldtest0 type veth peer name ldpeer0; ip link set ldpeer0 up; ip link set ldtest0 mtu 1400 address 02:00:00:00:00:07
ip addr add 10.9.8.7/24 brd 10.9.8.250 dev ldtest0; ip addr add 10.9.8.8/24 dev ldtest0
ip addr add fd00:9::7/64 dev ldtest0 nodad; ip addr add 169.254.3.4/16 scope link dev ldtest0
"$@"
"""
LOOK = "ip -o addr; ip link show; cat /sys/class/net/*/mtu 2>/dev/null"


def run(shim, bundle):
    """The shim in a network namespace of the test's own, which has the device."""
    if not shutil.which("ip"):
        pytest.skip("needs ip")
    return subprocess.run(
        ["unshare", "--net", "sh", "-c", SETUP, "sh",
         *shim.command("run", "--bundle", bundle.path, "c")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False, cwd="/")


@pytest.mark.parametrize("name,inside", [(None, "ldtest0"), ("web", "web"), ("eth%d", "eth0")])
@pytest.mark.parametrize("kinds", [(), ("user",)], ids=["userns", "host"])
def test_a_device_is_moved_with_its_settings(root_shim, kinds, name, inside):
    bundle = root_shim.new_bundle().without(*kinds)
    bundle.config["linux"]["netDevices"] = {"ldtest0": {"name": name} if name else {}}
    result = run(root_shim, bundle.sh(LOOK))
    assert result.returncode == 0, result
    for part in (f"{inside}    inet 10.9.8.7/24 brd 10.9.8.250", f"{inside}    inet 10.9.8.8/24",
                 "inet6 fd00:9::7/64 scope global", "02:00:00:00:00:07", "mtu 1400", "UP"):
        assert part in result.stdout, (part, result.stdout)
    assert "169.254.3.4" not in result.stdout


@pytest.mark.parametrize("devices,said", [
    ({"nosuch": {}}, "netDevices.nosuch: the host has no such device"),
    ({"ldtest0": {"name": "lo"}}, "the container has a device `lo` already"),
    ({"lo": {"name": "lo7"}}, "netDevices.lo: move it: Invalid argument"),
])
def test_what_cannot_be_moved_is_named(root_shim, devices, said):
    bundle = root_shim.new_bundle()
    bundle.config["linux"]["netDevices"] = devices
    result = run(root_shim, bundle.args("/bin/true"))
    assert result.returncode == 1 and said in result.stderr, result


def test_an_ordinary_user_has_none_to_give(shim, bundle):
    if shim.user.name == "root":
        pytest.skip("root may")
    bundle.config["linux"]["netDevices"] = {"lo": {"name": "lo7"}}
    said = shim.run(bundle.args("/bin/true"), check=1).stderr
    assert "linux.netDevices" in said and "only root" in said
