"""bundle and cleanup: what we write runs under other people's runtimes, too."""

import json
import os
import shutil
import subprocess

import pytest

from support.images import BUSYBOX, busybox_tar

SCRIPT = "id -u; id -g; hostname; cat /proc/self/uid_map; echo $HOME $GREETING; pwd; " \
         "touch /srv/new /tmp/new; ls /proc | grep -c '^[0-9]'; grep NoNewPrivs /proc/self/status"

# Mounts what is the shim's to mount, so that a runtime without overlay roots can take over.  The
# empty cgroup 2 hierarchy of a hybrid machine is taken out of sight first.
PREPARE = """
umount /sys/fs/cgroup/unified 2>/dev/null
mount -t overlay -o "$OVERLAY" overlay "$ROOTFS" && exec "$@"
"""


@pytest.fixture
def busybox(store):
    if not BUSYBOX.exists():
        pytest.skip("busybox is not installed")
    path = store.folder / "busybox.tar"
    busybox_tar(path)
    store.job("image-import", path=str(path), name="busybox", user="app",
              env={"GREETING": "hello"}).ok
    return "busybox"


def bundle(store, name="web", **params):
    folder = store.folder / name
    return folder, store.job("bundle", image="busybox", dir=str(folder), **params)


@pytest.mark.parametrize("runtime", ["crun", "runc"])
def test_other_runtimes_run_it(store, busybox, runtime, tmp_path):
    if os.getuid() != 0 or store.account.uid != 0:
        pytest.skip("mounting an overlay for another runtime needs root")
    if not shutil.which(runtime):
        pytest.skip(f"{runtime} is not installed")
    folder, made = bundle(store, args=["sh", "-c", SCRIPT], hostname="shop-web", cwd="/srv",
                          mounts=[{"type": "tmpfs", "target": "/srv"}])
    assert made.ok["uid"] == 1000 and made.ok["gid"] == 1000
    path = folder / "bundle/config.json"
    config = json.loads(path.read_text())
    overlay = config["mounts"].pop(0)
    path.write_text(json.dumps(config))
    for part in (folder, folder / "bundle", store.path, store.path / "layers"):
        part.chmod(0o711)  # other runtimes come to their root file system as the mapped user
    ran = subprocess.run(
        ["unshare", "-m", "sh", "-c", PREPARE, "sh", runtime, "--root", tmp_path, "run",
         "--bundle", folder / "bundle", f"locald-test-{os.getpid()}"],
        env={"PATH": os.environ["PATH"], "OVERLAY": ",".join(overlay["options"]),
             "ROOTFS": config["root"]["path"]},
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        timeout=60, check=False)
    assert ran.returncode == 0, ran.stderr
    uid, gid, hostname, uid_map, texts, cwd, processes, privileges = ran.stdout.splitlines()
    assert (uid, gid, hostname) == ("1000", "1000", "shop-web")
    assert uid_map.split()[0] == "0" and uid_map.split()[1] != "0"
    assert texts == "/home/app hello" and cwd == "/srv"
    assert int(processes) < 10, "the processes of the host are seen"
    assert privileges.split()[1] == "1"
    assert (folder / "rw/upper/tmp/new").exists()
    store.job("cleanup", dir=str(folder)).ok
    assert not folder.exists()


def test_a_bundle_keeps_the_layers_it_uses(store, busybox):
    project = store.folder / "containers/shop"
    project.mkdir(parents=True)
    os.chown(project, store.account.uid, store.account.gid)
    folder, made = bundle(store, "containers/shop/web", args=["sh"])
    made.ok
    containers = str(store.folder / "containers")
    removed = store.job("image-remove", name="busybox", containers=containers).ok
    assert removed["layers"] == 0 and len(store.layers()) == 1
    store.job("cleanup", dir=str(folder)).ok
    assert not folder.exists()
    store.job("cleanup", dir=str(folder)).ok


def test_mistakes_leave_no_directory(store, busybox):
    for params, code in (
        ({"user": "nobody-there"}, "not_found"),
        ({"cwd": "relative"}, "usage"),
        ({"mounts": [{"source": "/", "target": "x"}]}, "usage"),
        ({"mounts": [{"type": "nfs", "target": "/x"}]}, "usage"),
        ({"args": "not a list"}, "usage"),
        ({}, "usage"),  # the image has no command
    ):
        folder, made = bundle(store, **params)
        assert made.error["code"] == code, made.error
        assert not folder.exists()
    made = store.job("bundle", image="none", dir=str(store.folder / "web"), args=["sh"])
    assert made.error["code"] == "not_found"
    folder, made = bundle(store, args=["sh"])
    made.ok
    assert "there already" in bundle(store, args=["sh"])[1].error["text"]
    bundle(store, args=["sh"], replace=True)[1].ok
    assert [entry.name for entry in store.folder.iterdir() if ".new-" in entry.name] == []
