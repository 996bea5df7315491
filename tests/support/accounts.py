"""Who a program runs as: the caller, or an ordinary user that the tests make when they are root."""

import os
import pathlib
import pwd
import subprocess

NAME = "locald-test"


class Account:
    def __init__(self, entry):
        self.name, self.uid, self.gid = entry.pw_name, entry.pw_uid, entry.pw_gid
        self.home = entry.pw_dir

    @property
    def is_caller(self):
        return self.uid == os.getuid()

    def popen_arguments(self):
        """For subprocess: become this user, with its groups."""
        if self.is_caller:
            return {}
        return {
            "user": self.uid,
            "group": self.gid,
            "extra_groups": os.getgrouplist(self.name, self.gid),
        }


def caller():
    return Account(pwd.getpwuid(os.getuid()))


def ordinary_user():
    """(account, None), or (None, why there is none).  An existing one is taken as it is."""
    if os.getuid() != 0:
        return caller(), None
    try:
        entry = pwd.getpwnam(NAME)
    except KeyError:
        made = subprocess.run(
            ["useradd", "--create-home", "--shell", "/bin/sh", NAME],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        if made.returncode != 0:
            return None, f"cannot make the user {NAME}: {made.stderr.strip()}"
        entry = pwd.getpwnam(NAME)
    if not any(
        line.startswith(f"{NAME}:") for line in pathlib.Path("/etc/subuid").read_text().splitlines()
    ):
        return None, f"the user {NAME} has no subordinate ids in /etc/subuid"
    return Account(entry), None
