"""Bad input: each field of config.json wrong in each way, and what else can be wrong with a bundle.
An error names where it is, and nothing is left behind."""

import copy
import json
import os
import re
import subprocess

import pytest

from . import conftest

U32, I63 = (1 << 32) - 1, (1 << 63) - 1
STR, BOOL, ARR, OBJ = "string", "boolean", "array", "object"


def ints(low, high):
    return ("integer", low, high)


ID, ANY = ints(0, U32 - 1), ints(0, U32)
SIGNED, NATURAL = ints(-1, I63), ints(0, I63)

# What a full configuration has: path, type (and range), and with a "!" before it what it must have.
FIELDS = {
    "!ociVersion": STR, "!root": OBJ, "!root.path": STR, "root.readonly": BOOL,
    "hostname": STR, "domainname": STR, "annotations": OBJ, "annotations.a": STR,
    "mounts": ARR, "mounts[0]": OBJ, "!mounts[0].destination": STR, "mounts[0].type": STR,
    "mounts[0].source": STR, "mounts[0].options": ARR, "mounts[0].options[0]": STR,
    "process": OBJ, "process.terminal": BOOL, "process.consoleSize": OBJ,
    "process.consoleSize.height": ints(0, 65535), "process.consoleSize.width": ints(0, 65535),
    "process.user": OBJ, "process.user.umask": ints(0, 0o777), "process.user.additionalGids": ARR,
    "process.user.additionalGids[0]": ID, "process.user.uid": ANY, "process.user.gid": ANY,
    "!process.args": ARR, "process.args[0]": STR, "process.env": ARR, "process.env[0]": STR,
    "!process.cwd": STR, "process.noNewPrivileges": BOOL, "process.oomScoreAdj": ints(-1000, 1000),
    "process.apparmorProfile": STR, "process.selinuxLabel": STR,
    "process.capabilities": OBJ,
    **{f"process.capabilities.{name}{item}": kind for name in
       ("bounding", "effective", "inheritable", "permitted", "ambient")
       for item, kind in (("", ARR), ("[0]", STR))},
    "process.rlimits": ARR, "process.rlimits[0]": OBJ, "!process.rlimits[0].type": STR,
    "!process.rlimits[0].soft": NATURAL, "!process.rlimits[0].hard": NATURAL,
    "process.scheduler": OBJ, "!process.scheduler.policy": STR,
    "process.scheduler.nice": ints(-20, 19), "process.ioPriority": OBJ,
    "!process.ioPriority.class": STR, "process.ioPriority.priority": ints(0, 7),
    "process.execCPUAffinity": OBJ, "process.execCPUAffinity.initial": STR,
    "process.execCPUAffinity.final": STR,
    "hooks": OBJ,
    **{f"{sign}hooks.{name}{item}": kind for name in
       ("prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop")
       for sign, item, kind in (("", "", ARR), ("", "[0]", OBJ), ("!", "[0].path", STR),
                                ("", "[0].args", ARR), ("", "[0].args[0]", STR), ("", "[0].env", ARR),
                                ("", "[0].env[0]", STR), ("", "[0].timeout", ints(1, 86400)))},
    "linux": OBJ, "linux.namespaces": ARR, "linux.namespaces[0]": OBJ,
    "!linux.namespaces[0].type": STR, "linux.namespaces[0].path": STR,
    **{f"{sign}linux.{name}{item}": kind for name in ("uidMappings", "gidMappings")
       for sign, item, kind in (("", "", ARR), ("", "[0]", OBJ), ("!", "[0].containerID", ANY),
                                ("!", "[0].hostID", ANY), ("!", "[0].size", ANY))},
    "linux.devices": ARR, "linux.devices[0]": OBJ, "!linux.devices[0].path": STR,
    "!linux.devices[0].type": STR, "!linux.devices[0].major": ANY, "!linux.devices[0].minor": ANY,
    "linux.devices[0].fileMode": NATURAL, "linux.devices[0].uid": ANY, "linux.devices[0].gid": ANY,
    "linux.sysctl": OBJ, "linux.cgroupsPath": STR, "linux.mountLabel": STR,
    "linux.rootfsPropagation": STR, "linux.maskedPaths": ARR, "linux.maskedPaths[0]": STR,
    "linux.readonlyPaths": ARR, "linux.readonlyPaths[0]": STR, "linux.personality": OBJ,
    "!linux.personality.domain": STR, "linux.personality.flags": ARR,
    "linux.timeOffsets": OBJ, "linux.timeOffsets.boottime": OBJ,
    "linux.timeOffsets.boottime.secs": ints(-I63 - 1, I63),
    "linux.timeOffsets.boottime.nanosecs": ints(0, 999_999_999),
    "linux.seccomp": OBJ, "!linux.seccomp.defaultAction": STR,
    "linux.seccomp.defaultErrnoRet": ints(0, 4095), "linux.seccomp.architectures": ARR,
    "linux.seccomp.architectures[0]": STR, "linux.seccomp.flags": ARR,
    "linux.seccomp.flags[0]": STR, "linux.seccomp.listenerPath": STR,
    "linux.seccomp.listenerMetadata": STR,
    "linux.seccomp.syscalls": ARR, "linux.seccomp.syscalls[0]": OBJ,
    "!linux.seccomp.syscalls[0].names": ARR, "linux.seccomp.syscalls[0].names[0]": STR,
    "!linux.seccomp.syscalls[0].action": STR, "linux.seccomp.syscalls[0].errnoRet": ints(0, 4095),
    "linux.seccomp.syscalls[0].args": ARR, "linux.seccomp.syscalls[0].args[0]": OBJ,
    "!linux.seccomp.syscalls[0].args[0].index": ints(0, 5),
    "!linux.seccomp.syscalls[0].args[0].value": NATURAL,
    "linux.seccomp.syscalls[0].args[0].valueTwo": NATURAL,
    "!linux.seccomp.syscalls[0].args[0].op": STR,
    "linux.resources": OBJ, "linux.resources.memory": OBJ,
    **{f"linux.resources.memory.{name}": SIGNED for name in
       ("limit", "reservation", "swap", "swappiness", "kernelTCP")},
    "linux.resources.memory.disableOOMKiller": BOOL,
    "linux.resources.cpu": OBJ, "linux.resources.cpu.shares": NATURAL,
    "linux.resources.cpu.quota": SIGNED, "linux.resources.cpu.period": NATURAL,
    "linux.resources.cpu.burst": NATURAL, "linux.resources.cpu.idle": NATURAL,
    "linux.resources.cpu.realtimeRuntime": SIGNED, "linux.resources.cpu.realtimePeriod": NATURAL,
    "linux.resources.cpu.cpus": STR, "linux.resources.cpu.mems": STR,
    "linux.resources.pids": OBJ, "linux.resources.pids.limit": ints(-I63 - 1, I63),
    "linux.resources.blockIO": OBJ, "linux.resources.blockIO.weight": ints(0, 1000),
    "linux.resources.blockIO.throttleReadBpsDevice": ARR,
    "linux.resources.blockIO.throttleReadBpsDevice[0]": OBJ,
    "linux.resources.blockIO.throttleReadBpsDevice[0].major": ANY,
    "linux.resources.blockIO.throttleReadBpsDevice[0].rate": NATURAL,
    "linux.resources.hugepageLimits": ARR, "linux.resources.hugepageLimits[0]": OBJ,
    "!linux.resources.hugepageLimits[0].pageSize": STR,
    "linux.resources.hugepageLimits[0].limit": NATURAL,
    "linux.resources.network": OBJ, "linux.resources.network.classID": ANY,
    "linux.resources.network.priorities": ARR, "linux.resources.network.priorities[0]": OBJ,
    "!linux.resources.network.priorities[0].name": STR,
    "linux.resources.network.priorities[0].priority": ANY,
    "linux.resources.rdma": OBJ, "linux.resources.rdma.hca": OBJ,
    "linux.resources.rdma.hca.hcaHandles": ANY, "linux.resources.unified": OBJ,
    "linux.resources.devices": ARR, "linux.resources.devices[0]": OBJ,
    "!linux.resources.devices[0].allow": BOOL, "linux.resources.devices[0].type": STR,
    "linux.resources.devices[0].major": ints(-1, U32),
    "linux.resources.devices[0].access": STR,
}
HOOK = {"path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}


def full_config(user):
    """All fields of the table, each as it should be."""
    config = conftest.default_config(user)
    linux = config["linux"]
    config |= {
        "domainname": "d", "annotations": {"a": "b"},
        "hooks": {name: [copy.deepcopy(HOOK)] for name in (
            "prestart", "createRuntime", "createContainer", "startContainer", "poststart",
            "poststop")},
    }
    config["root"]["readonly"] = False
    config["process"] |= {
        "terminal": False, "consoleSize": {"height": 1, "width": 1}, "oomScoreAdj": 100,
        "apparmorProfile": "", "selinuxLabel": "",
        "capabilities": {name: ["CAP_KILL"] for name in (
            "bounding", "effective", "inheritable", "permitted", "ambient")},
        "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}],
        "scheduler": {"policy": "SCHED_OTHER", "nice": 1},
        "ioPriority": {"class": "IOPRIO_CLASS_BE", "priority": 4},
        "execCPUAffinity": {"initial": "0", "final": "0"},
    }
    config["process"]["user"] |= {"umask": 18, "additionalGids": [5]}
    linux["namespaces"].append({"type": "time"})
    linux["namespaces"][0]["path"] = None
    linux |= {
        "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 3, "fileMode": 438,
                     "uid": 0, "gid": 0}],
        "sysctl": {}, "cgroupsPath": "/x", "mountLabel": "", "rootfsPropagation": "private",
        "personality": {"domain": "LINUX", "flags": []},
        "timeOffsets": {"boottime": {"secs": 1, "nanosecs": 1}},
        "seccomp": {
            "defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 1,
            "architectures": ["SCMP_ARCH_X86_64"], "flags": ["SECCOMP_FILTER_FLAG_LOG"],
            "listenerPath": "", "listenerMetadata": "", "syscalls": [{
                "names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1,
                "args": [{"index": 0, "value": 1, "valueTwo": 1, "op": "SCMP_CMP_EQ"}]}]},
        "resources": {
            "memory": {"limit": 1 << 30, "reservation": 1, "swap": 1 << 31, "swappiness": 1,
                       "kernelTCP": 1, "disableOOMKiller": True},
            "cpu": {"shares": 2, "quota": 1, "period": 1, "burst": 1, "idle": 0,
                    "realtimeRuntime": 1, "realtimePeriod": 1, "cpus": "0", "mems": "0"},
            "pids": {"limit": 1},
            "blockIO": {"weight": 10, "throttleReadBpsDevice": [
                {"major": 8, "minor": 0, "rate": 1}]},
            "hugepageLimits": [{"pageSize": "2MB", "limit": 1}],
            "network": {"classID": 1, "priorities": [{"name": "lo", "priority": 1}]},
            "rdma": {"hca": {"hcaHandles": 1}}, "unified": {},
            "devices": [{"allow": False, "type": "c", "major": 1, "access": "r"}],
        },
    }
    return config


def place(config, path):
    """The container of a path and the last key in it."""
    keys = [int(k) if k.isdigit() else k for k in re.findall(r"[^.\[\]]+", path)]
    for key in keys[:-1]:
        config = config[key]
    return config, keys[-1]


SAMPLES = {STR: "text", BOOL: True, ARR: [], OBJ: {}, "integer": 1, "real": 1.5}


def wrong_values(kind):
    name = kind if isinstance(kind, str) else kind[0]
    for other, sample in SAMPLES.items():
        if other != name:
            yield sample
    if name == "integer":
        if kind[1] > -I63 - 1:
            yield kind[1] - 1
        if kind[2] < I63:
            yield kind[2] + 1


def refused(shim, bundle, text=None):
    """Runs what must be refused before anything is done."""
    bundle.write()
    if text is not None:
        (bundle.path / "config.json").write_text(text)
    result = shim.run(bundle)
    assert result.returncode == 1 and not result.stdout, result
    assert not shim.state.exists() or not list(shim.state.iterdir()), "a state is left"
    return result.stderr


@pytest.fixture
def full(shim, bundle):
    bundle.config = full_config(shim.user)
    return bundle


def test_the_table_starts_from_a_good_configuration(shim, full):
    """It is read to its end: what is refused is a controller that no host has."""
    for path in FIELDS:
        container, key = place(full.config, path.lstrip("!"))
        assert key in container if isinstance(container, dict) else container[key], path
    full.config["linux"]["resources"] = {}
    full.config["hooks"] = {}
    assert not re.search("must|required|config.json", shim.run(full.args("/bin/true")).stderr)


@pytest.mark.parametrize("part", ["root", "process", "hooks", "linux.r", "linux.s", "linux"])
def test_every_field_with_a_wrong_value(shim, full, part):
    good, tried = copy.deepcopy(full.config), 0
    parts = [p for p in FIELDS if ("linux.resources" in p) == (part == "linux.r")
             and ("linux.seccomp" in p) == (part == "linux.s")]
    for field in parts:
        path = field.lstrip("!")
        top = path.split(".")[0].split("[")[0]
        if not part.startswith(top) and not (part == "root" and top not in (
                "process", "hooks", "linux")):
            continue
        for value in wrong_values(FIELDS[field]):
            full.config = copy.deepcopy(good)
            container, key = place(full.config, path)
            container[key] = value
            assert f"{path}: " in refused(shim, full), (path, value)
            tried += 1
    assert tried > 0


def test_every_field_that_must_be_there(shim, full):
    good = copy.deepcopy(full.config)
    for field in FIELDS:
        if not field.startswith("!"):
            continue
        path = field[1:]
        for missing in (True, False):
            full.config = copy.deepcopy(good)
            container, key = place(full.config, path)
            if missing:
                del container[key]
            else:
                container[key] = None
            assert f"{path}: " in refused(shim, full), path


WORDS = [
    ("ociVersion", "2.0.0"), ("ociVersion", ""), ("root.path", ""), ("mounts[0].destination", ""),
    ("mounts[0].destination", "/" + "x" * 5000), ("process.cwd", "relative"), ("process.args", []),
    ("process.cwd", "/" + "x" * 5000), ("process.env[0]", "NOVALUE"), ("process.env[0]", "=x"),
    ("process.rlimits[0].type", "RLIMIT_NOSUCH"), ("process.scheduler.policy", "SCHED_NOSUCH"),
    ("process.ioPriority.class", "x"), ("process.execCPUAffinity.initial", "0-"),
    ("process.execCPUAffinity.final", "99999"), ("hooks.prestart[0].path", "relative"),
    ("linux.namespaces[0].type", "nosuch"), ("linux.namespaces[1].type", "user"),
    ("linux.namespaces[2].path", "relative"), ("linux.uidMappings[0].size", 0),
    ("linux.devices[0].type", "x"), ("linux.devices[0].path", "relative"),
    ("linux.rootfsPropagation", "nosuch"), ("linux.personality.domain", "WINDOWS"),
    ("linux.seccomp.defaultAction", "SCMP_ACT_NOSUCH"), ("linux.seccomp.syscalls[0].names", []),
    ("linux.seccomp.architectures[0]", "SCMP_ARCH_NOSUCH"), ("linux.seccomp.flags[0]", "NOSUCH"),
    ("linux.seccomp.syscalls[0].args[0].op", "SCMP_CMP_NOSUCH"),
    ("linux.resources.hugepageLimits[0].pageSize", "../x"),
    ("linux.resources.network.priorities[0].name", "a b"), ("linux.resources.unified", {"a/b": "1"}),
    ("linux.resources.devices[0].type", "x"), ("linux.resources.devices[0].access", "rwx"),
    ("hostname", "x" * 65), ("domainname", "x" * 65), ("linux.cgroupsPath", "/" + "x" * 5000),
    ("linux.sysctl", {"../x": "1"}), ("linux.sysctl", {"": "1"}), ("linux.sysctl", {"net..x": "1"}),
    ("linux.maskedPaths", ["x"] * 65537), ("process.user.uid", U32), ("process.user.gid", U32),
]


@pytest.mark.parametrize("path,value", WORDS, ids=lambda v: str(v)[:40])
def test_words_and_numbers_without_a_meaning(shim, full, path, value):
    container, key = place(full.config, path)
    container[key] = value
    said = refused(shim, full)
    # The whole or the part that is wrong.
    parent = path.rsplit(".", 1)[0] if "." in path else path
    assert parent in said, said


@pytest.mark.parametrize("text", [
    "", " ", "{", "[]", "null", "1", '"x"', "\0", "{}{}", '{"ociVersion":"1.0.2"', "{\"a\":\"\\u0000\"}",
    "[" * 100_000, '{"a":' * 3000 + "1" + "}" * 3000, "\xff\xfe{}", '{"ociVersion": 1e999}',
    '{"ociVersion":"1.0.2","root":{"path":"rootfs"},"process":{"user":{"uid":18446744073709551616}}}',
], ids=lambda text: repr(text)[:30])
def test_what_is_no_configuration(shim, bundle, text):
    assert "config.json" in refused(shim, bundle, text)


def test_a_configuration_that_is_too_large(shim, bundle):
    bundle.config["annotations"] = {"a": "x" * (17 << 20)}
    assert "config.json" in refused(shim, bundle)


@pytest.mark.parametrize("kind", ["missing", "file", "link", "fifo", "unreadable"])
def test_a_root_that_is_none(shim, bundle, kind):
    bundle.rootfs.rename(bundle.path / "away")
    if kind == "file":
        bundle.rootfs.write_text("x")
    elif kind == "link":
        bundle.rootfs.symlink_to("nosuch")
    elif kind == "fifo":
        os.mkfifo(bundle.rootfs)
    elif kind == "unreadable":
        if shim.user.name == "root":
            pytest.skip("for an ordinary user")
        (bundle.path / "closed").mkdir(mode=0o000)
        bundle.config["root"]["path"] = "closed/rootfs"
    assert "root.path" in refused(shim, bundle)


@pytest.mark.parametrize("folder", ["nosuch", "config.json", "empty"])
def test_a_bundle_that_is_none(shim, bundle, folder):
    bundle.mkdir("empty")
    result = shim("run", "--bundle", bundle.path / folder, "c", check=1)
    assert folder in result.stderr
    assert not shim.state.exists() or not list(shim.state.iterdir())


@pytest.mark.parametrize("verb", ["run", "create"])
@pytest.mark.parametrize("name,status", [("nosuch", 127), ("/bin/nosuch", 127), ("/tmp", 126),
                                         ("/tmp/plain", 126)])
def test_a_command_that_cannot_run_leaves_nothing(shim, bundle, verb, name, status):
    (bundle.rootfs / "tmp/plain").write_text("x")
    result = shim(verb, "--bundle", bundle.args(name).path, "c", check=status)
    assert name in result.stderr and not list(shim.state.iterdir())


@pytest.mark.parametrize("free_kib", [0, 4, 8])
def test_a_full_disk(program, free_kib):
    """The state is on a file system with room for a part of it."""
    for shim in conftest.audited(conftest.make_shim(program, conftest.root_user())):
        bundle = shim.new_bundle()
        bundle.config["annotations"] = {"a": "x" * 10_000}
        shim.state.mkdir(mode=0o700)
        script = f"""mount -t tmpfs -o size=64k,mode=0700 none {shim.state}
            head -c {(64 - free_kib) * 1024} /dev/zero > {shim.state}/.filler || true
            "$@"; status=$?; ls {shim.state} | wc -l; exit $status"""
        result = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh",
             *shim.command("run", "--bundle", bundle.sh("echo ran").path, "c")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            timeout=60, check=False, cwd="/")
        assert result.returncode == 1 and "No space left" in result.stderr, result
        assert result.stdout == "0\n", result


def test_what_exec_is_given(shim, bundle):
    process = shim.folder / "process.json"
    with shim.running(bundle):
        for field, value in (("args", []), ("cwd", "x"), ("user", 1), ("env", ["x"]),
                             ("rlimits", {}), ("terminal", "no")):
            document = copy.deepcopy(bundle.config["process"])
            document[field] = value
            process.write_text(json.dumps(document))
            result = shim("exec", "--process", process, "c")
            assert result.returncode == 1 and field in result.stderr, (field, result)
        for text in ("", "[]", "{", "null"):
            process.write_text(text)
            assert shim("exec", "--process", process, "c").returncode == 1
        assert str(process) in shim("exec", "--process", f"{process}.nosuch", "c", check=1).stderr
        for words in ([], ["--env", "x", "c", "true"], ["--cwd", "x", "c", "true"], ["c"]):
            assert shim("exec", *words).returncode in (1, 2), words
