"""Files and mounts: nothing in an image, and nobody who changes it meanwhile, leads outside."""

import os
import pathlib
import pty
import subprocess
import threading

import pytest

from . import conftest

STARTS = 100
SECRET = "of the host"


@pytest.fixture
def outside(shim):
    """A folder of the host with a file in it; both must stay as they are."""
    folder = shim.folder / "outside"
    folder.mkdir()
    folder.chmod(0o777)
    (folder / "file").write_text(SECRET)
    (folder / "file").chmod(0o666)
    shim.user.own(folder)
    shim.user.own(folder / "file")
    yield folder
    assert (folder / "file").read_text() == SECRET
    assert [path.name for path in folder.iterdir()] == ["file"], "written outside"


def in_namespace(shim, commands, *words):
    """The shim, as root, in a mount namespace that some commands have changed."""
    script = commands + '\nexec "$@"'
    return subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh",
         *shim.command(*words)],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False, cwd="/")


def make_terminal_run(shim, bundle):
    """`run` on a terminal of ours; what it wrote, and its status."""
    leader, follower = pty.openpty()
    process = shim.start("run", "--bundle", bundle.path, "c", stdin=follower, stdout=follower,
                         stderr=follower)
    os.close(follower)
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
    return process.wait(60), out.decode()


@pytest.mark.parametrize("evil", ["link", "file", "directory"])
def test_what_masks_is_never_the_images_own_null_device(shim, bundle, outside, evil):
    """CVE-2025-31133: without a /dev of its own, the image's /dev/null is anything."""
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] == "/proc"]
    null = bundle.rootfs / "dev/null"
    if evil == "link":
        null.symlink_to("/proc/sys/kernel/core_pattern")
    elif evil == "file":
        null.write_text("not a device")
    else:
        null.mkdir()
    bundle.config["linux"]["maskedPaths"] = ["/proc/keys", "/etc/secret"]
    (bundle.rootfs / "etc/secret").write_text("masked")
    result = shim.run(bundle.sh("stat -c %t:%T /proc/keys /etc/secret; cat /etc/secret"))
    if result.returncode == 0:
        assert result.stdout == "1:3\n1:3\n"
    else:
        assert "/dev/null" in result.stderr and not result.stdout


def test_a_null_device_of_the_host_that_is_none(program):
    """The host's own node is checked too: by its number, on the descriptor that is mounted."""
    for shim in conftest.audited(conftest.make_shim(program, conftest.root_user())):
        bundle = shim.new_bundle().sh("echo ran")
        fake = shim.folder / "fake"
        fake.write_text("content")
        fake.chmod(0o666)
        result = in_namespace(shim, f"mount --bind {fake} /dev/null", "run", "--bundle",
                              bundle.path, "c")
        assert result.returncode == 1 and "`/dev/null` of the host is not device 1:3" in \
            result.stderr, result
        assert fake.read_text() == "content"


@pytest.mark.parametrize("commands,text", [
    ("mount -t tmpfs none /proc", "/proc"),
    ("mount --bind /proc/self /proc", "/proc"),
    ("mount --bind /proc/sys /proc", "/proc"),
])
def test_a_proc_of_the_host_that_is_none(program, commands, text):
    """CVE-2019-16884, CVE-2025-52881: what is written there must reach the kernel, or nothing."""
    for shim in conftest.audited(conftest.make_shim(program, conftest.root_user())):
        bundle = shim.new_bundle()
        bundle.config["linux"]["sysctl"] = {"kernel.msgmax": "4096"}
        result = in_namespace(shim, commands, "run", "--bundle", bundle.sh("echo ran").path, "c")
        assert result.returncode == 1 and text in result.stderr and not result.stdout, result


def test_a_fake_proc_of_the_image_gets_no_sysctl(shim, bundle, outside):
    """CVE-2019-19921, CVE-2025-52881: with a volume in the place of /proc."""
    fake = bundle.mkdir("fake")
    for name in ("sys/kernel", "self/attr", "thread-self/attr"):
        bundle.mkdir("fake", name)
    (fake / "sys/kernel/msgmax").write_text("untouched")
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] != "/proc"]
    bundle.mount("/proc", "bind", fake, ["rbind"])
    bundle.config["linux"]["sysctl"] = {"kernel.msgmax": "4096"}
    bundle.config["linux"]["maskedPaths"] = bundle.config["linux"]["readonlyPaths"] = []
    result = shim.run(bundle.sh("cat /proc/sys/kernel/msgmax"))
    assert (fake / "sys/kernel/msgmax").read_text() == "untouched"
    assert result.stdout in ("", "untouched")


@pytest.mark.parametrize("link", ["absolute", "climbing", "proc"])
def test_the_console_is_not_mounted_through_a_link(shim, bundle, outside, link):
    """CVE-2025-52565: /dev/console and /dev/pts of an image that point elsewhere."""
    bundle.config["process"]["terminal"] = True
    bundle.config["mounts"] = [m for m in bundle.config["mounts"]
                               if m["destination"] in ("/proc", "/dev/pts")]
    target = {"absolute": outside / "file", "climbing": "../" * 12 + str(outside / "file"),
              "proc": "/proc/sys/kernel/core_pattern"}[link]
    (bundle.rootfs / "dev/console").symlink_to(target)
    (bundle.rootfs / "dev/pts").mkdir()
    before = conftest.mounts_of_host()
    core_pattern = pathlib.Path("/proc/sys/kernel/core_pattern").read_text()
    status, out = make_terminal_run(shim, bundle.sh("echo evil > /proc/sys/kernel/core_pattern"))
    assert status == 1 and "/dev/console" in out and "symlink" in out
    assert conftest.mounts_of_host() == before
    assert pathlib.Path("/proc/sys/kernel/core_pattern").read_text() == core_pattern


def test_pseudo_terminals_that_are_none(shim, bundle, outside):
    bundle.config["process"]["terminal"] = True
    bundle.config["mounts"] = [m for m in bundle.config["mounts"] if m["destination"] == "/proc"]
    pts = bundle.rootfs / "dev/pts"
    pts.mkdir()
    (pts / "ptmx").symlink_to(outside / "file")
    status, out = make_terminal_run(shim, bundle.sh("echo ran"))
    assert status == 1 and "/dev/pts is not a devpts mount" in out and "ran" not in out


@pytest.mark.parametrize("path", ["/etc/passwd", "/etc/hosts", "/data", "/cwd", "/new/deep"])
@pytest.mark.parametrize("style", ["absolute", "climbing", "loop", "two steps"])
def test_links_of_the_image_for_all_that_is_made_in_it(shim, bundle, outside, path, style):
    """`..`, absolute and looping symlinks: a volume's file, a folder, the working directory."""
    link = bundle.rootfs / path.strip("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    targets = {"absolute": outside, "climbing": "../" * 12 + str(outside), "loop": link.name,
               "two steps": "step"}
    link.symlink_to(targets[style])
    (link.parent / "step").symlink_to("/../.." + str(outside))
    for made in (link.parent, link, link.parent / "step"):
        shim.user.own(made)
    volume = bundle.path / "volume"
    volume.write_text("volume")
    volume.chmod(0o644)
    if path == "/cwd":
        bundle.config["process"]["cwd"] = "/cwd/below"
    elif path == "/data":
        bundle.mount("/data/x", "tmpfs", "tmpfs")
    else:
        bundle.mount(path + ("/file" if path == "/new/deep" else ""), "bind", volume, ["bind"])
    before = conftest.mounts_of_host()
    result = shim.run(bundle.sh("echo ran; touch here 2>/dev/null"))
    assert conftest.mounts_of_host() == before
    if style == "loop":
        assert result.returncode == 1 and "symbolic links" in result.stderr, result
    else:
        assert result.returncode in (0, 1), result


@pytest.fixture
def swapped(bundle, outside):
    """Names in the image that somebody swaps for symlinks, all the time, until the test ends."""
    places = ["race", "etc/race", "dev"]
    stop = threading.Event()

    def swap(place):
        real, spare = bundle.rootfs / place, bundle.rootfs / f"{place}.spare"
        temporary = bundle.rootfs / f"{place}.tmp"
        while not stop.is_set():
            try:
                real.rename(temporary)
                spare.rename(real)
                real.rename(spare)
                temporary.rename(real)
            except OSError:
                continue

    threads = []
    for place in places:
        real = bundle.rootfs / place
        real.mkdir(exist_ok=True)
        bundle.user.own(real)
        (bundle.rootfs / f"{place}.spare").symlink_to("../" * 12 + str(outside))
        threads.append(threading.Thread(target=swap, args=(place,)))
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


def test_names_that_change_while_containers_start(shim, bundle, swapped):
    """CVE-2021-30465, CVE-2024-45310, CVE-2025-31133, CVE-2025-52565: targets of mounts, of devices
    and of masks, folders that are made, the working directory."""
    file = bundle.path / "volume"
    file.write_text("volume")
    file.chmod(0o644)
    bundle.mount("/race/a/b", "tmpfs", "tmpfs")
    bundle.mount("/etc/race/file", "bind", file, ["bind"])
    bundle.config["linux"]["maskedPaths"] += ["/race/file", "/etc/race/file"]
    bundle.config["linux"]["readonlyPaths"] += ["/race/a", "/etc/race"]
    bundle.config["process"]["cwd"] = "/race/work"
    before = conftest.mounts_of_host()
    started = 0
    for _ in range(STARTS):
        result = shim.run(bundle.args("/bin/true"))
        assert result.returncode in (0, 1), result
        started += result.returncode == 0
    assert conftest.mounts_of_host() == before
    assert started > 0, "every start met a link: this test saw nothing"


def test_a_shared_volume_that_changes_while_containers_start(shim, bundle, outside):
    """As above, from inside another container that has the same volume."""
    volume = bundle.mkdir("volume")
    other = shim.new_bundle()
    for each in (bundle, other):
        each.mount("/volume", "bind", volume, ["rbind"])
    bundle.mount("/volume/a/b", "tmpfs", "tmpfs")
    bundle.config["linux"]["maskedPaths"].append("/volume/a/file")
    link = "../" * 12 + str(outside)
    script = f"""mkdir -p /volume/a; ln -s {link} /volume/l; echo ready
        while ! read -t 0 line; do
            mv -T /volume/a /volume/t; mv -T /volume/l /volume/a; mv -T /volume/a /volume/l
            mv -T /volume/t /volume/a
        done 2>/dev/null"""
    before = conftest.mounts_of_host()
    with shim.running(other, script, container="other"):
        for _ in range(STARTS // 2):
            assert shim.run(bundle.args("/bin/true")).returncode in (0, 1)
    assert conftest.mounts_of_host() == before
