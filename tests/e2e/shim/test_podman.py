"""podman with our runtime: what podman passes is understood, and it understands the answers."""

import shutil
import subprocess

import pytest

from . import conftest

LIMITS = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=4096:4096"]


class Podman:
    def __init__(self, program, user, folder):
        self.folder, self.user = folder, user
        self.command = [
            "podman", "--root", folder / "storage", "--runroot", folder / "run",
            "--tmpdir", folder / "tmp", "--storage-driver", "vfs", "--cgroup-manager", "cgroupfs",
            "--events-backend", "file", "--runtime", program]

    def __call__(self, *args, check=None):
        result = subprocess.run(
            [*map(str, self.command), *map(str, args)], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, timeout=100,
            cwd="/", env={"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.folder),
                          "XDG_RUNTIME_DIR": str(self.folder)},
            **self.user.arguments)
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
    assert podman("exec", "c", "hostname", check=0).stdout
    assert podman("exec", "--user", "5:6", "--env", "A=b", "--workdir", "/bin", "c", "sh", "-c",
                  "id -u; id -g; echo $A; pwd", check=0).stdout.split() == ["5", "6", "b", "/bin"]
    podman("exec", "c", "sh", "-c", "exit 9", check=9)
    podman("exec", "c", "nosuch", check=127)
    podman("stop", "--time", "10", "c", check=0)
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
