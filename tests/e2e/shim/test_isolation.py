"""What a container must not reach: each lesson of earlier runtimes is a test."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import threading

import pytest

from . import conftest

HOST_FILES = pathlib.Path("/tmp")


def test_ids_are_mapped_as_configured(shim, bundle):
    out = shim.output(bundle, "id -u; cat /proc/self/uid_map; echo; cat /proc/self/gid_map")
    uids, gids = out[2:].split("\n\n")
    for text, ranges in ((uids, shim.user.uid_map), (gids, shim.user.gid_map)):
        assert [tuple(map(int, line.split())) for line in text.splitlines()] == ranges
    assert all(host != 0 for _, host, _ in shim.user.uid_map), "root of the host is never mapped"


def test_files_it_makes_belong_to_its_ids_on_the_host(shim, bundle):
    shim.run(bundle.sh("touch /tmp/root; touch /tmp/other; chown 7:8 /tmp/other"), check=0)
    root = (bundle.rootfs / "tmp/root").stat()
    other = (bundle.rootfs / "tmp/other").stat()
    assert root.st_uid == shim.user.uid_map[0][1]
    start, base, _ = shim.user.uid_map[-1]
    assert other.st_uid == base + 7 - start


def test_another_user_and_groups(shim, bundle):
    bundle.config["process"]["user"] = {"uid": 1000, "gid": 1001, "additionalGids": [5, 6]}
    out = shim.output(bundle, "id; grep -E '^(Uid|CapEff|CapPrm)' /proc/self/status")
    assert "uid=1000 gid=1001 groups=5,6" in out
    assert "CapEff:\t0000000000000000" in out


@pytest.mark.parametrize("key,value", [("uid", 70000), ("gid", 70000)])
def test_an_id_that_is_not_mapped_is_refused(shim, bundle, key, value):
    bundle.config["process"]["user"][key] = value
    assert f"process.user.{key}" in shim.run(bundle.write(), check=1).stderr


def test_it_sees_no_process_of_the_host(shim, bundle):
    assert shim.output(bundle, "ls -d /proc/[0-9]*").split()[0] == "/proc/1"
    assert shim.output(bundle, "for p in /proc/[0-9]*; do cat $p/comm; done 2>/dev/null"
                       ).split()[0] == "sh"


def test_host_names_and_network_are_its_own(shim, bundle):
    out = shim.output(bundle, "hostname; ls /sys/class/net; ip -o link | wc -l; ip addr show lo")
    assert out.split()[:3] == ["inside", "lo", "1"] and "UP" in out and "127.0.0.1" in out


def test_capabilities_are_exactly_as_configured(shim, bundle):
    caps = {"bounding": ["CAP_CHOWN", "CAP_KILL"], "effective": ["CAP_CHOWN"],
            "permitted": ["CAP_CHOWN"]}
    bundle.config["process"]["capabilities"] = caps
    out = shim.output(bundle, "grep -E '^(Cap|NoNew)' /proc/self/status")
    # CVE-2022-29162: nothing is inheritable, and no_new_privs keeps uid 0 from gaining CAP_KILL.
    assert out.split() == [
        "CapInh:", "0" * 16, "CapPrm:", "0000000000000001", "CapEff:", "0000000000000001",
        "CapBnd:", "0000000000000021", "CapAmb:", "0" * 16, "NoNewPrivs:", "1"]


def test_no_capabilities_when_none_are_configured(shim, bundle):
    del bundle.config["process"]["capabilities"]
    out = shim.output(bundle, "grep ^Cap /proc/self/status")
    assert set(out.split()[1::2]) == {"0" * 16}


def test_ambient_capabilities_of_an_ordinary_user(shim, bundle):
    bundle.config["process"]["capabilities"] = {
        k: ["CAP_NET_BIND_SERVICE"]
        for k in ("bounding", "effective", "permitted", "inheritable", "ambient")}
    bundle.config["process"]["user"] = {"uid": 5, "gid": 5}
    assert "CapEff:\t0000000000000400" in shim.output(bundle, "grep Cap /proc/self/status")


def test_it_cannot_mount_or_make_devices(shim, bundle):
    out = shim.output(bundle, "mount -t tmpfs x /tmp 2>&1; mknod /tmp/sda b 8 0 2>&1; ls /tmp")
    assert out.count("ermi") + out.count("not permitted") >= 2 and "sda" not in out.split("\n")[2:]


def test_default_devices_are_the_real_ones(shim, bundle):
    script = "for d in null zero full random urandom tty; do stat -c '%n %t:%T' /dev/$d; done"
    assert [line.split()[1] for line in shim.output(bundle, script).splitlines()] == [
        "1:3", "1:5", "1:7", "1:8", "1:9", "5:0"]
    links = shim.output(bundle, "readlink /dev/ptmx /dev/fd /dev/stdin /dev/stdout /dev/stderr; "
                        "for l in ptmx fd stdin; do readlink /dev/$l; done")
    assert "pts/ptmx" in links and "/proc/self/fd/0" in links


def test_masked_and_read_only_paths(shim, bundle):
    bundle.config["linux"]["maskedPaths"] += ["/etc/secret", "/etc/secrets", "/etc/missing"]
    (bundle.rootfs / "etc/secret").write_text("secret")
    (bundle.rootfs / "etc/secrets").mkdir()
    (bundle.rootfs / "etc/secrets/key").write_text("secret")
    out = shim.output(bundle, """
        cat /etc/secret; ls -A /etc/secrets; cat /proc/keys
        echo 1 > /proc/sys/kernel/ns_last_pid; echo b > /proc/sysrq-trigger; touch /etc/secrets/x
        echo end""")
    assert out.split() == ["end"]


def test_a_masked_path_through_a_symlink_stays_inside(shim, bundle):
    """CVE-2025-31133: what masks is the host's /dev/null, by its device number."""
    (bundle.rootfs / "etc/link").symlink_to("/etc/passwd")
    bundle.config["linux"]["maskedPaths"].append("/etc/link")
    (bundle.rootfs / "etc/passwd").write_text("inside")
    assert shim.output(bundle, "cat /etc/passwd; echo end") == "end\n"
    assert pathlib.Path("/etc/passwd").stat().st_size > 0


def test_read_only_root(shim, bundle):
    bundle.config["root"]["readonly"] = True
    out = shim.output(bundle, "touch /x 2>&1; touch /dev/shm/ok && echo wrote; mkdir /tmp/a 2>&1")
    assert out.count("Read-only") == 2 and "wrote" in out


def test_volumes(shim, bundle):
    data = bundle.mkdir("data")
    (data / "below").mkdir()
    shim.user.own(data / "below")
    bundle.mount("/data", "bind", data, ["rbind", "rw"])
    bundle.mount("/ro", "bind", data, ["rbind", "ro"])
    file = bundle.path / "file"
    file.write_text("content")
    file.chmod(0o644)
    bundle.mount("/etc/made/for/it", "bind", file, ["bind", "ro", "nosuid", "nodev", "noexec"])
    out = shim.output(bundle, """
        echo x > /data/new; cat /ro/new; touch /ro/y 2>&1; cat /etc/made/for/it; echo
        echo y > /etc/made/for/it; grep /etc/made /proc/self/mounts""")
    assert "x\n" in out and out.count("Read-only") == 1 and "content" in out
    assert "ro,nosuid,nodev,noexec" in out
    assert (data / "new").read_text() == "x\n"


def test_recursive_read_only(shim, bundle):
    data = bundle.mkdir("data")
    bundle.mkdir("data", "inner")
    bundle.mount("/data", "bind", data, ["rbind", "rro"])
    assert "Read-only" in shim.output(bundle, "touch /data/inner/x 2>&1")


def test_a_missing_volume_is_named(shim, bundle):
    bundle.mount("/data", "bind", "/nosuch/volume", ["rbind"])
    result = shim.run(bundle.write(), check=1)
    assert "mounts[6]" in result.stderr and "/nosuch/volume" in result.stderr


def test_a_temporary_file_system_with_the_content_that_was_there(shim, bundle):
    (bundle.rootfs / "etc/dir").mkdir()
    (bundle.rootfs / "etc/dir/file").write_text("content")
    (bundle.rootfs / "etc/dir/file").chmod(0o640)
    (bundle.rootfs / "etc/link").symlink_to("dir/file")
    os.mkfifo(bundle.rootfs / "etc/fifo")
    for path in (bundle.rootfs / "etc").rglob("*"):
        shim.user.own(path)
    bundle.mount("/etc", "tmpfs", "tmpfs", ["tmpcopyup", "mode=755"])
    out = shim.output(bundle, "cat /etc/link; stat -c ' %a %u' /etc/dir/file; touch /etc/new")
    assert out == "content 640 0\n"
    assert not (bundle.rootfs / "etc/new").exists()


def test_without_pivot_root(shim, bundle):
    out = shim.run(bundle.sh("ls /; cat /proc/self/mounts | wc -l"), "--no-pivot", check=0).stdout
    assert "bin" in out.split() and "boot" not in out.split()


@pytest.mark.parametrize("passwd,home", [
    ("root:x:0:0:root:/root:/bin/sh\n", "/root"),
    ("x:x:5:0::/five:\nr:x:0:0:", "/"),
    ("x:x:5:0::/five:\nr:x:0:0::/zero", "/zero"),
    ("r:x:0:0::/zero:/bin/sh\n", "/zero"),
    ("r:x::0::/none:\nr:x:0x0:0::/hex:\nr:x:0\n", "/"),
    (None, "/"),
])
def test_home_of_the_user(shim, bundle, passwd, home):
    if passwd:
        (bundle.rootfs / "etc/passwd").write_text(passwd)
    assert shim.output(bundle, "echo $HOME") == home + "\n"
    bundle.config["process"]["env"].append("HOME=/mine")
    assert shim.output(bundle, "echo $HOME") == "/mine\n"


def test_a_password_file_that_never_ends(shim, bundle):
    (bundle.rootfs / "etc/passwd").symlink_to("/dev/zero")
    assert shim.output(bundle, "echo $HOME") == "/\n"
    os.unlink(bundle.rootfs / "etc/passwd")
    os.mkfifo(bundle.rootfs / "etc/passwd")
    assert shim.output(bundle, "echo $HOME") == "/\n"


def test_no_user_namespaces_on_this_host(program):
    """Where the limit is zero the error says which one."""
    user = conftest.rootless_user()
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = shim.new_bundle()
        command = " ".join(shim.command("run", "--bundle", bundle.path, "c"))
        result = subprocess.run(
            ["unshare", "-Ur", "sh", "-c",
             f"echo 0 > /proc/sys/user/max_user_namespaces; exec {command}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False,
            **user.arguments)
        assert result.returncode == 1, result
        assert "hint" in result.stderr and "sysctl -w user.max_user_namespaces=" in result.stderr


@pytest.fixture
def outside():
    """A folder of the host that symlinks in a root point at."""
    folder = HOST_FILES / f"ld-shim-outside-{os.getpid()}"
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    yield folder
    left = list(folder.rglob("*"))
    shutil.rmtree(folder)
    assert not left, f"written outside: {left}"


@pytest.mark.parametrize("place", ["/dev", "/dev/pts", "/dev/shm", "/data", "/etc/deep/path", "/run"])
@pytest.mark.parametrize("style", ["absolute", "climbing"])
def test_a_mount_target_behind_a_symlink_stays_inside(shim, bundle, outside, place, style):
    """CVE-2026-41579, -47766, CVE-2021-30465: /dev and others as symlinks to the host."""
    target = outside if style == "absolute" else "../" * 12 + str(outside)
    link = bundle.rootfs / place.strip("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_dir():
        link.rmdir()
    link.symlink_to(target)
    bundle.mount("/data", "bind", bundle.mkdir("data"), ["rbind"])
    bundle.mount("/etc/deep/path", "tmpfs", "tmpfs")
    bundle.mount("/run/x", "tmpfs", "tmpfs")
    for path in [link, *link.parents]:
        if bundle.rootfs in path.parents:
            shim.user.own(path)
    before = conftest.mounts_of_host()
    result = shim.run(bundle.sh("touch /run/x/y; ls /dev; echo ran"))
    assert conftest.mounts_of_host() == before
    assert result.returncode in (0, 1), result
    if result.returncode == 0:
        assert "ran" in result.stdout
        # What was followed was followed inside.
        inside = bundle.rootfs / str(outside).strip("/")
        assert inside.exists() or place.startswith("/dev/")


@pytest.mark.parametrize("place", ["proc", "sys"])
def test_proc_and_sys_may_not_be_symlinks(shim, bundle, outside, place):
    """CVE-2019-19921: what is written to /proc must reach /proc."""
    (bundle.rootfs / place).rmdir()
    (bundle.rootfs / place).symlink_to("/tmp/fake")
    (bundle.rootfs / "tmp/fake").mkdir()
    result = shim.run(bundle.sh("echo ran"))
    assert result.returncode == 1 and f"/{place}" in result.stderr and not result.stdout


@pytest.mark.parametrize("place", ["/proc/self/attr", "/proc/1", "/proc/sys", "/proc/self/fd"])
def test_nothing_is_mounted_inside_proc(shim, bundle, place):
    """CVE-2019-16884, CVE-2023-28642."""
    bundle.mount(place, "bind", bundle.mkdir("data"), ["rbind"])
    assert "/proc" in shim.run(bundle.sh("echo ran"), check=1).stderr


def test_a_looping_symlink_is_an_error(shim, bundle):
    (bundle.rootfs / "loop").symlink_to("loop")
    bundle.mount("/loop/x", "tmpfs", "tmpfs")
    assert "symbolic links" in shim.run(bundle.write(), check=1).stderr


def test_a_target_that_changes_all_the_time(shim, bundle, outside):
    """CVE-2021-30465, CVE-2024-45310: a component is swapped for a symlink while starts run."""
    bundle.mount("/race/x/y", "tmpfs", "tmpfs")
    race = bundle.rootfs / "race"
    spare = bundle.rootfs / "spare"
    spare.symlink_to("../" * 12 + str(outside))
    race.mkdir()
    shim.user.own(race)
    stop = threading.Event()

    def swap():
        temporary = bundle.rootfs / "tmp/swap"
        while not stop.is_set():
            try:
                race.rename(temporary)
                spare.rename(race)
                race.rename(spare)
                temporary.rename(race)
            except OSError:
                continue

    thread = threading.Thread(target=swap)
    thread.start()
    before = conftest.mounts_of_host()
    try:
        for _ in range(200):
            shim.run(bundle)
    finally:
        stop.set()
        thread.join()
    assert conftest.mounts_of_host() == before


def test_the_program_cannot_be_overwritten(shim, bundle, program):
    """CVE-2019-5736: through /proc/self/exe, /proc/1/exe, and as an interpreter."""
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    script = bundle.rootfs / "tmp/script"
    script.write_text("#!/proc/self/exe\n")
    script.chmod(0o755)
    (bundle.rootfs / "tmp/link").symlink_to("/proc/self/exe")
    shim.run(bundle.args("/proc/self/exe", "--version"))
    shim.run(bundle.args("/tmp/script"))
    shim.run(bundle.args("/tmp/link", "--version"))
    for options in ((), ("--init",)):
        shim.run(bundle.sh("for p in /proc/[0-9]*; do echo evil > $p/exe; done; "
                           "exec 3< /proc/1/exe; echo evil > /proc/self/fd/3"), *options)
    assert hashlib.sha256(program.read_bytes()).hexdigest() == digest


def test_a_program_of_the_callers_own_runs_sealed(shim, bundle, program):
    """Where ids of the container could write to the program, they see it on a read-only mount that
    is nowhere (root), or a copy in memory."""
    copy = shim.folder / "own"
    shutil.copy(program, copy)
    copy.chmod(0o777)
    os.chown(copy, shim.user.uid_map[0][1], shim.user.gid_map[0][1])
    digest = hashlib.sha256(copy.read_bytes()).hexdigest()
    result = subprocess.run(
        [copy, "--root", shim.state, "run", "--init", "--bundle",
         bundle.sh("readlink /proc/1/exe; echo evil > /proc/1/exe; echo ran").path, "c"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, check=False, cwd="/",
        **shim.user.arguments)
    expected = "/own" if shim.user.name == "root" else "/memfd:locald-shim (deleted)"
    assert result.stdout.split("\n")[0] == expected and "ran" in result.stdout, result
    assert hashlib.sha256(copy.read_bytes()).hexdigest() == digest


def test_it_has_no_controlling_terminal_of_the_caller(shim, bundle):
    """CVE-2017-5226: without a terminal of its own it has none."""
    assert shim.output(bundle, "cut -d' ' -f7 /proc/self/stat").strip() == "0"


def test_seccomp_filters(shim, bundle):
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [
            {"names": ["mkdir", "mkdirat", "no_such_call"], "action": "SCMP_ACT_ERRNO",
             "errnoRet": 28},
            {"names": ["chmod", "fchmodat", "fchmod"], "action": "SCMP_ACT_KILL_PROCESS"},
        ],
    }
    out = shim.output(bundle, "mkdir /tmp/a 2>&1; grep Seccomp: /proc/self/status; "
                      "chmod 1 /tmp; echo $?")
    assert "No space left" in out and "Seccomp:\t2" in out and out.split()[-1] == "159"


@pytest.mark.parametrize("nnp", [True, False])
def test_seccomp_with_and_without_new_privileges(shim, bundle, nnp):
    bundle.config["process"]["noNewPrivileges"] = nnp
    bundle.config["process"]["user"] = {"uid": 9, "gid": 9}
    bundle.config["linux"]["seccomp"] = {
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_ERRNO"}]}
    out = shim.output(bundle, "grep -E 'Seccomp:|NoNew' /proc/self/status")
    assert out.split() == ["NoNewPrivs:", str(int(nnp)), "Seccomp:", "2"]


def test_sysctls_of_its_own_namespaces(shim, bundle):
    bundle.config["linux"]["sysctl"] = {
        "net.ipv4.ip_unprivileged_port_start": "80", "kernel.msgmax": "4096"}
    out = shim.output(bundle, "cat /proc/sys/net/ipv4/ip_unprivileged_port_start "
                      "/proc/sys/kernel/msgmax")
    assert out.split() == ["80", "4096"]


@pytest.mark.parametrize("key", ["kernel.core_pattern", "vm.overcommit_memory", "net.ipv4.x"])
def test_sysctls_of_the_host_are_refused(shim, bundle, key):
    if key.startswith("net"):
        bundle.without("network")
    bundle.config["linux"]["sysctl"] = {key: "1"}
    assert f"linux.sysctl.{key}" in shim.run(bundle.write(), check=1).stderr


def test_cgroup_mount_is_read_only(shim, bundle):
    """CVE-2022-0492, CVE-2023-25809: no release_agent, nothing of the host can be written."""
    bundle.mount("/sys/fs/cgroup", "cgroup", "cgroup", ["nosuid", "noexec", "nodev", "ro"])
    out = shim.output(bundle, """
        for d in /sys/fs/cgroup /sys/fs/cgroup/*; do mkdir $d/evil 2>/dev/null && echo made $d
        echo /x > $d/release_agent 2>/dev/null && echo agent $d; done; ls /sys/fs/cgroup; echo end""")
    assert "made" not in out and "agent " not in out and out.endswith("end\n")


def test_sysfs_of_the_host_is_read_only(shim, bundle):
    """Without a network namespace of its own the host's /sys is shown, with its cgroups."""
    bundle.without("network")
    out = shim.output(bundle, "ls /sys/fs >/dev/null && echo seen; for d in /sys/fs/cgroup/* "
                      "/sys/fs/cgroup; do mkdir $d/evil 2>/dev/null && echo made $d; done")
    assert out == "seen\n"


def test_root_without_a_user_namespace(root_shim):
    """As podman starts containers of root: the same limits without a map."""
    bundle = root_shim.new_bundle().without("user")
    out = root_shim.output(bundle, """
        grep CapEff /proc/self/status; stat -c '%t:%T %u' /dev/null; cat /dev/null && echo ok
        echo evil > /proc/1/exe; mkdir /sys/fs/cgroup/x 2>/dev/null && echo made""")
    assert "1:3 0" in out and "ok" in out and "made" not in out


def test_device_rules(root_shim):
    bundle = root_shim.new_bundle().without("user")
    caps = conftest.CAPS + ["CAP_MKNOD"]
    bundle.config["process"]["capabilities"] = {
        k: caps for k in ("bounding", "effective", "permitted")}
    bundle.config["linux"]["resources"] = {"devices": [
        {"allow": False, "access": "rwm"},
        {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}]}
    out = root_shim.output(bundle, """
        mknod /tmp/mem c 1 1; cat /tmp/mem 2>&1 | head -n 1
        cat /dev/null && echo null; head -c 1 /dev/zero | wc -c""")
    assert "Operation not permitted" in out and "null" in out and "1" in out.split()


def test_rootless_cannot_use_ids_that_are_not_its_own(program):
    user = conftest.rootless_user()
    user.uid_map = [(0, 0, 1)]
    for shim in conftest.audited(conftest.make_shim(program, user)):
        bundle = conftest.Bundle(user, shim.folder / "bundle")
        (bundle.path / "rootfs").mkdir(parents=True)
        result = shim.run(bundle.write(), check=1)
        assert "uidMappings" in result.stderr and "hint" in result.stderr


def test_another_users_state_is_refused(program):
    theirs = conftest.make_shim(program, conftest.rootless_user())
    for shim in conftest.audited(theirs):
        bundle = shim.new_bundle()
        process = shim.start("run", "--bundle", bundle.sh("echo ready; cat").path, "c",
                             stdin=subprocess.PIPE)
        assert process.stdout.readline() == "ready\n"
        conftest.root_user()
        for command in (["kill", "c"], ["state", "c"], ["delete", "--force", "c"],
                        ["exec", "c", "true"], ["list"]):
            result = subprocess.run(shim.command(*command), stderr=subprocess.PIPE, text=True,
                                    stdout=subprocess.PIPE, check=False)
            assert result.returncode == 1 and "belongs to uid" in result.stderr, result
        process.communicate(timeout=20)
        assert process.returncode == 0
