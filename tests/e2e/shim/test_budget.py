"""What a start costs in system calls, and what the program weighs: budgets that only get smaller."""

import re
import shutil
import subprocess

import pytest

CALLS_SEALED = 288  # as root without a user namespace, where the program moves to a sealed mount
CALLS_PLAIN = 380  # a user namespace, all namespaces, eight mounts and masked paths
OF_CRUN = 0.5  # of what crun needs for the same bundle
SIZE = 1_200_000
MEMORY_CALLS = {"brk", "mmap", "munmap", "mremap"}


def strace(shim, words, *options):
    """What strace writes of a command and of all that it starts, /bin/true included."""
    if not shutil.which("strace"):
        pytest.skip("needs strace")
    out = shim.folder / "strace"
    result = subprocess.run(
        ["strace", "-f", *options, "-o", out, *words], stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, cwd="/",
        check=False, **shim.user.arguments)
    if "PTRACE" in result.stdout:
        pytest.skip("tracing is not allowed here")
    return result, out.read_text()


def calls_of(shim, bundle, words=None):
    """System calls of `run`: the fewest of five, as waits that are interrupted count again."""
    return min(calls_once(shim, bundle, words) for _ in range(5))


def calls_once(shim, bundle, words):
    result, text = strace(shim, words or shim.command("run", "--bundle", bundle.path, "c"), "-c")
    assert result.returncode == 0, result.stdout
    return int(re.match(r"\s*\S+\s+\S+\s+\S+\s+(\d+)", text.splitlines()[-1])[1])


def test_calls_of_a_start(root_shim):
    bundle = root_shim.new_bundle()
    assert calls_of(root_shim, bundle.args("/bin/true")) <= CALLS_PLAIN


def small(bundle):
    """As other runtimes can start it on a host with two kinds of cgroups."""
    bundle.config["ociVersion"] = "1.0.2"
    linux = bundle.config["linux"]
    linux["namespaces"] = [{"type": name} for name in ("pid", "mount", "ipc", "uts")]
    linux.pop("uidMappings"), linux.pop("gidMappings")
    linux["maskedPaths"], linux["readonlyPaths"] = ["/proc/kcore", "/proc/keys"], ["/proc/sys"]
    bundle.config["process"]["capabilities"] = {}
    del bundle.config["mounts"][2:]
    return bundle.args("/bin/true")


def test_calls_of_a_start_with_a_sealed_program(root_shim):
    assert calls_of(root_shim, small(root_shim.new_bundle())) <= CALLS_SEALED


def test_far_fewer_calls_than_crun(root_shim):
    if not shutil.which("crun"):
        pytest.skip("crun is not installed")
    bundle = small(root_shim.new_bundle())
    # It refuses a host with both kinds of cgroups, which are hidden from it where there are both.
    script = 'umount /sys/fs/cgroup/unified 2>/dev/null; exec "$@"'
    crun = ["crun", "--root", root_shim.folder / "crun", "--cgroup-manager=disabled", "run",
            "--bundle", bundle.path, "theirs"]
    words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    around = calls_of(root_shim, bundle, [*words, "true"])
    theirs = calls_of(root_shim, bundle, [*words, *crun]) - around
    shutil.rmtree(root_shim.folder / "crun")
    ours = calls_of(root_shim, bundle)
    assert ours <= OF_CRUN * theirs, (ours, theirs)


@pytest.mark.parametrize("options", [(), ("--init",)])
def test_the_child_asks_for_no_memory(shim, options):
    """Between clone and exec all that it needs is there: its plan, and its own stack."""
    bundle = shim.new_bundle().args("/bin/true")
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
    if shim.user.name == "rootless":  # a program that is traced is not setuid, as newuidmap must be
        for key, own in (("uidMappings", shim.user.account.uid),
                         ("gidMappings", shim.user.account.gid)):
            bundle.config["linux"][key] = [{"containerID": 0, "hostID": own, "size": 1}]
    result, text = strace(shim, shim.command("run", *options, "--bundle", bundle.write().path, "c"))
    assert result.returncode == 0, result.stdout
    lines = [line.split(maxsplit=1) for line in text.splitlines()]
    cloned = next(i for i, (_, call) in enumerate(lines) if call.startswith("clone3("))
    child = next(pid for pid, call in lines[cloned:] if pid != lines[cloned][0])
    calls = []
    for _, call in (line for line in lines[cloned:] if line[0] == child):
        name = call.split("(")[0]
        if name.startswith("exec"):
            break
        calls.append(name)
    assert len(calls) > 100 and not MEMORY_CALLS & set(calls), MEMORY_CALLS & set(calls)


def test_the_program_is_small(shim):
    stripped = shim.folder / "stripped"
    subprocess.run(["strip", "-o", stripped, shim.program], check=True)
    assert stripped.stat().st_size <= SIZE
