"""What a container can do to the runtime itself: its file, its memory, its descriptors."""

import hashlib
import os
import shutil
import subprocess

import pytest

from . import conftest

EXECS = 40
SECRET = "LD_SHIM_SECRET=of-the-host"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(params=["mapped", "own", "host ids"])
def attacked(request, program):
    """(shim, bundle): the program is root's, or the caller's own, or the container has root's id."""
    user = conftest.root_user() if request.param == "host ids" else conftest.rootless_user()
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = shim.new_bundle().probe()
        if request.param == "host ids":
            bundle.without("user")
        if request.param == "own":
            shim.program = shim.folder / "locald-shim"
            shutil.copy(program, shim.program)
            os.chown(shim.program, user.account.uid, user.account.gid)
        yield shim, bundle


@pytest.mark.parametrize("init", [(), ("--init",)])
def test_a_watcher_cannot_touch_what_joins_it(attacked, init):
    """CVE-2019-5736, CVE-2016-9962, CVE-2020-5291: while `exec` joins, nothing of it can be opened,
    traced or written; the program on the host stays as it is."""
    shim, bundle = attacked
    before = digest(shim.program)
    with shim.running(bundle, "exec /bin/probe watch", *init) as process:
        for _ in range(EXECS):
            shim("exec", "c", "/bin/true", check=0)
        out = process.communicate(timeout=60)[0]
    # Process 1 of --init is a clean image of the runtime that has less than the container: `exec`
    # joins through it.
    assert set(out.splitlines()) - {"looked into 1", "traced 1"} == {"watched"}
    assert digest(shim.program) == before


def test_exec_of_the_runtime_by_its_magic_link(attacked):
    shim, bundle = attacked
    before = digest(shim.program)
    script = bundle.rootfs / "tmp/script"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    (bundle.rootfs / "tmp/link").symlink_to("/proc/self/exe")
    with shim.running(bundle):
        for words in (["/proc/self/exe"], ["/tmp/script"], ["/tmp/link", "--version"]):
            shim("exec", "c", *words)
        out = shim("exec", "c", "/bin/sh", "-c",
                   "for p in /proc/[0-9]* /proc/self; do echo x > $p/exe; done; echo end", check=0)
        assert out.stdout == "end\n"
    assert digest(shim.program) == before


def test_root_with_all_capabilities_cannot_make_it_writable(root_shim):
    """Without a user namespace, and with the rights to mount: what it sees has no writable side."""
    caps = [f"CAP_{name}" for name in (
        "SYS_ADMIN DAC_OVERRIDE DAC_READ_SEARCH CHOWN FOWNER SYS_PTRACE SYS_RAWIO".split())]
    bundle = root_shim.new_bundle().without("user")
    bundle.config["process"]["capabilities"] = {
        k: caps for k in ("bounding", "effective", "permitted")}
    before = digest(root_shim.program)
    out = root_shim.output(bundle, """
        readlink /proc/1/exe
        mount -o remount,rw /proc/1/exe 2>/dev/null && echo remounted
        mount -o remount,bind,rw /proc/1/exe 2>/dev/null && echo remounted
        touch /tmp/exe; mount --bind /proc/1/exe /tmp/exe 2>/dev/null && echo bound
        for f in /proc/1/exe /tmp/exe; do test $f -ef /proc/1/exe && (echo evil > $f) 2>/dev/null \\
            && echo wrote $f; done; umount /tmp/exe 2>/dev/null; chmod 777 /proc/1/exe 2>&1""",
                           options=("--init",))
    assert out.split("\n")[0] == "/locald-shim" and "wrote" not in out and "Read-only" in out, out
    assert "remounted" not in out and digest(root_shim.program) == before


def test_where_no_overlay_can_be_had_it_is_a_copy(root_shim):
    """As when the program is on a file system that is no lower layer: on an overlay's third level."""
    bundle = root_shim.new_bundle().without("user")
    folder = root_shim.folder / "stack"
    for i in range(3):
        (folder / f"{i}").mkdir(parents=True)
    (folder / "empty").mkdir()
    script = "".join(
        f"mount -t overlay -o lowerdir={lower}:{folder}/empty overlay {folder}/{i}\n"
        for i, lower in enumerate([root_shim.program.parent, folder / "0"]))
    result = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script + 'exec "$@"', "sh",
         folder / "1/locald-shim", "--root", root_shim.state, "run", "--init", "--bundle",
         bundle.sh("readlink /proc/1/exe").path, "c"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False, cwd="/")
    assert result.stdout == "/memfd:locald-shim (deleted)\n", result


@pytest.mark.parametrize("init", [(), ("--init",)])
def test_nothing_of_the_callers_environment_and_arguments_is_inside(shim, bundle, init):
    """Process 1 of --init is the runtime's own process: it shows neither where the bundle is nor
    what the caller had in its environment."""
    script = "for f in environ cmdline maps; do cat /proc/1/$f | tr '\\0' '\\n'; done; echo end"
    out = shim.run(bundle.sh(script), *init, check=0, env={"PATH": os.defpath, **dict([
        SECRET.split("=")])}).stdout
    assert "end" in out
    assert "of-the-host" not in out and str(bundle.path) not in out and str(shim.state) not in out


def test_process_one_of_init_can_be_read_but_holds_nothing(shim, bundle):
    """Its memory is open to the container's root, so nothing of the host is in it."""
    script = """
        grep -E '^[0-9a-f]+-[0-9a-f]+ rw' /proc/1/maps | while read range rest; do
            start=$(printf %d 0x${range%-*}); end=$(printf %d 0x${range#*-})
            dd if=/proc/1/mem bs=4096 skip=$((start / 4096)) count=$(((end - start) / 4096)) 2>/dev/null
        done | grep -ac of-the-host; echo end"""
    out = shim.run(bundle.sh(script), "--init", check=0,
                   env={"PATH": os.defpath, **dict([SECRET.split("=")])}).stdout
    assert out == "0\nend\n"


def test_descriptors_of_exec_and_of_hooks(shim, bundle):
    """CVE-2024-21626: also with a hundred open ones nothing but 0 to 2 arrives."""
    out = shim.folder / "hook"
    hook = {"path": "/bin/sh", "args": ["sh", "-c", f"ls /proc/self/fd > {out}"]}
    fds = [os.open("/etc/passwd", os.O_RDONLY) for _ in range(100)]
    for fd in fds:
        os.set_inheritable(fd, True)
    try:
        bundle.config["hooks"] = {"createRuntime": [hook]}
        bundle.write()
        with shim.running(bundle):
            seen = shim("exec", "c", "/bin/ls", "/proc/self/fd", check=0, pass_fds=fds).stdout
            assert out.read_text().split() == ["0", "1", "2", "3"]
            assert seen.split() == ["0", "1", "2", "3"]  # 3 is the directory that ls reads
            for number in range(3, 30):
                result = shim("exec", "--cwd", f"/proc/self/fd/{number}", "c", "/bin/ls",
                              pass_fds=fds)
                assert result.returncode == 1 and "process.cwd" in result.stderr, result
    finally:
        for fd in fds:
            os.close(fd)


@pytest.mark.parametrize("verb", ["run", "exec"])
@pytest.mark.parametrize("place", ["gone", "/proc/self/fd/99"])
def test_where_the_caller_stands_does_not_matter(shim, bundle, verb, place):
    """A folder that was removed, and one that is only reached through a descriptor."""
    folder = shim.folder / "standing"
    folder.mkdir()
    os.chown(folder, shim.user.account.uid, -1)
    fd = os.open(folder, os.O_RDONLY)

    def stand():
        os.chdir(folder)
        os.dup2(fd, 99)
        if place == "gone":
            os.rmdir(folder)
        else:
            os.chdir(place)

    if verb == "run":
        out = shim.run(bundle.sh("pwd; ls -d /proc/self/cwd/bin"), check=0, preexec_fn=stand,
                       pass_fds=(fd,)).stdout
    else:
        with shim.running(bundle):
            out = shim("exec", "c", "/bin/sh", "-c", "pwd; ls -d /proc/self/cwd/bin", check=0,
                       preexec_fn=stand, pass_fds=(fd,)).stdout
    os.close(fd)
    assert out == "/\n/proc/self/cwd/bin\n"


def test_it_cannot_reach_a_socket_of_the_host(shim, bundle):
    """As the daemon's is: there is no path to it, whatever process it goes through."""
    import socket

    path = shim.folder / "daemon.sock"
    with socket.socket(socket.AF_UNIX) as listener, \
            socket.socket(socket.AF_UNIX) as abstract:
        listener.bind(str(path))
        path.chmod(0o666)
        listener.listen(1)
        abstract.bind(f"\0ld-shim-{os.getpid()}")
        abstract.listen(1)
        places = [str(path), *(f"/proc/1/{way}{path}" for way in ("root", "cwd", "cwd/../../.."))]
        out = shim.output(bundle.probe(), "\n".join(f"probe connect {p}" for p in places))
        assert set(out.split()) == {"ENOENT"}
        assert f"ld-shim-{os.getpid()}" not in shim.output(bundle, "cat /proc/net/unix")


def test_it_has_no_capability_on_the_host(shim, bundle):
    """Its user namespace is not the host's, and root of the host is not in it."""
    host = os.readlink("/proc/self/ns/user")
    out = shim.output(bundle, "readlink /proc/self/ns/user; cat /proc/self/uid_map; "
                      "echo 1 > /proc/sys/kernel/panic; dmesg; hostname evil; cat /dev/kmsg")
    assert out.split()[0] != host
    assert os.uname().nodename != "evil"
    outside = [int(line.split()[1]) for line in out.splitlines()[1:] if len(line.split()) == 3]
    assert outside and 0 not in outside


def test_it_sees_and_signals_no_process_of_the_host(shim, bundle):
    victim = subprocess.Popen(["sleep", "600"], **shim.user.arguments)
    try:
        out = shim.output(bundle.probe(), f"probe call 62 {victim.pid} 9; probe call 62 -1 0; "
                          "ls -d /proc/[0-9]* | wc -l")
        assert out.split()[0] == "ESRCH" and int(out.split()[-1]) < 5
        assert victim.poll() is None
    finally:
        victim.kill()
        victim.wait()
