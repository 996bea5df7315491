"""Root file systems to import: one of busybox, made in a moment, and Debian with Node and Python."""

import functools
import io
import pathlib
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


def busybox_tar(path):
    """A root file system with a shell, an HTTP server and /srv/www/cgi-bin/whoami."""
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


@functools.lru_cache(maxsize=1)
def debian_tar():
    """(path, None) of tools/debian_root.py's tar, or (None, why there is none)."""
    made = subprocess.run(
        [sys.executable, str(TOOLS / "debian_root.py")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )
    if made.returncode != 0:
        return None, f"no Debian root file system: {made.stderr.strip().splitlines()[-1]}"
    return pathlib.Path(made.stdout.strip()), None
