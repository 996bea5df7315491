"""Root file systems to import: one of busybox, made in a moment, and Debian with Node and Python."""

import functools
import hashlib
import io
import json
import pathlib
import platform
import stat
import subprocess
import sys
import tarfile

TOOLS = pathlib.Path(__file__).resolve().parent.parent.parent / "tools"
BUSYBOX = pathlib.Path("/bin/busybox")

WHOAMI = """\
#!/bin/sh
printf 'Content-Type: text/plain\\r\\n\\r\\n'
echo "hostname=$(hostname)"
echo "uid=$(id -u)"
echo "pid=$$"
echo "init=$(tr '\\0' ' ' </proc/1/cmdline)"
echo "root=$(awk '$5 == "/" { for (i = 6; i < NF; i++) if ($i == "-") print $(i + 1) }' \\
	/proc/self/mountinfo | tail -n 1)"
echo "uid_map=$(tr -s ' ' </proc/self/uid_map | tr '\\n' ';')"
echo "nnp=$(awk '/NoNewPrivs/ { print $2 }' /proc/self/status)"
echo "port=$PORT"
echo "service=$LOCALD_SERVICE"
"""

PASSWD = "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000:app:/home/app:/bin/sh\n"
GROUP = "root:x:0:\napp:x:1000:\n"


def _entry(archive, name, kind, mode, data=b"", target="", owner=0):
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.size, info.linkname = kind, mode, len(data), target
    info.uid = info.gid = owner
    archive.addfile(info, io.BytesIO(data))


def busybox_tar(path, extra=None):
    """A root file system with a shell, an HTTP server and /srv/www/cgi-bin/whoami; `extra` are
    static programs that are in its bin, too: {name: path}."""
    applets = subprocess.run([BUSYBOX, "--list"], check=True, stdout=subprocess.PIPE, text=True)
    with tarfile.open(path, "w") as archive:
        for folder in ("bin", "etc", "home", "proc", "sys", "dev", "root", "srv", "srv/www",
                       "srv/www/cgi-bin", "usr", "usr/bin", "var"):
            _entry(archive, folder, tarfile.DIRTYPE, 0o755)
        _entry(archive, "tmp", tarfile.DIRTYPE, 0o1777)
        _entry(archive, "home/app", tarfile.DIRTYPE, 0o755, owner=1000)
        _entry(archive, "bin/busybox", tarfile.REGTYPE, 0o755, BUSYBOX.read_bytes())
        for applet in applets.stdout.split():
            if applet != "busybox":
                _entry(archive, f"bin/{applet}", tarfile.SYMTYPE, 0o777, target="busybox")
        for name, program in (extra or {}).items():
            _entry(archive, f"bin/{name}", tarfile.REGTYPE, 0o755, program.read_bytes())
        _entry(archive, "usr/bin/env", tarfile.SYMTYPE, 0o777, target="/bin/busybox")
        for name, text, mode in (
            ("etc/passwd", PASSWD, 0o644),
            ("etc/group", GROUP, 0o644),
            ("etc/os-release", 'ID=busybox\nPRETTY_NAME="busybox"\nVERSION_ID="1"\n', 0o644),
            ("srv/www/index.html", "hello from a container\n", 0o644),
            ("srv/www/cgi-bin/whoami", WHOAMI, 0o755),
        ):
            _entry(archive, name, tarfile.REGTYPE, mode, text.encode())
    path.chmod(path.stat().st_mode | stat.S_IROTH)
    return path


def oci_archive(path, layer, config):
    """An image archive of one layer (a tar file) whose configuration says what `config` says."""
    with open(layer, "rb") as tar:
        diff_id = hashlib.file_digest(tar, "sha256").hexdigest()
    digests = {}

    def descriptor(value, kind):
        data = json.dumps(value).encode()
        digest = hashlib.sha256(data).hexdigest()
        digests[digest] = data
        return {"mediaType": f"application/vnd.oci.image.{kind}.v1+json",
                "digest": f"sha256:{digest}", "size": len(data)}

    machine = {"x86_64": "amd64", "aarch64": "arm64"}
    image = descriptor({
        "os": "linux", "architecture": machine.get(platform.machine(), platform.machine()),
        "config": config, "rootfs": {"type": "layers", "diff_ids": [f"sha256:{diff_id}"]},
    }, "config")
    manifest = descriptor({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": image,
        "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": f"sha256:{diff_id}", "size": pathlib.Path(layer).stat().st_size}],
    }, "manifest")
    with tarfile.open(path, "w") as archive:
        _entry(archive, "oci-layout", tarfile.REGTYPE, 0o644, b'{"imageLayoutVersion":"1.0.0"}')
        _entry(archive, "index.json", tarfile.REGTYPE, 0o644,
               json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode())
        for digest, data in digests.items():
            _entry(archive, f"blobs/sha256/{digest}", tarfile.REGTYPE, 0o644, data)
        archive.add(layer, f"blobs/sha256/{diff_id}")
    path.chmod(path.stat().st_mode | stat.S_IROTH)
    return path


@functools.lru_cache
def debian_tar(name="apps"):
    """(path, None) of a tar of tools/debian_root.py, or (None, why there is none)."""
    made = subprocess.run(
        [sys.executable, str(TOOLS / "debian_root.py"), name],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    if made.returncode != 0:
        return None, f"no Debian root file system: {made.stderr.strip().splitlines()[-1]}"
    return pathlib.Path(made.stdout.strip()), None
