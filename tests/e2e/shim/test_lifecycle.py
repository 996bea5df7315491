"""create, start, state, kill, delete, exec, list, ps, pause, resume, update, spec, features."""

import array
import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess

import pytest

from support.waiting import until, watches_files

from . import conftest

FOREVER = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done"


@pytest.fixture
def created(shim, bundle):
    """A container that waits for its start; its output goes to a file."""
    bundle.sh(FOREVER)
    with open(shim.folder / "out", "wb") as out:
        subprocess.run(
            shim.command("create", "--bundle", bundle.path, "--pid-file", shim.folder / "pid", "c"),
            stdout=out, stderr=out, stdin=subprocess.DEVNULL, cwd="/", check=True,
            **shim.user.arguments)
    yield bundle
    shim("delete", "--force", "c", check=0)


def wait_ready(shim):
    """Its program has come to its loop, so it has its traps."""
    until(lambda: (shim.folder / "out").read_text() == "ready\n")


@pytest.fixture
def running(shim, created):
    shim("start", "c", check=0)
    wait_ready(shim)
    return created


def reap(pid):
    """The test run is the subreaper, as conmon is for podman."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_the_whole_life(shim, created):
    state = shim.state_of()
    pid = int((shim.folder / "pid").read_text())
    assert (state["status"], state["pid"], state["bundle"]) == ("created", pid, str(created.path))
    assert (shim.folder / "out").read_text() == ""
    shim("start", "c", check=0)
    assert shim.state_of()["status"] == "running"
    wait_ready(shim)
    assert "not stopped" in shim("delete", "c", check=1).stderr
    assert "is running, not created" in shim("start", "c", check=1).stderr
    shim("kill", "c", "TERM", check=0)
    assert reap(pid) == 9
    assert shim.state_of()["status"] == "stopped" and shim.state_of()["pid"] == 0
    assert "not running" in shim("kill", "c", check=1).stderr
    shim("delete", "c", check=0)
    assert "does not exist" in shim("state", "c", check=1).stderr
    assert (shim.folder / "out").read_text() == "ready\n"


def test_delete_force_kills_and_misses_nothing(shim, running):
    pid = shim.state_of()["pid"]
    shim("delete", "--force", "c", check=0)
    assert reap(pid) == -signal.SIGKILL
    shim("delete", "--force", "c", check=0)
    assert "does not exist" in shim("delete", "c", check=1).stderr


def test_create_says_what_is_missing_at_once(shim, bundle):
    result = shim("create", "--bundle", bundle.args("nosuch").path, "c", check=127)
    assert "nosuch" in result.stderr
    assert shim("list", "-q").stdout == ""


def test_start_says_why_the_program_does_not_run(shim, bundle):
    (bundle.rootfs / "tmp/garbage").write_bytes(b"\x01\x02")
    (bundle.rootfs / "tmp/garbage").chmod(0o755)
    shim.detached("create", "--bundle", bundle.args("/tmp/garbage").path, "c")
    pid = shim.state_of()["pid"]
    assert "Exec format error" in shim("start", "c", check=126).stderr
    assert reap(pid) == 126
    shim("delete", "c", check=0)


@pytest.mark.parametrize("signal_name,status", [("KILL", -9), ("SIGKILL", -9), ("9", -9),
                                                ("sigterm", 9)])
def test_names_of_signals(shim, running, signal_name, status):
    pid = shim.state_of()["pid"]
    shim("kill", "c", signal_name, check=0)
    assert reap(pid) == status


@pytest.mark.parametrize("signal_name", ["", "NOSUCH", "0", "65", "-1", "9x"])
def test_signals_that_are_none(shim, running, signal_name):
    assert shim("kill", "c", "--", signal_name).returncode == 2
    assert shim.state_of()["status"] == "running"


def test_list_in_its_forms(shim, running):
    assert shim("list", "-q", check=0).stdout == "c\n"
    assert "running" in shim("list", check=0).stdout
    (entry,) = json.loads(shim("list", "--format", "json", check=0).stdout)
    assert (entry["id"], entry["status"]) == ("c", "running")


def test_ps(shim, running):
    pid = shim.state_of()["pid"]
    assert pid in json.loads(shim("ps", "--format", "json", "c", check=0).stdout)
    assert str(pid) in shim("ps", "c", check=0).stdout


def test_exec_runs_inside(shim, running):
    out = shim("exec", "c", "sh", "-c", "hostname; id -u; cat /proc/1/comm; pwd; exit 4",
               check=4).stdout
    assert out.split() == ["inside", "0", "sh", "/"]
    inside = shim("exec", "c", "sh", "-c", "for n in user mnt pid net ipc uts cgroup; do "
                  "readlink /proc/self/ns/$n; done; cat /proc/self/uid_map", check=0).stdout
    pid = shim.state_of()["pid"]
    if os.getuid() == 0:
        for name in ("user", "mnt", "pid", "net", "ipc", "uts", "cgroup"):
            assert os.readlink(f"/proc/{pid}/ns/{name}") in inside


def test_exec_options(shim, running):
    out = shim("exec", "--user", "7:8", "--cwd", "/tmp", "--env", "A=b", "--env", "PATH=/bin", "c",
               "sh", "-c", "id -u; id -g; pwd; echo $A; grep -E 'NoNew|CapEff' /proc/self/status",
               check=0).stdout.split()
    assert out == ["7", "8", "/tmp", "b", "CapEff:", "0" * 16, "NoNewPrivs:", "1"]
    caps = shim("exec", "--cap", "CAP_SYS_PTRACE", "c", "grep", "CapEff", "/proc/self/status",
                check=0).stdout
    assert int(caps.split()[1], 16) & 1 << 19


@pytest.mark.parametrize("user", ["", "abc", "1:", ":1", "1x", "4294967296", "4294967295", "-1",
                                  "1:2:3", " 1", "0x0", "1:x"])
def test_exec_with_a_user_that_is_none(shim, running, user):
    """CVE-2026-30892: a slip must not become root."""
    result = shim("exec", f"--user={user}", "c", "id", check=2)
    assert "--user" in result.stderr and result.stdout == ""


def test_exec_waits_for_a_container_that_is_about_to_be_made(shim, bundle):
    waiting = shim.start("exec", "--wait", "c", "echo", "inside")
    until(lambda: waiting.poll() is not None or watches_files(waiting.pid), what="it waits")
    running = shim.start("run", "--bundle", bundle.sh("echo ready; cat").path, "c",
                         stdin=subprocess.PIPE)
    assert waiting.communicate(timeout=20)[0] == "inside\n"
    running.communicate(timeout=20)


def test_exec_errors(shim, running):
    assert "nosuch" in shim("exec", "c", "nosuch", check=127).stderr
    assert "/etc" in shim("exec", "c", "/etc", check=126).stderr
    assert "process.cwd" in shim("exec", "--cwd", "/nosuch", "c", "id", check=1).stderr
    assert "process.cwd" in shim("exec", "--cwd", "/proc/self/fd/3", "c", "id", check=1).stderr
    shim("exec", "--cwd", "tmp", "c", "id", check=2)
    assert "CAP_NOSUCH" in shim("exec", "--cap", "CAP_NOSUCH", "c", "id", check=2).stderr
    shim("exec", "--env", "=x", "c", "id", check=2)
    shim("exec", "c", check=2)
    assert shim("exec", "--user", "70000", "c", "id").returncode == 1


def test_exec_leaks_no_descriptor(shim, running):
    fds = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(20)]
    try:
        out = shim("exec", "c", "ls", "/proc/self/fd", check=0, pass_fds=fds).stdout
    finally:
        for fd in fds:
            os.close(fd)
    assert out.split() == ["0", "1", "2", "3"]


def test_exec_with_a_process_document(shim, running):
    file = shim.folder / "process.json"
    process = dict(running.config["process"], args=["sh", "-c", "id -u; echo $X"],
                   env=["PATH=/bin", "X=y"], user={"uid": 3, "gid": 4})
    file.write_text(json.dumps(process))
    assert shim("exec", "--process", file, "c", check=0).stdout == "3\ny\n"
    process["args"] = 5
    file.write_text(json.dumps(process))
    assert "process.args: must be an array" in shim("exec", "--process", file, "c", check=1).stderr


def test_exec_detached(shim, running):
    file = shim.folder / "exec-pid"
    shim.detached("exec", "--detach", "--pid-file", file, "c", "sh", "-c", "sleep 60")
    pid = int(file.read_text())
    assert pid in json.loads(shim("ps", "--format", "json", "c", check=0).stdout)
    os.kill(pid, signal.SIGKILL)
    assert reap(pid) == -9


def test_exec_cannot_be_traced_or_overwritten(shim, running, program):
    """CVE-2016-9962, CVE-2019-5736: the container waits for the runtime to come in."""
    before = program.read_bytes()
    (running.rootfs / "tmp/hunt").write_text(
        "echo hunting; while :; do for p in /proc/[0-9]*; do case $(readlink $p/exe) in *locald*) "
        "echo evil > $p/exe; ls $p/root/etc/shadow && echo escaped > /tmp/escaped;; esac; "
        "done; done 2>/dev/null")
    hunter = shim.start("exec", "c", "sh", "/tmp/hunt")
    assert hunter.stdout.readline() == "hunting\n"
    for _ in range(30):
        shim("exec", "c", "true", check=0)
    hunter.terminate()
    hunter.communicate(timeout=20)
    assert program.read_bytes() == before
    assert not (running.rootfs / "tmp/escaped").exists()


def test_killing_exec_kills_what_it_runs(shim, running):
    process = shim.start("exec", "c", "sh", "-c", "echo ready; exec sleep 60")
    assert process.stdout.readline() == "ready\n"
    (inside,) = until(lambda: [
        pid for pid in json.loads(shim("ps", "--format", "json", "c", check=0).stdout)
        if b"60" in conftest.command_line(pid)])
    process.kill()
    process.wait(20)
    assert reap(inside) == -signal.SIGKILL


def receive_terminal(listener):
    connection, _ = listener.accept()
    _, ancillary, _, _ = connection.recvmsg(64, socket.CMSG_SPACE(4))
    fds = array.array("i")
    fds.frombytes(ancillary[0][2])
    connection.close()
    return fds[0]


def test_console_socket(shim, bundle):
    bundle.config["process"]["terminal"] = True
    bundle.sh("tty; stty size; read line; echo got:$line")
    path = str(shim.folder / "console")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        os.chmod(path, 0o777)
        listener.listen(1)
        process = shim.start("create", "--bundle", bundle.path, "--console-socket", path, "c",
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        terminal = receive_terminal(listener)
        assert process.wait(20) == 0
    pid = shim.state_of()["pid"]
    shim("start", "c", check=0)
    os.write(terminal, b"hello\n")
    assert reap(pid) == 0
    out = b""
    with contextlib.suppress(OSError):  # EIO: the other end is closed, and all was read
        while chunk := os.read(terminal, 4096):
            out += chunk
    os.close(terminal)
    assert b"/dev/pts/0" in out and b"got:hello" in out
    shim("delete", "c", check=0)


def test_create_with_a_terminal_needs_the_socket(shim, bundle):
    bundle.config["process"]["terminal"] = True
    assert "--console-socket" in shim("create", "--bundle", bundle.write().path, "c",
                                      check=2).stderr


def test_limits_freezing_and_update(root_shim):
    bundle = root_shim.new_bundle()
    path = f"/ld-shim-test-{os.getpid()}"
    bundle.config["linux"]["cgroupsPath"] = path
    bundle.config["linux"]["resources"] = {
        "pids": {"limit": 17}, "memory": {"limit": 64 << 20},
        "cpu": {"shares": 512, "quota": 50000, "period": 100000}}
    process = root_shim.start("run", "--bundle", bundle.sh(FOREVER).path, "c")
    assert process.stdout.readline() == "ready\n"
    root_shim.wait_status("running")
    own = conftest.cgroups(lambda name: name == path[1:])
    assert own

    def value(v1, v2):
        for folder in own:
            for name in (v1, v2):
                if (folder / name).exists() and "/unified/" not in str(folder / name):
                    return (folder / name).read_text().split()[0]
        return None

    assert value("pids.max", "pids.max") == "17"
    assert value("memory.limit_in_bytes", "memory.max") == str(64 << 20)
    assert value("cpu.cfs_quota_us", "cpu.max") == "50000"
    root_shim("update", "--pids-limit", "33", "c", check=0)
    assert value("pids.max", "pids.max") == "33"
    root_shim("update", "--resources", "-", "c", check=0, stdin=None,
              input='{"memory": {"limit": 33554432}}')
    assert value("memory.limit_in_bytes", "memory.max") == str(32 << 20)
    assert "must be an integer" in root_shim(
        "update", "--resources", "-", "c", check=1, stdin=None,
        input='{"memory": {"limit": "much"}}').stderr

    root_shim("pause", "c", check=0)
    assert root_shim.state_of()["status"] == "paused"
    assert "is paused" in root_shim("exec", "c", "true", check=1).stderr
    root_shim("resume", "c", check=0)
    assert root_shim.state_of()["status"] == "running"
    assert "is running" in root_shim("resume", "c", check=1).stderr
    root_shim("exec", "c", "true", check=0)

    root_shim("pause", "c", check=0)
    root_shim("delete", "--force", "c", check=0)
    assert process.wait(20) == 128 + signal.SIGKILL
    assert not conftest.cgroups(lambda name: name == path[1:])


def test_run_keeps_its_status_when_delete_is_faster(shim, bundle):
    for _ in range(10):
        process = shim.start("run", "--bundle", bundle.sh(FOREVER).path, "c")
        assert process.stdout.readline() == "ready\n"
        deletes = [shim.start("delete", "--force", "c") for _ in range(2)]
        for delete in deletes:
            assert delete.wait(20) == 0, delete.stderr.read()
        assert process.wait(20) == 128 + signal.SIGKILL, process.stderr.read()


def test_pids_limit_holds(root_shim):
    bundle = root_shim.new_bundle()
    bundle.config["linux"]["resources"] = {"pids": {"limit": 8}}
    result = root_shim.run(bundle.sh("for i in $(seq 20); do sleep 60 & done; echo end"))
    assert "fork" in result.stderr


def test_a_cgroup_of_others_is_never_killed_or_removed(root_shim):
    """A path that exists already is not ours: neither deleted nor cleared of its processes."""
    tree = next((p for p in (pathlib.Path("/sys/fs/cgroup/pids"), pathlib.Path("/sys/fs/cgroup"))
                 if (p / "cgroup.procs").exists()), None)
    if not tree:
        pytest.skip("no cgroup tree that can be written")
    folder = tree / f"ld-shim-others-{os.getpid()}"
    folder.mkdir()
    other = subprocess.Popen(["sleep", "60"])
    try:
        (folder / "cgroup.procs").write_text(str(other.pid))
        bundle = root_shim.new_bundle()
        bundle.config["linux"]["cgroupsPath"] = f"/{folder.name}"
        root_shim.run(bundle.sh("exit 3"), check=3)
        root_shim("delete", "--force", "c", check=0)
        assert other.poll() is None and folder.exists()
    finally:
        other.kill()
        other.wait()
        for left in {folder, *pathlib.Path("/sys/fs/cgroup").glob(f"*/{folder.name}")}:
            conftest.remove_cgroup(left)


def test_limits_of_an_ordinary_user_without_a_cgroup_are_told(program):
    """As with crun the container runs; `update`, which is there for nothing else, fails."""
    for shim in conftest.audited(conftest.make_shim(program, conftest.rootless_user())):
        bundle = shim.new_bundle().sh("echo ready; cat")
        bundle.config["linux"]["resources"] = {"pids": {"limit": 10}, "memory": {"limit": 1 << 30}}
        log = shim.folder / "log"
        if shim("limits", check=0).stdout == '{"cpu":null,"memory":null,"pids":null}\n':
            pytest.skip("this user has a delegated cgroup")
        with shim.running(bundle, "echo ready; cat"):
            refused = shim("update", "--pids-limit", "7", "c", check=1).stderr
            assert "cgroup" in refused and "hint" in refused
        said = shim("--log", log, "--log-format", "json", "run", "--bundle",
                    bundle.args("/bin/true").path, "c", check=0).stderr
        line = json.loads(log.read_text())
        assert not said and line["level"] == "warning"
        for part in ("not limited: memory.limit, pids.limit: make cgroup", "delegated to you"):
            assert part in line["msg"], line


def test_limits_of_root_are_set_or_an_error(root_shim):
    bundle = root_shim.new_bundle()
    bundle.config["linux"]["resources"] = {"memory": {"limit": 1 << 30, "swap": 1}}
    assert "linux.resources.memory" in root_shim.run(bundle.write(), check=1).stderr


def test_spec_is_a_configuration_that_runs(shim, bundle):
    (bundle.path / "config.json").unlink()
    shim("spec", "--bundle", bundle.path, check=0)
    assert "already" in shim("spec", "--bundle", bundle.path, check=1).stderr
    bundle.config = json.loads((bundle.path / "config.json").read_text())
    bundle.config["process"]["terminal"] = False
    assert "inside" not in shim.output(bundle, "hostname")


def test_features(shim):
    features = json.loads(shim("features", check=0).stdout)
    assert features["ociVersionMax"] == "1.2.0"
    assert "createContainer" in features["hooks"] and "rro" in features["mountOptions"]
    assert "user" in features["linux"]["namespaces"] and features["linux"]["seccomp"]["enabled"]


def test_help_and_usage(shim):
    commands = [line.split()[0] for line in shim("--help", check=0).stdout.splitlines()
                if line.startswith("  ")]
    assert "run" in commands
    for command in commands:
        said = shim(command, "--help", check=0).stdout
        assert said.startswith(f"Usage: locald-shim [OPTION...] {command}")
    other = shim.folder / "runtime"
    other.symlink_to(shim.program)
    said = subprocess.run([other, "start", "--help"], stdout=subprocess.PIPE, text=True, check=True)
    assert said.stdout.startswith("Usage: runtime [OPTION...] start CONTAINER\n")
    other.unlink()
    assert "did you mean `state`" in shim("sttae", check=2).stderr
    shim("run", check=2)
    shim("run", "a", "b", check=2)
    shim("run", "--nosuch", "a", check=2)
    assert "spec: 1.2.0" in shim("--version", check=0).stdout


def test_namespaces_joined_by_path(root_shim):
    """A pod: the second container shares network, ipc and uts with the first."""
    first = root_shim.new_bundle()
    process = root_shim.start("run", "--bundle", first.sh(FOREVER).path, "first")
    assert process.stdout.readline() == "ready\n"
    pid = root_shim.state_of("first")["pid"]
    second = root_shim.new_bundle()
    linux = second.config["linux"]
    for namespace in linux["namespaces"]:
        if namespace["type"] in ("user", "network", "ipc", "uts", "pid"):
            names = {"network": "net"}
            name = names.get(namespace["type"], namespace["type"])
            namespace["path"] = f"/proc/{pid}/ns/{name}"
    del linux["uidMappings"], linux["gidMappings"]
    del second.config["hostname"]
    out = root_shim.output(second, "hostname; for n in net ipc uts pid user mnt; do "
                           "readlink /proc/self/ns/$n; done; cat /proc/1/comm", container="second")
    lines = out.split()
    assert lines[0] == "inside" and lines[-1] == "sh"
    for name, link in zip(("net", "ipc", "uts", "pid", "user"), lines[1:]):
        assert os.readlink(f"/proc/{pid}/ns/{name}") == link
    assert os.readlink(f"/proc/{pid}/ns/mnt") not in lines
    process.terminate()
    process.communicate(timeout=20)


def test_a_namespace_path_that_is_none(shim, bundle):
    for namespace in bundle.config["linux"]["namespaces"]:
        if namespace["type"] == "network":
            namespace["path"] = "/nosuch"
    assert "network namespace /nosuch" in shim.run(bundle.write(), check=1).stderr


def test_exec_never_sees_the_root_of_the_host(shim, bundle):
    """A process that is still on its way into its own root is not joined: exec waits for it."""
    fifo = shim.folder / "go"
    os.mkfifo(fifo, 0o666)
    fifo.chmod(0o666)
    bundle.config["hooks"] = {"createRuntime": [
        {"path": "/bin/sh", "args": ["sh", "-c", f"read line < {fifo}"]}]}
    bundle.sh("while :; do sleep 0.05; done")
    run = shim.start("run", "--bundle", bundle.path, "c")
    until(lambda: shim("state", "c").returncode == 0 and
          shim.state_of()["status"] == "creating")
    late = shim.start("exec", "c", "/bin/sh", "-c", f"echo in; ls /; ls {fifo} 2>/dev/null; :")
    with pytest.raises(subprocess.TimeoutExpired):
        late.wait(0.5)
    fifo.write_text("go\n")
    listed, err = late.communicate(timeout=30)
    assert late.returncode == 0, err
    assert str(fifo) not in listed and "boot" not in listed.split(), listed
    assert shim.state_of()["status"] == "running"
    shim("kill", "c", "KILL", check=0)
    run.wait(30)
