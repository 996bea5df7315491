"""How containers get their root file system: the kernel's overlay, fuse-overlayfs, or a copy.

In a mount namespace of the test's own, where /dev/fuse is everybody's as udev makes it, and where
overlays can be had as deep as it takes.
"""

import json
import os
import shutil
import signal

import pytest

from support import accounts, audit, elsewhere, images
from support.waiting import until

from .test_container_end import children, inside as processes_inside

KINDS = ["overlay", "fuse-overlayfs", "copy"]
FUSE = shutil.which("fuse-overlayfs", path="/usr/local/bin:/usr/bin:/bin")
JOB = """
    [services.job]
    type = "worker"
    image = "base"
    command = ["sh", "-c", "echo up; exec sleep 1000"]
"""
# The state folder on an overlay, which no other overlay takes as its upper layer.
STATE_ON_OVERLAY = """
    mount -t tmpfs -o mode=755 tmpfs /mnt
    mkdir /mnt/lower /mnt/upper /mnt/work
    mount -t overlay overlay -o lowerdir=/mnt/lower,upperdir=/mnt/upper,workdir=/mnt/work {state}
    chown {uid}:{gid} {state}
    chmod 700 {state}
"""
HIDE_DEVICE = "umount /dev/fuse 2>/dev/null || true; mount --bind /dev/null /dev/fuse"


@pytest.fixture(params=["root", "ordinary user"])
def place(request, locald, installed, sandbox_of, tmp_path):
    """(mount namespace, sandbox in it)."""
    why = elsewhere.cannot_make() or (None if os.path.exists("/dev/fuse") else "there is no /dev/fuse")
    account = accounts.caller()
    if request.param != "root" and not why:
        account, why = accounts.ordinary_user()
    if why:
        pytest.skip(why)
    with elsewhere.elsewhere(elsewhere.FUSE) as there:
        program = locald if account.is_caller else installed
        sandbox = sandbox_of(there.program(program, account, tmp_path / "locald"),
                                     there.account(account))
        yield there, sandbox
        sandbox.shutdown()


def with_image(sandbox):
    sandbox.run("image", "import", str(images.busybox_tar(sandbox.root / "base.tar")), "base")
    return sandbox


def up(project):
    """Its container runs: a worker is up when its process is there, and that is the runtime at first."""
    project.up()
    until(lambda: "up" in project.log("job"))


def needs(kind):
    if kind == "fuse-overlayfs" and not FUSE:
        pytest.skip("fuse-overlayfs is not installed")


def state_of(there, sandbox):
    return there.path(sandbox.root / "state/locald")


def container_of(there, sandbox, service="job"):
    """Its folder, or None."""
    found = list(state_of(there, sandbox).glob(f"containers/*/{service}"))
    return found[0] if found else None


def kind_of(there, sandbox, service="job"):
    """As the bundle that runs has it."""
    config = json.loads((container_of(there, sandbox, service) / "bundle/config.json").read_text())
    first = config["mounts"][0]
    return first["type"] if first["destination"] == "/" else "copy"


def servers():
    return {pid for pid, process in audit.processes().items() if process.name.startswith("fuse-overlay")}


def served_by(project):
    """The fuse-overlayfs of the service, or None."""
    for child in children(project.service("job")["pid"]):
        if audit.Process(child).name.startswith("fuse-overlay"):
            return child
    return None


def said(sandbox):
    checks = sandbox.attempt("doctor", "--json").json["checks"]
    return next(check for check in checks if check["id"] == "container.overlay")


def run_inside(project, script):
    return project.run("exec", "job", "--", "sh", "-c", script).out.strip()


def ends(pid):
    until(lambda: pid not in audit.processes() or audit.reap() or pid not in audit.processes(), what=pid)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_the_same_inside(place, kind):
    needs(kind)
    there, sandbox = place
    sandbox.environment["LOCALD_CONTAINER_ROOT"] = kind
    project = with_image(sandbox).project(JOB)
    up(project)
    assert kind_of(there, sandbox) == kind
    server = served_by(project)
    assert (server is not None) == (kind == "fuse-overlayfs")
    for script, expected in [
        ("cat /srv/www/index.html", "hello from a container"),
        ("stat -c '%u %a' / /home/app /tmp", "0 755\n1000 755\n0 1777"),
        ("readlink /bin/sh", "busybox"),
        ("echo more >> /srv/www/index.html; rm /bin/yes; mkdir /new; chown 1000 /new; ls -d /new /bin/yes 2>/dev/null || true",
         "/new"),
        ("tail -n 1 /srv/www/index.html", "more"),
    ]:
        assert run_inside(project, script) == expected, script
    # The next container knows nothing of it.
    project.run("restart")
    assert run_inside(project, "ls -d /new /bin/yes; cat /srv/www/index.html") == "/bin/yes\nhello from a container"
    out = sandbox.run("container", "run", "base", "cat", "/srv/www/index.html").out
    assert out == "hello from a container\n"
    project.run("stop")
    until(lambda: container_of(there, sandbox) is None, what="the container's folder is gone")
    if server:
        ends(server)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whom", ["shim", "first process", "keeper and daemon"])
def test_nothing_is_left_of_it(place, kind, whom):
    needs(kind)
    there, sandbox = place
    sandbox.environment["LOCALD_CONTAINER_ROOT"] = kind
    project = with_image(sandbox).project(JOB + '    restart = "no"\n')
    up(project)
    shim, server = project.service("job")["pid"], served_by(project)
    first = next(child for child in children(shim) if child != server)
    namespace = os.readlink(f"/proc/{first}/ns/pid")
    if whom == "keeper and daemon":
        sandbox.kill_daemon()
        os.kill(audit.Process(shim).parent, signal.SIGKILL)
    else:
        os.kill(shim if whom == "shim" else first, signal.SIGKILL)
        until(lambda: project.service("job")["state"] in ("crashed", "exited", "stopped"))
    project.run("stop")
    until(lambda: not processes_inside(namespace))
    if server:
        ends(server)
    until(lambda: container_of(there, sandbox) is None, what="the container's folder is gone")


def test_the_first_that_works_is_taken_and_remembered(place):
    needs("fuse-overlayfs")
    there, sandbox = place
    there.run(STATE_ON_OVERLAY.format(state=sandbox.root / "state", uid=sandbox.account.uid,
                                      gid=sandbox.account.gid))
    check = said(sandbox)
    assert check["level"] == "limited" and "by fuse-overlayfs" in check["text"], check
    assert "upperdir" in check["text"], check
    project = with_image(sandbox).project(JOB)
    project.up()
    assert kind_of(there, sandbox) == "fuse-overlayfs"
    memory = state_of(there, sandbox) / "container-root.json"
    known, number = json.loads(memory.read_text()), memory.stat().st_ino
    assert known["kind"] == "fuse-overlayfs" and "upperdir" in known["why"], known
    project.run("restart")
    assert memory.stat().st_ino == number, "it is not tried again"
    # What was remembered fails once, and is found out again.
    project.run("stop")
    there.run(HIDE_DEVICE)
    project.attempt("up")
    until(lambda: container_of(there, sandbox) and kind_of(there, sandbox) == "copy")
    assert run_inside(project, "cat /srv/www/index.html")
    known = json.loads(memory.read_text())
    assert known["kind"] == "copy" and "upperdir" in known["why"] and "fuse" in known["why"], known
    check = said(sandbox)
    assert "copied at each start" in check["text"] and "/dev/fuse" in check["fix"], check
    project.run("stop")


def test_a_memory_of_another_boot_counts_nothing(place):
    there, sandbox = place
    project = with_image(sandbox).project(JOB)
    project.up()
    assert kind_of(there, sandbox) == "overlay" and said(sandbox)["level"] == "ok"
    memory = state_of(there, sandbox) / "container-root.json"
    known = json.loads(memory.read_text())
    assert known["kind"] == "overlay"
    for text in (json.dumps(known | {"kind": "copy", "for": "another"}), "{", json.dumps(known | {"kind": "x"}), "[]"):
        memory.write_text(text)
        project.run("restart")
        assert kind_of(there, sandbox) == "overlay", text
        assert json.loads(memory.read_text()) == known
    project.run("stop")


def test_a_setting_that_is_none_is_told(sandbox):
    sandbox.environment["LOCALD_CONTAINER_ROOT"] = "aufs"
    check = said(sandbox)
    assert check["level"] == "limited" and "there are overlay, fuse-overlayfs and copy" in check["text"]
    project = with_image(sandbox).project(JOB)
    result = project.attempt("up")
    assert result.status != 0 and "there are overlay, fuse-overlayfs and copy" in result.err, result
    project.run("stop")
