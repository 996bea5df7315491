"""What a hostile caller can hand down: right, or a clear error, and nothing left behind."""

import os
import resource
import signal
import subprocess

import pytest

from . import conftest

BIG_ENV = {f"V{i}": "x" * 4000 for i in range(400)}
HOSTILE_ENV = {
    "LD_PRELOAD": "/nosuch.so", "LD_LIBRARY_PATH": "/tmp", "GLIBC_TUNABLES": "glibc.malloc.check=3",
    "TMPDIR": "/nosuch", "PATH": "", "IFS": "/", "HOME": "/nosuch", "XDG_RUNTIME_DIR": "/nosuch",
    "LISTEN_FDS": "99999", "LOCALD_SANDBOX": "../../x", "MALLOC_PERTURB_": "165",
}


@pytest.fixture(params=["run", "exec", "create"])
def verb(request, shim, bundle):
    """Calls one verb in a caller's state; the status, what was said, and whether it took effect."""
    def call(**kwargs):
        if request.param == "run":
            result = shim.run(bundle.sh("echo works"), **kwargs)
            return result.returncode, result.stderr, "works" in result.stdout
        if request.param == "exec":
            result = shim("exec", "c", "/bin/echo", "works", **kwargs)
            return result.returncode, result.stderr, "works" in result.stdout
        # Not a file, which limits would be for; and the container keeps it open.
        reader, writer = os.pipe()
        status = subprocess.run(
            shim.command("create", "--bundle", bundle.sh("echo works").path, "new"),
            stdin=subprocess.DEVNULL, stdout=writer, stderr=writer, timeout=60, check=False,
            **{"cwd": "/", **shim.user.arguments, **kwargs}).returncode
        os.write(writer, b"\n")
        text = os.read(reader, 65536).decode()
        os.close(reader)
        os.close(writer)
        there = "new" in shim("list", "-q", check=0).stdout.split()
        shim("delete", "--force", "new", check=0)
        return status, text, there

    if request.param == "exec":
        with shim.running(bundle):
            yield call
    else:
        yield call


def limited(**limits):
    def apply():
        for name, value in limits.items():
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))
    return apply


@pytest.mark.parametrize("limits", [
    *({"NOFILE": n} for n in (3, 4, 5, 6, 7, 9, 12, 24)), {"FSIZE": 0}, {"FSIZE": 100}, {"NPROC": 1},
    {"AS": 1 << 20}, {"AS": 64 << 20}, {"STACK": 16384}, {"DATA": 4096}, {"MEMLOCK": 0}, {"CORE": 0},
    {"MSGQUEUE": 0}, {"SIGPENDING": 0},
], ids=lambda limits: "-".join(f"{k}{v}" for k, v in limits.items()))
def test_tiny_limits(verb, limits):
    """It works, or it says why; a signal would be neither."""
    status, said, works = verb(preexec_fn=limited(**limits))
    assert works == (status == 0), (status, said)
    if status != 0:
        # What cannot even be executed is the kernel's to kill.
        killed = status == -signal.SIGKILL or status == -signal.SIGSEGV
        assert said.strip() or (killed and set(limits) & {"AS", "STACK", "DATA"}), (status, said)
        assert not killed or set(limits) & {"AS", "STACK", "DATA"}, (status, said)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_streams(verb, closed):
    status, said, _ = verb(preexec_fn=lambda: [os.close(fd) for fd in closed])
    assert status in (0, 1), said  # echo fails where its output is closed


def test_umask_and_signals(verb):
    def hostile():
        os.umask(0o777)
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        for number in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)

    status, said, works = verb(preexec_fn=hostile)
    assert status == 0 and works, said


@pytest.mark.parametrize("timer", [signal.ITIMER_VIRTUAL, signal.ITIMER_PROF])
def test_a_timer_that_is_far_away(verb, timer):
    status, said, works = verb(preexec_fn=lambda: signal.setitimer(timer, 600))
    assert status == 0 and works, said


@pytest.mark.parametrize("env", [HOSTILE_ENV, {}, BIG_ENV], ids=["hostile", "empty", "full"])
def test_environments(verb, env):
    if env is BIG_ENV and os.sysconf("SC_ARG_MAX") < 1 << 21:
        pytest.skip("this system takes no such environment")
    # newuidmap is found by PATH: an empty one is the only reason to fail.
    status, said, works = verb(env=env)
    assert (status == 0 and works) or "newuidmap" in said, (status, said)


def test_low_priority_and_many_descriptors(verb):
    fds = [os.open("/dev/null", os.O_RDONLY) for _ in range(1024)]
    try:
        status, said, works = verb(preexec_fn=lambda: os.nice(19), pass_fds=fds)
    finally:
        for fd in fds:
            os.close(fd)
    assert status == 0 and works, said


def test_without_any_argument(shim, bundle):
    """CVE-2021-4034: argc 0, or the empty name that the kernel makes of it."""
    result = subprocess.run(
        [conftest.built("tests/support/probe"), "argc0", shim.program], stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True, timeout=60, check=False, **shim.user.arguments)
    assert result.returncode == 2 and "usage" in result.stderr


def test_very_long_arguments(shim, bundle):
    result = shim("run", "--bundle", "x" * 120_000, "c")
    assert result.returncode == 1 and "--bundle" in result.stderr
    assert shim("state", "y" * 120_000).returncode == 2
    assert shim("z" * 120_000).returncode == 2
