"""Limits of an ordinary user's containers, in scopes of systemd's user manager.

In User-mode Linux, whose cgroups are version 2 alone with every controller, and with a real
`systemd --user`; the root file system is this machine's.  It is a kernel of its own, so nothing of
this machine's cgroups is touched.
"""

import json
import os
import shutil
import signal
import subprocess

import pytest

from support import images
from support.sandbox import STARTED

LINUX = shutil.which("linux.uml")
MANAGER = "/lib/systemd/systemd"
SECONDS = 240

INIT = """\
#!/bin/sh
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
top=/sys/fs/cgroup user=/sys/fs/cgroup/user.slice/user@{uid}.service
mount -t proc proc /proc; mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /run; mount -t tmpfs tmpfs {folder}/work
mkdir -p /dev/shm /dev/pts; mount -t tmpfs tmpfs /dev/shm; mount -t devpts devpts /dev/pts
ip link set lo up
mount -t cgroup2 none $top
hand_down() {{ for each in cpu memory pids; do echo +$each > $1/cgroup.subtree_control; done; }}
mkdir -p $user $top/user.slice/session
hand_down $top; hand_down $top/user.slice
chown {name} $user $user/cgroup.procs $user/cgroup.subtree_control $user/cgroup.threads
mkdir -p /run/systemd/system
mkdir -m 700 /run/user /run/user/{uid} {folder}/work/home
chmod 755 /run/user
chown {name} /run/user/{uid} {folder}/work {folder}/work/home
echo $$ > $user/cgroup.procs
become="setpriv --reuid={uid} --regid={gid} --init-groups env -i HOME={folder}/work/home
    XDG_RUNTIME_DIR=/run/user/{uid} PATH=$PATH"
$become {manager} --user --unit=basic.target >{folder}/out/manager 2>&1 &
tries=0
while [ ! -S /run/user/{uid}/systemd/private ] && [ $tries -lt 300 ]; do sleep 0.1; tries=$((tries + 1)); done
$become sh {folder}/inside >{folder}/out/inside 2>&1
echo $$ > $top/user.slice/session/cgroup.procs
$become {locald} doctor --json >{folder}/out/session
echo done >{folder}/out/done
poweroff -f
"""

INSIDE = """\
out={folder}/out
cgroups() {{ find /sys/fs/cgroup/user.slice -type d -name 'locald-*' "$@"; }}
wait_for() {{ tries=0; until "$@" || [ $tries -gt 300 ]; do sleep 0.1; tries=$((tries + 1)); done; }}
{locald} image import {folder}/base.tar base
mkdir {folder}/work/shop && cd {folder}/work/shop
cp {folder}/locald.toml .
{locald} doctor --json >$out/doctor
{locald} up --json >$out/up
{locald} exec job -- sh -c 'echo $(cat /proc/self/cgroup)' >$out/exec
cgroups -exec sh -c 'cd $1; echo $1 $(cat memory.max pids.max cpu.max)' sh {{}} ';' >$out/limits
has_ended() {{ {locald} status --json | grep -q '"code": *137'; }}
wait_for has_ended
{locald} status --json >$out/status
{locald} stop
are_gone() {{ test -z "$(cgroups)"; }}
wait_for are_gone
cgroups >$out/left
{locald} server shutdown
"""

PROJECT = """\
[services.job]
type = "worker"
image = "base"
command = ["sh", "-c", "exec sleep 1000"]
limits = { memory = "64M", pids = 20, cpus = 0.5 }

[services.free]
type = "worker"
image = "base"
command = ["sleep", "1000"]

[services.hog]
type = "worker"
image = "base"
restart = "no"
command = ["dd", "if=/dev/zero", "of=/dev/null", "bs=200M", "count=1"]
limits = { memory = "32M" }
"""


@pytest.fixture(scope="module")
def told(installed, ordinary_user, tmp_path_factory):
    """What was written in there: a function of a file's name."""
    if os.getuid() != 0:
        pytest.skip("root makes the cgroups")
    if not LINUX or not os.path.exists(MANAGER):
        pytest.skip("needs user-mode-linux and systemd")
    if b"__asan_init" in installed.read_bytes():
        pytest.skip("a program with sanitizers takes more addresses than User-mode Linux has")
    folder = tmp_path_factory.mktemp("uml")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    (folder / "out").mkdir()
    (folder / "work").mkdir()
    os.chown(folder / "out", ordinary_user.uid, ordinary_user.gid)
    images.busybox_tar(folder / "base.tar")
    (folder / "locald.toml").write_text(PROJECT)
    words = {"folder": folder, "locald": installed, "manager": MANAGER, "name": ordinary_user.name,
             "uid": ordinary_user.uid, "gid": ordinary_user.gid}
    (folder / "inside").write_text(INSIDE.format(**words))
    (folder / "init").write_text(INIT.format(**words))
    (folder / "init").chmod(0o755)
    console = run(folder)

    def read(name):
        path = folder / "out" / name
        assert path.exists(), (console, [(p.name, p.read_text()) for p in (folder / "out").iterdir()])
        return path.read_text()

    assert read("done")
    return read


def run(folder):
    """Boots it, and returns what its console said."""
    process = subprocess.Popen(
        [LINUX, "mem=512M", "root=/dev/root", "rootfstype=hostfs", "rw", f"init={folder}/init", "con=null",
         "con0=null,fd:1", "quiet", f"uml_dir={folder}/out"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    STARTED.add(process.pid)
    try:
        return process.communicate(timeout=SECONDS)[0].decode(errors="replace")
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
        STARTED.discard(process.pid)


def check(told, file, name):
    return next(check for check in json.loads(told(file))["checks"] if check["id"] == name)


def test_doctor_says_where_limits_come_from(told):
    assert "containers with limits get a scope of systemd" in check(told, "doctor", "cgroup.v2")["text"]
    limits = check(told, "doctor", "container.limits")
    assert limits["level"] == "ok" and limits["text"] == "cpu, memory, pids, in a scope of systemd", limits


def test_limits_hold_in_a_scope_of_its_own(told):
    """{folder of the cgroup: its limits}"""
    limits = {line.split(" ")[0]: line.split()[1:] for line in told("limits").splitlines()}
    jobs = {path: found for path, found in limits.items() if path.endswith(".job")}
    assert list(jobs.values()) == [[str(64 << 20), "20", "50000", "100000"]], limits
    path = next(iter(jobs))
    assert "/user@" in path and "/app.slice/" in path and path.split("/")[-2].endswith(".scope"), path
    assert not any(".free" in path for path in limits), "who has no limits needs no scope"


def test_a_command_in_it_is_limited_too(told):
    # Its own part of the tree is all that a container sees.
    assert told("exec") == "0::/\n"


def test_out_of_memory_is_named(told):
    services = {service["name"]: service for service in json.loads(told("status"))["services"]}
    assert services["hog"]["last_exit"]["code"] == 137
    assert services["hog"]["detail"].startswith("killed: out of memory (limit 32 MiB)"), services["hog"]
    assert services["job"]["warnings"] == [] and services["hog"]["warnings"] == []


def test_no_cgroup_is_left(told):
    assert told("left") == "", told("left")


def test_a_session_beside_the_manager_is_told(told):
    """As an ssh login whose cgroup is root's, and without systemd itself to move processes."""
    limits = check(told, "session", "container.limits")
    assert limits["level"] == "limited"
    assert "no scope of systemd: systemd-run makes none from this session" in limits["text"], limits
