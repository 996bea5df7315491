"""podman with our runtime: what podman passes is understood, and it understands the answers."""

import fcntl
import os
import pathlib
import shutil
import struct
import subprocess
import termios
import time
import urllib.request

import pytest

from support.web import free_port

from . import conftest

LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]


class Podman:
    def __init__(self, program, user, folder):
        self.program, self.folder, self.user = program, folder, user
        self.environ = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(folder),
                        "XDG_RUNTIME_DIR": str(folder), "TERM": "xterm",
                        "CONTAINERS_CONF": str(folder / "containers.conf")}
        # For what takes no --ulimit; podman's own defaults may be above the hard limits here.
        limits = ", ".join(f'"{limit}"' for limit in LIMITS[1::2])
        (folder / "containers.conf").write_text(f"[containers]\ndefault_ulimits = [{limits}]\n")
        self.command = [
            "podman", "--root", folder / "storage", "--runroot", folder / "run",
            "--tmpdir", folder / "tmp", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
            "--events-backend", "file", "--runtime", program]

    def __call__(self, *args, check=None):
        result = subprocess.run(
            [*map(str, self.command), *map(str, args)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=100,
            cwd="/", env=self.environ, **self.user.arguments)
        if check is not None:
            assert result.returncode == check, f"{args}: {result}"
        return result

    def run(self, *args, check=0):
        return self("run", *LIMITS, *args, check=check)


@pytest.fixture(params=["root", "rootless"])
def podman(request, program):
    if not shutil.which("podman"):
        pytest.skip("podman is not installed")
    user = conftest.root_user() if request.param == "root" else conftest.rootless_user()
    for shim in conftest.audited(conftest.make_shim(program, user)):
        shim.folder.chmod(0o700)
        bundle = shim.new_bundle()
        image = shim.folder / "image.tar"
        subprocess.run(["tar", "-C", bundle.rootfs, "--owner=0", "--group=0", "-cf", image, "."],
                       check=True)
        image.chmod(0o644)
        run = Podman(program, user, shim.folder)
        run("import", image, "localhost/busybox", check=0)
        yield run
        run("rm", "--all", "--force", "--time", "0")
        # Files of other ids can only be removed from inside the user namespace.
        run("system", "reset", "--force")
        subprocess.run([*map(str, run.command), "unshare", "rm", "-rf", shim.folder / "storage"],
                       check=False, cwd="/", stderr=subprocess.DEVNULL, **user.arguments)


@pytest.mark.timeout(300)
def test_podman_drives_it(podman):
    net = ["--network", "none"]
    image = "localhost/busybox"
    assert podman.run("--rm", *net, image, "id", "-u").stdout == "0\n"
    podman.run("--rm", *net, image, "sh", "-c", "exit 7", check=7)
    assert "nosuch" in podman.run("--rm", *net, image, "nosuch", check=127).stderr
    podman.run("--rm", *net, image, "/etc", check=126)
    out = podman.run("--rm", *net, "--read-only", "--tmpfs", "/scratch", "--user", "33", image,
                     "sh", "-c", "id -u; touch /scratch/x && echo ok; touch /y 2>&1; :").stdout
    assert out.split()[:2] == ["33", "ok"] and "Read-only" in out

    podman.run("--detach", "--name", "c", *net, image, "sh", "-c",
               "trap 'echo bye; exit 3' TERM; echo hello; while :; do sleep 0.1; done")
    until(lambda: podman("logs", "c").stdout == "hello\n", "its program has its trap")
    assert podman("exec", "c", "hostname", check=0).stdout
    assert podman("exec", "--user", "5:6", "--env", "A=b", "--workdir", "/bin", "c", "sh", "-c",
                  "id -u; id -g; echo $A; pwd", check=0).stdout.split() == ["5", "6", "b", "/bin"]
    podman("exec", "c", "sh", "-c", "exit 9", check=9)
    podman("exec", "c", "nosuch", check=127)
    podman("stop", "--time", "60", "c", check=0)
    assert podman("inspect", "--format", "{{.State.ExitCode}}", "c", check=0).stdout == "3\n"
    assert podman("logs", "c", check=0).stdout.split() == ["hello", "bye"]
    podman("start", "c", check=0)
    podman("kill", "c", check=0)
    podman("rm", "--force", "c", check=0)
    assert podman("ps", "--all", "--quiet", check=0).stdout == ""


@pytest.mark.timeout(300)
def test_podman_pauses_and_limits(podman):
    if podman.user.name != "root":
        pytest.skip("needs a cgroup of its own")
    podman.run("--detach", "--name", "c", "--network", "none", "--memory", "64m", "--pids-limit",
               "50", "localhost/busybox", "sleep", "100")
    podman("pause", "c", check=0)
    assert podman("inspect", "--format", "{{.State.Status}}", "c").stdout == "paused\n"
    podman("unpause", "c", check=0)
    podman("exec", "c", "true", check=0)
    podman("rm", "--force", "--time", "0", "c", check=0)


IMAGE = "localhost/busybox"


def until(look, what):
    """Waits for something that podman does beside us."""
    deadline = time.monotonic() + 60
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
    return found


@pytest.mark.timeout(300)
def test_podman_mounts(podman):
    """Volumes of both kinds, read-only and not, and secrets."""
    net = ["--rm", "--network", "none"]
    folder = podman.folder / "shared"
    folder.mkdir()
    os.chown(folder, podman.user.account.uid, podman.user.account.gid)
    (folder / "in").write_text("from the host\n")
    out = podman.run(*net, "-v", f"{folder}:/data", IMAGE, "sh", "-c",
                     "cat /data/in; echo back > /data/out").stdout
    assert out == "from the host\n" and (folder / "out").read_text() == "back\n"
    refused = podman.run(*net, "-v", f"{folder}:/data:ro", IMAGE, "touch", "/data/x", check=1)
    assert "Read-only" in refused.stderr
    podman.run(*net, "-v", "named:/data", IMAGE, "sh", "-c", "echo kept > /data/x")
    assert podman.run(*net, "-v", "named:/data", IMAGE, "cat", "/data/x").stdout == "kept\n"
    podman("volume", "rm", "named", check=0)

    secret = folder / "secret"
    secret.write_text("s3cret")
    podman("secret", "create", "token", secret, check=0)
    assert podman.run(*net, "--secret", "token", IMAGE, "cat", "/run/secrets/token").stdout == "s3cret"
    out = podman.run(*net, "--secret", "token,type=env,target=TOKEN", IMAGE, "sh", "-c",
                     "echo $TOKEN").stdout
    assert out == "s3cret\n"


@pytest.mark.timeout(300)
def test_podman_terminal(podman):
    """-it: a terminal of its own, which gets the caller's size, and what is typed arrives."""
    master, slave = os.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
    process = subprocess.Popen(
        [*map(str, podman.command), "run", *LIMITS, "-it", "--rm", "--network", "none", IMAGE, "sh",
         "-c", "tty; until stty size | grep '33 77'; do sleep 0.1; done; read line; echo got $line; exit 4"],
        stdin=slave, stdout=slave, stderr=slave, cwd="/", env=podman.environ,
        start_new_session=True, **podman.user.arguments)
    os.close(slave)
    text = b""
    while b"33 77" not in text:
        text += os.read(master, 4096)
    os.write(master, b"words\n")
    try:
        while chunk := os.read(master, 4096):
            text += chunk
    except OSError:  # the end of a terminal
        pass
    os.close(master)
    assert process.wait(60) == 4, text
    assert b"/dev/pts/" in text and b"got words" in text


@pytest.mark.timeout(300)
def test_podman_healthcheck(podman):
    podman.run("--detach", "--name", "c", "--network", "none", "--health-cmd",
               "test -e /tmp/well", "--health-interval", "disable", "--health-retries", "1",
               IMAGE, "sleep", "1000")
    podman("healthcheck", "run", "c", check=1)
    podman("exec", "c", "touch", "/tmp/well", check=0)
    podman("healthcheck", "run", "c", check=0)
    state = podman("inspect", "--format", "{{.State.Health.Status}}", "c", check=0).stdout
    assert state == "healthy\n"
    podman("rm", "--force", "--time", "0", "c", check=0)


@pytest.mark.timeout(300)
def test_podman_publishes_ports(podman):
    if podman.user.name == "rootless" and not os.access("/dev/net/tun", os.R_OK | os.W_OK):
        pytest.skip("no /dev/net/tun, which slirp4netns needs")
    port = free_port()
    started = podman("run", *LIMITS, "--detach", "--name", "c", "-p", f"127.0.0.1:{port}:80", IMAGE,
                     "httpd", "-f", "-p", "80", "-h", "/etc")
    if started.returncode != 0 and "locald-shim" not in started.stderr:
        pytest.skip(f"podman cannot make a network here: {started.stderr.strip().splitlines()[-1]}")
    assert started.returncode == 0, started
    podman("exec", "c", "sh", "-c", "echo served > /etc/page", check=0)

    def fetch():
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/page", timeout=5) as page:
                return page.read()
        except OSError:
            return None

    assert until(fetch, "the published port") == b"served\n"
    podman("rm", "--force", "--time", "0", "c", check=0)


@pytest.mark.timeout(300)
def test_podman_limits_are_set(podman):
    if podman.user.name != "root":
        pytest.skip("podman sets limits for an ordinary user on cgroup v2 only")
    podman.run("--detach", "--name", "c", "--network", "none", "--memory", "64m", "--pids-limit",
               "51", "--cpu-shares", "300", IMAGE, "sleep", "1000")
    pid = podman("inspect", "--format", "{{.State.Pid}}", "c", check=0).stdout.strip()
    lines = pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    paths = {name: path for _, names, path in (line.split(":", 2) for line in lines)
             for name in names.split(",")}
    for controller, v1, v2, value in (
            ("memory", "memory.limit_in_bytes", "memory.max", str(64 << 20)),
            ("pids", "pids.max", "pids.max", "51")):
        if controller in paths:
            file = pathlib.Path(f"/sys/fs/cgroup/{controller}{paths[controller]}/{v1}")
        else:
            file = pathlib.Path(f"/sys/fs/cgroup{paths['']}/{v2}")
        assert file.read_text().strip() == value
    podman("rm", "--force", "--time", "0", "c", check=0)


KUBE = """\
apiVersion: v1
kind: Pod
metadata:
  name: pod
spec:
  hostNetwork: true
  restartPolicy: Never
  containers:
  - name: one
    image: localhost/busybox
    command: ["sh", "-c", "trap 'exit 0' TERM; echo $WORD; while :; do sleep 0.1; done"]
    env: [{name: WORD, value: hello}]
    securityContext: {readOnlyRootFilesystem: true}
"""


@pytest.mark.timeout(300)
def test_podman_plays_kube(podman):
    if not (shutil.which("catatonit") or pathlib.Path("/usr/libexec/podman/catatonit").exists()):
        pytest.skip("catatonit, the first process of podman's pods, is not installed")
    file = podman.folder / "pod.yaml"
    file.write_text(KUBE)
    played = podman("kube", "play", file)
    if played.returncode != 0 and "locald-shim" not in played.stderr:
        pytest.skip(f"podman cannot: {played.stderr.strip().splitlines()[-1]}")
    assert played.returncode == 0, played
    until(lambda: podman("logs", "pod-one").stdout == "hello\n", "the log of the pod's container")
    assert "Read-only" in podman("exec", "pod-one", "touch", "/x").stderr
    podman("kube", "down", file, check=0)
    assert podman("ps", "--all", "--quiet", check=0).stdout == ""


@pytest.mark.timeout(300)
def test_buildah_drives_it(podman):
    """buildah: run in a working container, and a build from a Containerfile."""
    if not shutil.which("buildah"):
        pytest.skip("buildah is not installed")
    command = ["buildah", "--root", podman.folder / "storage", "--runroot", podman.folder / "run",
               "--storage-driver", "vfs"]

    def buildah(verb, *args, check=0):
        result = subprocess.run(
            [*map(str, command), verb, *map(str, args)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=100,
            cwd="/", env=dict(podman.environ, BUILDAH_RUNTIME=str(podman.program)),
            **podman.user.arguments)
        assert result.returncode == check, f"{args}: {result}"
        return result

    name = buildah("from", "--pull-never", IMAGE).stdout.strip()
    options = ["--runtime", podman.program, "--isolation", "oci", "--network", "none"]
    assert buildah("run", *options, name, "--", "sh", "-c", "echo in; id -u").stdout == "in\n0\n"
    buildah("run", *options, name, "--", "sh", "-c", "exit 5", check=5)
    buildah("rm", name)
    context = podman.folder / "context"
    context.mkdir()
    (context / "Containerfile").write_text(
        f"FROM {IMAGE}\nRUN echo built > /etc/made\nCMD [\"cat\", \"/etc/made\"]\n")
    buildah("bud", *options, *LIMITS, "--pull-never", "-t", "localhost/made", context)
    assert podman.run("--rm", "--network", "none", "localhost/made").stdout == "built\n"
