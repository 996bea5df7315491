"""What config.json and the command line ask for, seen from inside the container."""

import json
import os
import pathlib
import subprocess

import pytest

from . import conftest


def test_a_time_namespace_with_offsets(root_shim):
    bundle = root_shim.new_bundle()
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {
        "monotonic": {"secs": 5, "nanosecs": 7}, "boottime": {"secs": 86400}}
    lines = root_shim.output(bundle, "cat /proc/self/timens_offsets").splitlines()
    assert [line.split() for line in lines] == [
        ["monotonic", "5", "7"], ["boottime", "86400", "0"]]


def test_uptime_has_the_offset(shim, bundle):
    bundle.config["linux"]["namespaces"].append({"type": "time"})
    bundle.config["linux"]["timeOffsets"] = {"boottime": {"secs": 100_000_000}}
    assert float(shim.output(bundle, "cat /proc/uptime").split()[0]) > 100_000_000


@pytest.mark.skipif(not os.path.exists("/proc/self/numa_maps"), reason="no NUMA in this kernel")
def test_memory_policy(shim, bundle):
    bundle.config["linux"]["memoryPolicy"] = {"mode": "MPOL_BIND", "nodes": "0"}
    assert " bind:0 " in shim.output(bundle, "cat /proc/self/numa_maps")


def test_shared_root_propagation(shim, bundle):
    bundle.config["linux"]["rootfsPropagation"] = "shared"
    root = next(line for line in shim.output(bundle, "cat /proc/self/mountinfo").splitlines()
                if line.split()[4] == "/")
    assert "shared:" in root


def test_another_file_in_place_of_config_json(shim, bundle):
    bundle.args("/bin/echo", "from the other")
    (bundle.path / "config.json").rename(bundle.path / "other.json")
    assert shim.run(bundle, "--config", "other.json", check=0).stdout == "from the other\n"


def test_run_detached_and_kept(shim, bundle):
    shim.detached("run", "--bundle", bundle.sh("sleep 60").path, "--detach", "c")
    assert shim.state_of()["status"] == "running"
    shim("delete", "--force", "c", check=0)
    assert shim.run(bundle.sh("exit 4"), "--keep").returncode == 4
    assert shim.state_of()["status"] == "stopped"
    shim("delete", "c", check=0)


def test_sockets_of_systemd_are_passed_on(shim, bundle):
    bundle.sh("echo $LISTEN_FDS $LISTEN_PID; cat <&3")
    (shim.folder / "socket").write_text("through it\n")
    script = f'exec 3<{shim.folder}/socket; exec "$@"'
    result = subprocess.run(
        ["sh", "-c", script, "sh", *shim.command("run", "--bundle", bundle.path, "c")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, timeout=60, cwd="/",
        check=True, **{**shim.user.arguments, "env": {"LISTEN_FDS": "1", "PATH": os.defpath}})
    assert result.stdout == "1 1\nthrough it\n"


def test_unknown_capabilities_are_told(shim, bundle):
    """The specification: they are no reason to fail."""
    log = shim.folder / "log"
    bundle.config["process"]["capabilities"]["bounding"] = ["CAP_KILL", "CAP_NOSUCH"]
    shim("--log", log, "--log-format", "json", "run", "--bundle",
         bundle.args("/bin/true").path, "c", check=0)
    line = json.loads(log.read_text())
    assert line["level"] == "warning" and "CAP_NOSUCH" in line["msg"]


def test_a_failing_poststop_hook_is_a_warning(shim, bundle):
    out = shim.folder / "out"
    bundle.config["hooks"] = {"poststop": [
        {"path": "/bin/false"},
        {"path": "/bin/sh", "args": ["sh", "-c", f"echo ran > {out}"]}]}
    result = shim.run(bundle.args("/bin/true"), check=0)
    assert "hooks.poststop[0]" in result.stderr and out.read_text() == "ran\n"


@pytest.mark.parametrize("env,expected", [(None, "of the shim"), (["A=own"], "own"), ([], "")])
def test_environment_of_a_hook(shim, bundle, env, expected):
    out = shim.folder / "out"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"echo \"$A\" > {out}"]}
    bundle.config["hooks"] = {"createRuntime": [hook if env is None else {**hook, "env": env}]}
    shim.run(bundle.args("/bin/true"), check=0,
             env={"A": "of the shim", "PATH": os.environ["PATH"]})
    assert out.read_text().strip() == expected


@pytest.mark.parametrize("key,where", [("apparmorProfile", "/sys/module/apparmor/parameters/enabled"),
                                       ("selinuxLabel", "/sys/fs/selinux/enforce")])
def test_a_label_without_its_security_module_is_refused(shim, bundle, key, where):
    file = pathlib.Path(where)
    if file.exists() and not file.read_text().startswith("N"):
        pytest.skip("this host has it")
    bundle.config["process"][key] = "x"
    assert key in shim.run(bundle.write(), check=1).stderr


def test_an_ordinary_user_gets_a_user_namespace(shim, bundle):
    if shim.user.name != "rootless":
        pytest.skip("for an ordinary user")
    linux = bundle.config["linux"]
    linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] != "user"]
    linux.pop("uidMappings"), linux.pop("gidMappings")
    assert shim.output(bundle, "id -u") == "0\n"
    linux["namespaces"].append({"type": "user"})
    assert shim.output(bundle, "id -u; hostname") == "0\ninside\n"


def test_root_says_whom_a_user_namespace_maps(root_shim):
    bundle = root_shim.new_bundle()
    bundle.config["linux"].pop("uidMappings"), bundle.config["linux"].pop("gidMappings")
    assert "needs linux.uidMappings" in root_shim.run(bundle.args("/bin/true"), check=1).stderr


class Nobody:
    """A user without subordinate ids."""

    name, uid, gid = "nobody", 65534, 65534

    def popen_arguments(self):
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


def test_a_user_without_subordinate_ids_has_one_and_is_warned(program):
    conftest.root_user()
    user = conftest.User("nobody", Nobody(), [(0, 65534, 1)], [(0, 65534, 1)])
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = shim.new_bundle()
        linux = bundle.config["linux"]
        linux["namespaces"] = [ns for ns in linux["namespaces"] if ns["type"] != "user"]
        linux.pop("uidMappings"), linux.pop("gidMappings")
        result = shim.run(bundle.sh("id -u; cat /proc/self/uid_map; su nobody 2>&1"))
        assert result.stdout.split()[:4] == ["0", "0", "65534", "1"], result
        for part in ("warning", "one user id", "change user", "--add-subuids"):
            assert part in result.stderr, result
