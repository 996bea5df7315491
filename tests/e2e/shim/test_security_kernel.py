"""The kernel's doors: cgroups, seccomp, device nodes."""

import json
import os
import pathlib
import platform
import signal
import subprocess

import pytest

from . import conftest

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
MKDIR_32, GETPID_32 = 39, 20
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def profile():
    """What locald's own has, and a rule to try it with."""
    return {
        "defaultAction": "SCMP_ACT_ALLOW",
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": [
            {"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28},
            *({"names": ["ioctl"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
               "args": [{"index": 1, "value": 0xffffffff, "valueTwo": request,
                         "op": "SCMP_CMP_MASKED_EQ"}]} for request in (TIOCSTI, TIOCLINUX)),
        ],
    }


@pytest.mark.parametrize("upper", [0, 1 << 32, 0xffffffff << 32])
@pytest.mark.parametrize("request_", [TIOCSTI, TIOCLINUX])
def test_input_cannot_be_pushed_whatever_the_upper_bits_say(shim, bundle, upper, request_):
    """CVE-2017-5226, CVE-2019-10063: the kernel looks at 32 bits."""
    bundle.config["linux"]["seccomp"] = profile()
    assert shim.output(bundle.probe(), f"probe push-input {request_ | upper}") == "EPERM\n"
    # Others reach the kernel, which says that a null device is no terminal.
    assert shim.output(bundle, "probe push-input 0x5413") == "ENOTTY\n"


@pytest.fixture
def has_32():
    if platform.machine() != "x86_64":
        pytest.skip("for x86-64")
    result = subprocess.run([conftest.built("tests/support/probe"), "call32", str(GETPID_32)],
                            stdout=subprocess.PIPE, text=True, check=False)
    if result.stdout != "OK\n":
        pytest.skip("this kernel has no calls of i386")


def test_calls_of_another_architecture_kill(shim, bundle, has_32):
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    out = shim.output(bundle.probe(), f"probe call32 {GETPID_32}; echo $?; probe call 39; echo $?")
    assert out.split() == [str(128 + signal.SIGSYS), "OK", "0"]


def test_the_rules_hold_for_each_architecture(shim, bundle, has_32):
    bundle.config["linux"]["seccomp"] = profile()
    out = shim.output(bundle.probe(), f"probe call32 {MKDIR_32} 0; probe call 83 0 0; "
                      f"probe call {0x40000000 | 83} 0 0; probe call32 {GETPID_32}")
    assert out.split() == ["ENOSPC", "ENOSPC", "ENOSPC", "OK"]


def test_calls_of_x32_are_refused_where_it_is_not_listed(shim, bundle):
    if platform.machine() != "x86_64":
        pytest.skip("for x86-64")
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO", "errnoRet": 28}]}
    out = shim.output(bundle.probe(), f"probe call {0x40000000 | 39}; echo $?")
    assert out.split()[-1] == str(128 + signal.SIGSYS)


def test_the_filter_holds_for_exec(shim, bundle):
    bundle.config["linux"]["seccomp"] = profile()
    with shim.running(bundle.probe()):
        out = shim("exec", "c", "/bin/probe", "call", "83", "0", "0", check=0).stdout
        assert out == "ENOSPC\n"


def test_device_nodes_cannot_be_made_or_used(shim, bundle):
    """A node that lies in the image is dead in a user namespace."""
    if os.getuid() == 0:
        os.mknod(bundle.rootfs / "tmp/node", 0o666 | 0o020000, os.makedev(1, 5))
        os.chmod(bundle.rootfs / "tmp/node", 0o666)
    caps = conftest.CAPS + ["CAP_MKNOD"]
    bundle.config["process"]["capabilities"] = {
        k: caps for k in ("bounding", "effective", "permitted")}
    out = shim.output(bundle.probe(), """
        for t in 'c 1 1' 'b 8 0' 'b 7 0' 'c 10 229'; do mknod /tmp/made $t 2>/dev/null && echo made
        done; test -e /tmp/node && head -c 1 /tmp/node 2>&1; ls /dev""")
    assert "made" not in out and "sda" not in out and "kmsg" not in out.split()
    if os.getuid() == 0:
        assert "Permission denied" in out


def test_an_image_with_nodes_of_its_own(shim, bundle):
    """They are covered by the host's, which work."""
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] == "/proc"]
    if os.getuid() == 0:
        os.mknod(bundle.rootfs / "dev/zero", 0o666 | 0o020000, os.makedev(1, 5))
    assert shim.output(bundle, "head -c 3 /dev/zero | wc -c; cat /dev/null") == "3\n"


@pytest.mark.parametrize("node", [("c", 1, 1), ("b", 8, 0), ("c", 10, 229)])
def test_device_rules_of_root(root_shim, node):
    """Without a user namespace the cgroup's rules decide: reading, writing and making."""
    kind, major, minor = node
    bundle = root_shim.new_bundle().without("user")
    caps = conftest.CAPS + ["CAP_MKNOD"]
    bundle.config["process"]["capabilities"] = {
        k: caps for k in ("bounding", "effective", "permitted")}
    bundle.config["linux"]["resources"] = {"devices": [{"allow": False, "access": "rwm"}]}
    out = root_shim.output(bundle, f"""
        mknod /tmp/n {kind} {major} {minor} && head -c 1 /tmp/n 2>&1
        (echo > /tmp/n) 2>&1; head -c 1 /dev/zero | wc -c""")
    assert out.count("Operation not permitted") == 2 and out.split()[-1] == "1"


def cgroup_attacks():
    return """
        for d in $(find /sys/fs/cgroup -type d 2>/dev/null); do
            mkdir $d/ld-evil 2>/dev/null && echo made $d
            for f in release_agent notify_on_release cgroup.procs devices.allow memory.max; do
                test -e $d/$f && (echo 1 > $d/$f) 2>/dev/null && echo wrote $d/$f
            done
        done
        mkdir /tmp/m; for t in cgroup cgroup2; do
            mount -t $t -o rw none /tmp/m 2>/dev/null && echo mounted $t; done
        mount -o remount,rw /sys/fs/cgroup 2>/dev/null && echo remounted; echo end"""


@pytest.mark.parametrize("namespaced", [True, False])
@pytest.mark.parametrize("options", [["ro"], ["rw"]])
def test_no_cgroup_of_v1_is_writable(shim, bundle, namespaced, options):
    """CVE-2022-0492, CVE-2023-25809: with and without a cgroup namespace, even where "rw" is asked."""
    if not (CGROUPS / "devices").is_dir():
        pytest.skip("this host has no cgroup v1")
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", *options])
    if not namespaced:
        bundle.without("cgroup")
    assert shim.output(bundle, cgroup_attacks()) == "end\n"


@pytest.mark.parametrize("options", [["ro"], ["rw"]])
def test_no_cgroup_of_v1_is_writable_for_root_of_the_host(root_shim, options):
    if not (CGROUPS / "devices").is_dir():
        pytest.skip("this host has no cgroup v1")
    bundle = root_shim.new_bundle().without("user")
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", options)
    assert root_shim.output(bundle, cgroup_attacks()) == "end\n"


def test_the_hosts_cgroups_are_not_seen_from_an_own_one(root_shim):
    """An ordinary user's container without a delegated cgroup is in its caller's."""
    bundle = root_shim.new_bundle().mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    bundle.config["linux"]["cgroupsPath"] = f"/ld-shim-{os.getpid()}"
    with root_shim.running(root_shim.new_bundle(), container="other"):
        out = root_shim.output(bundle, "cat /proc/self/cgroup; find /sys/fs/cgroup -mindepth 2 -type d")
    assert out and all(line.endswith(":/") for line in out.split()), out


def test_what_the_kernel_must_not_show(shim, bundle):
    """core_pattern, kcore, keys, sysrq and the rest, as locald's own containers have them."""
    linux = bundle.config["linux"]
    linux["maskedPaths"] = ["/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/interrupts",
                            "/sys/firmware"]
    linux["readonlyPaths"] = ["/proc/sys", "/proc/sysrq-trigger", "/proc/irq", "/proc/bus"]
    before = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    out = shim.output(bundle, """
        for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/vm/overcommit_memory
        do (echo x > $f) 2>/dev/null && echo wrote $f; done
        for f in /proc/kcore /proc/keys /proc/timer_list; do head -c 1 $f 2>/dev/null | wc -c; done
        umount /proc/keys 2>/dev/null && echo unmasked
        mount -o remount,rw /proc/sys 2>/dev/null && echo remounted; ls /sys/firmware | wc -l""")
    assert set(out.split()) == {"0"}, out
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == before


def test_features_tell_the_cgroup_mode(shim):
    document = json.loads(shim("features", check=0).stdout)
    assert document["linux"]["cgroup"]
