"""What scripts and suites that were written for crun expect of a runtime."""

import json
import os
import pathlib

import pytest

from support.waiting import until

from . import conftest


def test_a_pattern_names_containers(shim):
    for name in ("web-1", "web-2", "db"):
        shim.detached("run", "--detach", "--bundle", shim.new_bundle().args("/bin/sleep", "1000").path,
                      name)
    refused = shim("kill", "--regex", "web-[", "KILL", check=2)
    assert "--regex `web-[`" in refused.stderr
    shim("kill", "--regex", "^web-", "KILL", check=0)
    for name in ("web-1", "web-2"):
        shim.wait_status("stopped", name)
    assert shim.state_of("db")["status"] == "running"
    shim("delete", "--regex", "^web-", check=0)
    assert shim("list", "-q", check=0).stdout.split() == ["db"]
    shim("delete", "--force", "--regex", ".", check=0)
    assert shim("list", "-q", check=0).stdout == ""


def test_hooks_write_to_files(shim, bundle):
    out, err = shim.folder / "hook.out", shim.folder / "hook.err"
    bundle.config["annotations"] = {
        "run.oci.hooks.stdout": str(out), "run.oci.hooks.stderr": str(err)}
    bundle.config["hooks"] = {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", "echo said; echo cried >&2"]}]}
    shim.run(bundle.args("/bin/true"), check=0)
    assert (out.read_text(), err.read_text()) == ("said\n", "cried\n")
    assert out.stat().st_mode & 0o777 == 0o600
    bundle.config["annotations"]["run.oci.hooks.stdout"] = str(shim.folder)
    shim.run(bundle.args("/bin/true"), check=1)


def test_unknown_system_calls(shim, bundle):
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["no_such_call"], "action": "SCMP_ACT_ERRNO"}]}
    shim.run(bundle.args("/bin/true"), check=0)
    bundle.config["annotations"] = {"run.oci.seccomp_fail_unknown_syscall": "1"}
    refused = shim.run(bundle.args("/bin/true"), check=1)
    assert "linux.seccomp.syscalls: no_such_call is not a system call" in refused.stderr


def test_log_names(shim):
    log = shim.folder / "log"
    shim("--log", f"file:{log}", "state", "nosuch", check=1)
    assert "`nosuch` does not exist" in log.read_text()
    assert "`journald` is not supported yet" in shim("--log", "journald:x", "list", check=1).stderr


def test_names_by_sysctl(shim, bundle):
    bundle.config["domainname"] = "lan"
    bundle.config["linux"]["sysctl"] = {"kernel.domainname": "lan", "kernel.hostname": "inside"}
    assert shim.output(bundle, "cat /proc/sys/kernel/domainname").strip() == "lan"
    bundle.config["linux"]["sysctl"]["kernel.hostname"] = "outside"
    assert "is set by `hostname`" in shim.run(bundle.args("/bin/true"), check=1).stderr


def test_the_domain_by_sysctl(shim, bundle):
    bundle.config["linux"]["sysctl"] = {"kernel.domainname": "lan"}
    assert shim.output(bundle, "cat /proc/sys/kernel/domainname") == "lan\n"
    bundle.config["linux"]["namespaces"] = [
        n for n in bundle.config["linux"]["namespaces"] if n["type"] != "uts"]
    del bundle.config["hostname"]
    assert "does not belong to a namespace" in shim.run(bundle.write(), check=1).stderr


def test_process_may_come_never(shim, bundle):
    """It is optional in the specification, until `start`."""
    del bundle.config["process"]
    shim.detached("create", "--bundle", bundle.write().path, "c")
    assert shim.state_of()["status"] == "created"
    assert "process: is required" in shim("start", "c", check=1).stderr
    shim("delete", "--force", "c", check=0)
    assert "process: is required" in shim.run(bundle, check=1).stderr


def test_mounts_are_listed_in_order(shim, bundle):
    folder = bundle.mkdir("shared")
    for i in range(4):
        bundle.mount(f"/m{i}", "tmpfs" if i % 2 else "bind", folder, [] if i % 2 else ["bind"])
    lines = shim.output(bundle, "cat /proc/self/mountinfo").splitlines()
    points = [line.split()[4] for line in lines]
    assert [p for p in points if p.startswith("/m")] == ["/m0", "/m1", "/m2", "/m3"]


def test_state_of_hooks_has_the_container(shim, bundle):
    out = shim.folder / "hook.out"
    bundle.config["annotations"] = {"run.oci.hooks.stdout": str(out), "a": "b"}
    bundle.config["hooks"] = {"prestart": [{"path": "/bin/cat"}]}
    shim.run(bundle.args("/bin/true"), check=0)
    state = json.loads(out.read_text())
    assert (state["id"], state["status"], state["annotations"]["a"]) == ("c", "created", "b")
    assert conftest.wait_gone(lambda: conftest.processes_of(shim.program)) == []


# The tree of cgroups is everybody's: other containers there may be called `c`, too.
OWN = f"c-{os.getpid()}"


def own_cgroups(container):
    return conftest.cgroups(lambda name: name == f"locald-{container}")


def test_cgroups_come_when_they_are_needed(root_shim):
    """A container that started without a limit is paused and limited all the same."""
    shim = root_shim
    bundle = shim.new_bundle().sh("sleep 1000 & sleep 1000 & wait")
    shim.detached("run", "--detach", "--bundle", bundle.path, OWN)
    assert not own_cgroups(OWN)

    def processes():
        return sorted(json.loads(shim("ps", "--format", "json", OWN, check=0).stdout))

    until(lambda: len(processes()) == 3, what="the shell has started the two")
    before = processes()
    shim("pause", OWN, check=0)
    assert shim.state_of(OWN)["status"] == "paused"
    shim("resume", OWN, check=0)
    shim("update", "--pids-limit", "77", "--memory", str(64 << 20), OWN, check=0)
    limits = [p.read_text().strip() for d in own_cgroups(OWN) for p in d.glob("pids.max")]
    assert limits == ["77"]
    for folder in own_cgroups(OWN):
        members = sorted(map(int, (folder / "cgroup.procs").read_text().split()))
        assert members == before, folder
    shim("delete", "--force", OWN, check=0)
    assert not own_cgroups(OWN)


def test_a_run_that_waits_removes_late_cgroups(root_shim):
    process = root_shim.start("run", "--bundle", root_shim.new_bundle().args("/bin/sleep", "1000").path, OWN)
    until(lambda: root_shim("state", OWN).returncode == 0)
    root_shim.wait_status("running", OWN)
    root_shim("update", "--pids-limit", "10", OWN, check=0)
    assert own_cgroups(OWN)
    root_shim("kill", OWN, "KILL", check=0)
    assert process.wait(30) == 137
    assert not own_cgroups(OWN)


def test_late_cgroups_need_a_pid_namespace(root_shim):
    bundle = root_shim.new_bundle().args("/bin/sleep", "1000")
    namespaces = bundle.config["linux"]["namespaces"]
    bundle.config["linux"]["namespaces"] = [n for n in namespaces if n["type"] != "pid"]
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["type"] != "proc"]
    root_shim.detached("run", "--detach", "--bundle", bundle.write().path, "c")
    assert "pid namespace" in root_shim("pause", "c", check=1).stderr
    root_shim("delete", "--force", "c", check=0)


FROZEN = pathlib.Path("/sys/fs/cgroup/freezer")


@pytest.mark.skipif(not (FROZEN / "cgroup.procs").exists(), reason="no freezer of cgroup v1")
def test_delete_ends_what_somebody_else_froze(root_shim):
    bundle = root_shim.new_bundle().mount("/sys/fs/cgroup", "cgroup", "cgroup", ["ro"])
    root_shim.detached("run", "--detach", "--bundle", bundle.args("/bin/sleep", "1000").path, "c")
    folder = FROZEN / f"ld-shim-frozen-{os.getpid()}"
    folder.mkdir()
    try:
        (folder / "cgroup.procs").write_text(str(root_shim.state_of()["pid"]))
        (folder / "freezer.state").write_text("FROZEN")
        assert root_shim("delete", "--force", "c", check=0).stderr == ""
    finally:
        (folder / "freezer.state").write_text("THAWED")
        conftest.remove_cgroup(folder)
