"""Where does this process run?"""

import os
import platform
import socket


def root_file_system():
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        roots = [fields for fields in map(str.split, mounts) if fields[4] == "/"]
    return roots[-1][roots[-1].index("-") + 1] if roots else "unknown"


def system():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except (OSError, KeyError):
        return "unknown"


def whoami():
    with open("/proc/self/uid_map", encoding="utf-8") as uid_map:
        uids = " ".join(uid_map.read().split())
    return {
        "hostname": socket.gethostname(),
        "pid": os.getpid(),
        "uid": os.getuid(),
        "uid_map": uids,
        "root": root_file_system(),
        "system": system(),
        "runtime": f"python {platform.python_version()}",
    }
