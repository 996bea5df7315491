"""What a start costs in system calls, and what the program weighs: budgets that only get smaller."""

import re
import shutil
import subprocess

import pytest

CALLS_SEALED = 320  # as root without a user namespace, where the program runs from a sealed copy
CALLS_PLAIN = 450  # a user namespace, all namespaces, eight mounts and masked paths
SIZE = 1_200_000


def calls_of(shim, bundle):
    """System calls of `run` and of all that it starts, /bin/true included."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    counts = shim.folder / "calls"
    result = subprocess.run(
        ["strace", "-f", "-c", "-o", counts, *shim.command("run", "--bundle", bundle.path, "c")],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        timeout=60, cwd="/", check=False, **shim.user.arguments)
    if "PTRACE" in result.stdout:
        pytest.skip("tracing is not allowed here")
    assert result.returncode == 0, result.stdout
    total = counts.read_text().splitlines()[-1]
    return int(re.match(r"\s*\S+\s+\S+\s+\S+\s+(\d+)", total)[1])


def test_calls_of_a_start(root_shim):
    bundle = root_shim.new_bundle()
    assert calls_of(root_shim, bundle.args("/bin/true")) <= CALLS_PLAIN


def test_calls_of_a_start_with_a_sealed_copy(root_shim):
    bundle = root_shim.new_bundle()
    linux = bundle.config["linux"]
    linux["namespaces"] = [{"type": name} for name in ("pid", "mount", "ipc", "uts")]
    linux.pop("uidMappings"), linux.pop("gidMappings")
    linux["maskedPaths"], linux["readonlyPaths"] = ["/proc/kcore", "/proc/keys"], ["/proc/sys"]
    bundle.config["process"]["capabilities"] = {}
    del bundle.config["mounts"][2:]
    assert calls_of(root_shim, bundle.args("/bin/true")) <= CALLS_SEALED


def test_the_program_is_small(shim):
    stripped = shim.folder / "stripped"
    subprocess.run(["strip", "-o", stripped, shim.program], check=True)
    assert stripped.stat().st_size <= SIZE
