"""`run`: status, signals, what is inherited, and that nothing outlives it."""

import fcntl
import json
import os
import pty
import resource
import signal
import struct
import subprocess
import termios

import pytest

@pytest.mark.parametrize("status", [0, 1, 7, 125, 255])
def test_exit_status_is_passed_on(shim, bundle, status):
    shim.run(bundle.sh(f"exit {status}"), check=status)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
def test_death_by_signal_is_128_plus_it(shim, bundle, number):
    # Process 1 of a namespace ignores what it does not handle, so a child does the dying.
    assert shim.run(
        bundle.sh(f"sh -c 'kill -{int(number)} $$'; exit $?")).returncode == 128 + number
    assert shim.run(
        bundle.sh(f"kill -{int(number)} $$; exec sleep 60"), "--init").returncode == 128 + number


def test_standard_streams_are_the_callers(shim, bundle):
    result = shim.run(bundle.sh("cat; echo to-err >&2"), stdin=None, input="from the caller")
    assert (result.stdout, result.stderr) == ("from the caller", "to-err\n")


@pytest.mark.parametrize("name", ["nosuch", "/bin/nosuch", "/nosuch/dir"])
def test_a_missing_command_is_127(shim, bundle, name):
    result = shim.run(bundle.args(name), check=127)
    assert name in result.stderr and "not found" in result.stderr


@pytest.mark.parametrize("name", ["/etc", "/tmp/plain", "plain"])
def test_a_command_that_is_not_executable_is_126(shim, bundle, name):
    (bundle.rootfs / "tmp/plain").write_text("no program")
    (bundle.rootfs / "tmp/plain").chmod(0o644)
    bundle.config["process"]["env"] = ["PATH=/tmp"]
    result = shim.run(bundle.args(name), check=126)
    assert name in result.stderr


def test_a_file_in_no_format_is_126(shim, bundle):
    (bundle.rootfs / "tmp/garbage").write_bytes(b"\x01\x02\x03")
    (bundle.rootfs / "tmp/garbage").chmod(0o755)
    assert "Exec format error" in shim.run(bundle.args("/tmp/garbage"), check=126).stderr


def test_signals_are_forwarded(shim, bundle):
    process = shim.start("run", "--bundle", bundle.sh(
        "trap 'echo got; exit 5' USR1; echo ready; while :; do sleep 0.05; done").path, "c")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGUSR1)
    assert process.communicate(timeout=20)[0] == "got\n"
    assert process.returncode == 5


def test_init_forwards_to_a_program_without_handlers(shim, bundle):
    process = shim.start("run", "--init", "--bundle", bundle.sh("echo ready; exec sleep 60").path,
                         "c")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM


def test_init_reaps_orphans(shim, bundle):
    script = """
        for i in 1 2 3 4 5; do (sleep 0.05 &) ; done
        while [ $(ls -d /proc/[0-9]* | wc -l) -gt 5 ]; do sleep 0.05; done
        cat /proc/1/comm; echo $$
    """
    assert shim.run(bundle.sh(script), "--init", check=0).stdout.split() == ["locald-shim", "2"]


def test_init_holds_nothing_of_the_host(shim, bundle):
    script = "ls -l /proc/1/fd; grep -E 'CapEff|NoNewPrivs|Uid' /proc/1/status"
    out = shim.run(bundle.sh(script), "--init", check=0).stdout.splitlines()
    assert not [line for line in out if "->" in line]
    assert "CapEff:\t0000000000000020" in out and "NoNewPrivs:\t1" in out


def test_init_needs_a_pid_namespace(shim, bundle):
    bundle.config["linux"]["namespaces"] = [
        n for n in bundle.config["linux"]["namespaces"] if n["type"] != "pid"]
    assert "--init" in shim.run(bundle.write(), "--init", check=1).stderr


@pytest.mark.parametrize("options", [(), ("--init",)])
def test_killing_the_shim_kills_the_container(shim, bundle, options):
    process = shim.start("run", *options, "--bundle",
                         bundle.sh("echo ready; sleep 61 & sleep 62").path, "c")
    assert process.stdout.readline() == "ready\n"
    inside = shim.state_of()["pid"]
    process.kill()
    process.wait(20)
    # Its standard output closes when the last process of the container is gone.
    assert process.stdout.read() == ""
    # The test run is the reaper of what lost its parent.
    _, status = os.waitpid(inside, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    # And its name is free again, although nobody could remove the state.
    shim.run(bundle.args("/bin/true"), check=0)


def test_a_program_that_changes_user_dies_with_the_shim_too(shim, bundle):
    # Changing user clears PR_SET_PDEATHSIG; with --init process 1 keeps it.
    (bundle.rootfs / "etc/passwd").write_text("root:x:0:0::/:/bin/sh\nu:x:33:33::/:/bin/sh\n")
    (bundle.rootfs / "etc/group").write_text("root:x:0:\nu:x:33:\n")
    process = shim.start("run", "--init", "--bundle", bundle.sh(
        "exec su u -c 'id -u; exec sleep 60'").path, "c")
    assert process.stdout.readline() == "33\n"
    process.kill()
    process.wait(20)
    assert process.stdout.read() == ""


def test_a_hundred_inherited_descriptors_do_not_reach_it(shim, bundle):
    fds = [fcntl.fcntl(os.open("/etc/passwd", os.O_RDONLY), fcntl.F_DUPFD, 50) for _ in range(100)]
    try:
        out = shim.run(bundle.args("/bin/ls", "/proc/self/fd"), check=0, pass_fds=fds).stdout
    finally:
        for fd in fds:
            os.close(fd)
    assert out.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads


def test_preserved_descriptors_and_no_others(shim, bundle):
    def dup_to_3():
        os.dup2(fd, 3)
        os.dup2(fd, 4)
        os.dup2(fd, 5)

    fd = os.open("/etc/hostname", os.O_RDONLY)
    try:
        out = shim.run(bundle.sh("ls /proc/self/fd; cat <&3 >/dev/null && echo read"),
                       "--preserve-fds", 2, check=0, pass_fds=(3, 4, 5), preexec_fn=dup_to_3).stdout
    finally:
        os.close(fd)
    assert out.split() == ["0", "1", "2", "3", "4", "5", "read"]


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams(shim, bundle, closed):
    def close():
        for fd in closed:
            os.close(fd)

    result = shim.run(bundle.sh("exit 3"), preexec_fn=close)
    assert result.returncode == 3


def test_umask_of_the_caller_does_not_matter(shim, bundle):
    out = shim.run(bundle.sh("umask; touch /tmp/a; stat -c %a /tmp/a /dev/shm"), check=0,
                   preexec_fn=lambda: os.umask(0o777)).stdout
    assert out.split() == ["0022", "644", "1777"]


def test_umask_of_the_configuration(shim, bundle):
    bundle.config["process"]["user"]["umask"] = 0o77
    assert shim.output(bundle, "umask").strip() == "0077"


def test_a_deleted_working_directory_of_the_caller(shim, bundle):
    gone = shim.folder / "gone"
    gone.mkdir()
    os.chown(gone, shim.user.account.uid, shim.user.account.gid)
    shim.run(bundle, check=0, cwd="/", preexec_fn=lambda: (os.chdir(gone), os.rmdir(gone)))
    assert not gone.exists()


def test_blocked_and_ignored_signals_do_not_reach_it(shim, bundle):
    def ignore():
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32))
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)

    out = shim.run(bundle.args("/bin/grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"), check=0,
                   preexec_fn=ignore).stdout
    assert [line.split()[1] for line in out.splitlines()] == ["0" * 16, "0" * 16]


def test_tiny_limits_of_the_caller_are_a_clear_error_or_work(shim, bundle):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (4, 4))

    result = shim.run(bundle, preexec_fn=limit)
    assert result.returncode != 0 and "Too many open files" in result.stderr
    shim.run(bundle, check=0, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32)))


def test_working_directory(shim, bundle):
    bundle.config["process"]["cwd"] = "/tmp"
    assert shim.output(bundle, "pwd").strip() == "/tmp"
    bundle.config["process"]["cwd"] = "/made/for/it"
    assert shim.output(bundle, "pwd").strip() == "/made/for/it"


@pytest.mark.parametrize("cwd", ["/bin/busybox", "/proc/self/fd/3", "/proc/self/fd/9"])
def test_a_bad_working_directory(shim, bundle, cwd):
    bundle.config["process"]["cwd"] = cwd
    result = shim.run(bundle.write())
    assert result.returncode == 1 and "process.cwd" in result.stderr and cwd in result.stderr


def test_no_descriptor_of_the_host_is_a_working_directory(shim, bundle):
    """CVE-2024-21626: no number leads to a directory of the host."""
    for number in range(3, 40):
        bundle.config["process"]["cwd"] = f"/proc/self/fd/{number}"
        result = shim.run(bundle.sh("ls ..; echo escaped"))
        assert result.returncode == 1 and "escaped" not in result.stdout, result


def test_limits_are_as_configured(shim, bundle):
    bundle.config["process"]["rlimits"] = [
        {"type": "RLIMIT_NOFILE", "soft": 100, "hard": 200},
        {"type": "RLIMIT_CORE", "soft": 0, "hard": 0},
    ]
    out = shim.output(bundle, "ulimit -n; ulimit -Hn; ulimit -c")
    assert out.split() == ["100", "200", "0"]


def test_a_terminal(shim, bundle):
    bundle.config["process"]["terminal"] = True
    bundle.config["process"]["consoleSize"] = {"height": 33, "width": 99}
    leader, follower = pty.openpty()
    process = shim.start("run", "--bundle", bundle.sh(
        "tty; test -c /dev/console && echo console; read line; echo got:$line").path, "c",
        stdin=follower, stdout=follower, stderr=follower)
    os.close(follower)
    os.write(leader, b"hello\n")
    out = b""
    while True:
        try:
            chunk = os.read(leader, 4096)
        except OSError:
            break
        if not chunk:
            break
        out += chunk
    os.close(leader)
    assert process.wait(20) == 0, out
    assert b"/dev/pts/0" in out and b"console" in out and b"got:hello" in out


@pytest.mark.parametrize("verb", ["run", "exec"])
def test_a_terminal_has_its_size_before_the_program_runs(shim, bundle, verb):
    bundle.config["process"]["terminal"] = verb == "run"
    bundle.config["process"]["consoleSize"] = {"height": 33, "width": 99}
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 90, 0, 0))
    streams = {"stdin": follower, "stdout": follower, "stderr": follower}
    if verb == "run":
        process = shim.start("run", "--bundle", bundle.args("/bin/stty", "size").path, "c", **streams)
    else:
        running = shim.start("run", "--bundle", bundle.sh("echo ready; cat").path, "c",
                             stdin=subprocess.PIPE)
        assert running.stdout.readline() == "ready\n"
        process = shim.start("exec", "--tty", "c", "/bin/stty", "size", **streams)
    os.close(follower)
    assert os.read(leader, 4096).split() == [b"30", b"90"]
    assert process.wait(20) == 0
    os.close(leader)
    if verb == "exec":
        running.communicate(timeout=20)


def test_pid_file(shim, bundle):
    file = shim.folder / "pid"
    process = shim.start("run", "--bundle", bundle.sh("echo ready; cat").path, "--pid-file",
                         str(file), "c", stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    assert int(file.read_text()) == shim.state_of()["pid"]
    process.communicate(timeout=20)


def test_log_is_json_lines(shim, bundle):
    log = shim.folder / "log"
    shim("--log", log, "--log-format", "json", "run", "--bundle", bundle.args("nosuch").path, "c",
         check=127)
    line = json.loads(log.read_text())
    assert "nosuch" in line["msg"] and line["level"] == "error" and line["time"]


def test_hooks_run_in_order_with_the_state(shim, bundle):
    out = shim.folder / "hooks"
    out.touch()
    out.chmod(0o666)

    def hook(name, inside=False):
        target = "/tmp/hooks" if inside else out
        text = f"(echo {name}; cat; echo) >> {target}"
        return [{"path": "/bin/sh", "args": ["sh", "-c", text], "env": ["PATH=/bin:/usr/bin"]}]

    (bundle.rootfs / "tmp/hooks").touch()
    (bundle.rootfs / "tmp/hooks").chmod(0o666)
    names = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"]
    bundle.config["hooks"] = {name: hook(name) for name in names}
    bundle.config["hooks"]["startContainer"] = hook("startContainer", inside=True)
    shim.run(bundle.sh("cat /tmp/hooks"), check=0)
    lines = out.read_text().split("\n")
    assert lines[0::2][:5] == names
    states = [json.loads(line) for line in lines[1::2][:5]]
    assert [s["status"] for s in states] == [
        "created", "creating", "creating", "running", "stopped"]
    assert all(s["id"] == "c" and s["bundle"] == str(bundle.path) for s in states)


def test_a_failing_hook_leaves_nothing(shim, bundle):
    bundle.config["hooks"] = {"createRuntime": [{"path": "/bin/false"}]}
    result = shim.run(bundle.sh("echo started"))
    assert result.returncode == 1 and result.stdout == ""
    assert "hooks.createRuntime[0]" in result.stderr


@pytest.mark.parametrize("verb", ["run", "create"])
@pytest.mark.parametrize("broken, expected", [
    ("program", ["prestart", "createRuntime", "poststop stopped"]),
    ("createRuntime", ["prestart", "poststop stopped"]),
    ("root", []),
])
def test_what_hooks_began_is_ended_when_the_start_fails(shim, bundle, verb, broken, expected):
    """The specification: a hook that fails, or what comes after it, leads to those of poststop."""
    out = shim.folder / "hooks"

    def hook(text):
        return [{"path": "/bin/sh", "args": ["sh", "-c", f"{text} >> {out}"],
                 "env": ["PATH=/bin:/usr/bin"]}]

    bundle.config["hooks"] = {
        "prestart": hook("echo prestart"), "createRuntime": hook("echo createRuntime"),
        "poststop": hook("sed 's/.*\"status\": *\"\\([a-z]*\\)\".*/poststop \\1/'")}
    if broken == "program":
        bundle.args("/no-such-program")
    elif broken == "createRuntime":
        bundle.config["hooks"]["createRuntime"] = [{"path": "/bin/false"}]
    else:
        bundle.config["root"]["path"] = "no-such-root"
    result = shim(verb, "--bundle", bundle.write().path, "c")
    assert result.returncode != 0
    assert (out.read_text().splitlines() if out.exists() else []) == expected, result.stderr
    assert shim("list", "-q", check=0).stdout == ""


def test_a_slow_hook_is_killed(shim, bundle):
    bundle.config["hooks"] = {
        "prestart": [{"path": "/bin/sleep", "args": ["sleep", "60"], "timeout": 1}]}
    assert "within 1 s" in shim.run(bundle.write(), check=1).stderr


def test_an_id_that_is_taken(shim, bundle):
    process = shim.start("run", "--bundle", bundle.sh("echo ready; cat").path, "c",
                         stdin=subprocess.PIPE)
    assert process.stdout.readline() == "ready\n"
    assert "already exists" in shim.run(bundle, check=1).stderr
    process.communicate(timeout=20)
    assert process.returncode == 0


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../x", "a b", "x" * 256, ".hidden"])
def test_an_id_that_is_none(shim, bundle, name):
    assert shim.run(bundle, container=name).returncode == 2


@pytest.mark.parametrize("option", ["--systemd-cgroup", "--rootless"])
def test_options_that_are_refused_by_name(shim, option):
    result = shim(option, "list", check=1)
    assert option in result.stderr and "hint" in result.stderr
