"""Every option of crun's and runc's command lines is taken, or refused by its name."""

import json

import pytest

from support import seccomp_agent
from support.waiting import until

TAKEN = {
    "create": "bundle pid-file console-socket preserve-fds no-pivot no-new-keyring config",
    "run": "bundle pid-file console-socket preserve-fds no-pivot no-new-keyring config detach keep",
    "exec": "process cwd env user tty console-socket detach pid-file preserve-fds cap no-new-privs "
            "apparmor process-label cgroup additional-gids ignore-paused",
    "kill": "all regex",
    "delete": "force regex",
    "list": "quiet format",
    "ps": "format",
    "update": "resources memory memory-swap memory-reservation cpu-share cpu-quota cpu-period "
              "cpu-rt-period cpu-rt-runtime cpu-burst cpu-idle cpuset-cpus cpuset-mems pids-limit "
              "blkio-weight",
    "spec": "bundle rootless",
}
REFUSED = [
    ("--systemd-cgroup", "list"), ("--cgroup-manager", "systemd", "list"),
    ("--rootless", "true", "list"), ("--log", "journald:x", "list"),
    ("create", "--pidfd-socket", "x", "c"), ("run", "--pidfd-socket", "x", "c"),
    ("exec", "--pidfd-socket", "x", "c", "true"),
    ("update", "--kernel-memory", "1", "c"), ("update", "--kernel-memory-tcp", "1", "c"),
    ("update", "--l3-cache-schema", "x", "c"), ("update", "--mem-bw-schema", "x", "c"),
    ("checkpoint", "c"), ("restore", "c"), ("events", "c"), ("mounts", "add", "c"),
]


@pytest.mark.parametrize("command", TAKEN)
def test_options_are_taken(root_shim, command):
    said = root_shim(command, "--help", check=0).stdout
    assert [o for o in TAKEN[command].split() if f"--{o} " not in said] == []


def test_options_are_refused_by_name(root_shim):
    for args in REFUSED:
        result = root_shim(*args, check=1)
        name = next((word for word in args if word.startswith("--")), args[0])
        assert f"{name} " in result.stderr and "not supported yet" in result.stderr, args
    unknown = root_shim("run", "--no-such", "c", check=2)
    assert "unknown option `--no-such`" in unknown.stderr


def test_global_options(root_shim):
    for args in (["--rootless", "auto"], ["--rootless=auto"], ["--systemd-cgroup=false"],
                 ["--cgroup-manager=disabled"], ["--log-level", "debug"], ["--debug"],
                 ["--log-format=json"]):
        root_shim(*args, "list", check=0)
    assert "--log-level" in root_shim("--log-level", "loud", "list", check=2).stderr
    assert "--log-format" in root_shim("--log-format", "xml", "list", check=2).stderr


def test_lists_in_both_formats(root_shim):
    shim = root_shim
    shim.detached("run", "--detach", "--bundle", shim.new_bundle().args("/bin/sleep", "1000").path,
                  "c")
    listed = json.loads(shim("list", "--format", "json", check=0).stdout)
    assert [(c["id"], c["status"]) for c in listed] == [("c", "running")]
    assert shim("list", check=0).stdout.splitlines()[1].split()[::2][:2] == ["c", "running"]
    pids = json.loads(shim("ps", "--format=json", "c", check=0).stdout)
    assert pids == [listed[0]["pid"]]
    until(lambda: "sleep" in shim("ps", "c", check=0).stdout)
    for command in (["list"], ["ps", "c"]):
        assert "--format must be" in shim(*command, "--format", "yaml", check=2).stderr
    shim("delete", "--force", "c", check=0)


def test_features_tell_the_truth(root_shim):
    told = json.loads(root_shim("features", check=0).stdout)
    assert told["ociVersionMin"] == "1.0.0" and told["hooks"][0] == "prestart"
    for option in told["mountOptions"]:
        if option in ("bind", "rbind", "tmpcopyup", "idmap", "ridmap"):
            continue
        bundle = root_shim.new_bundle().mount("/m", "tmpfs", "tmpfs", [option])
        assert root_shim.run(bundle.args("/bin/true")).returncode == 0, option
    assert told["linux"]["mountExtensions"] == {"idmap": {"enabled": True}}
    for namespace in told["linux"]["namespaces"]:
        assert namespace in "cgroup ipc mount network pid time user uts".split()
    actions = told["linux"]["seccomp"]["actions"]
    for action in actions:
        bundle = root_shim.new_bundle()
        bundle.config["linux"]["seccomp"] = {
            "defaultAction": "SCMP_ACT_ALLOW",
            "listenerPath": str(root_shim.folder / "agent"),
            "syscalls": [{"names": ["reboot"], "action": action}]}
        with seccomp_agent.Agent(root_shim.folder / "agent", root_shim.user.account, 0) as agent:
            assert root_shim.run(bundle.args("/bin/true")).returncode == 0, action
        (root_shim.folder / "agent").unlink()
        assert bool(agent.told) == (action == "SCMP_ACT_NOTIFY")
