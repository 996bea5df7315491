"""A mount namespace of the test's own, for what this machine's mounts do not show."""

import contextlib
import os
import pathlib
import subprocess

from support import accounts
from support.sandbox import STARTED


class Elsewhere:
    """Only root makes one; any account can be put into it."""

    def __init__(self, script=":"):
        self.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f"{script}\necho ready; exec cat"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        STARTED.add(self.process.pid)
        line = self.process.stdout.readline()
        assert line == "ready\n", line

    def command(self, account=None):
        """What runs a command in there, as the account."""
        enter = ["nsenter", "--mount", f"--target={self.process.pid}"]
        if not account or account.is_caller:
            return enter
        return [*enter, "setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--init-groups"]

    def run(self, script):
        subprocess.run([*self.command(), "sh", "-ec", script], check=True)

    def path(self, path):
        """A path in there, for us."""
        return pathlib.Path(f"/proc/{self.process.pid}/root{path}")

    def account(self, account):
        """The account for a sandbox whose program enters by itself."""
        return _Inside(account)

    def program(self, program, account, at):
        """A program that runs another in there, written to `at`."""
        words = " ".join(self.command(account))
        words = words.replace("nsenter", 'nsenter --wdns="$PWD"', 1)
        at.write_text(f'#!/bin/sh\nexec {words} {program} "$@"\n', encoding="utf-8")
        at.chmod(0o755)
        return at

    def end(self):
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()
        STARTED.discard(self.process.pid)


class _Inside(accounts.Account):
    """Files are given to it; who becomes it is the program."""

    def __init__(self, account):
        self.name, self.uid, self.gid, self.home = account.name, account.uid, account.gid, account.home

    def popen_arguments(self):
        return {}


FUSE = """
    mount -t tmpfs -o mode=755 tmpfs /media
    mknod -m 666 /media/fuse c 10 229
    mount --bind /media/fuse /dev/fuse
"""


def cannot_make():
    """Why there is none here, or None."""
    if os.getuid() != 0:
        return "only root makes mount namespaces without a user namespace"
    return None


@contextlib.contextmanager
def elsewhere(script=":"):
    place = Elsewhere(script)
    try:
        yield place
    finally:
        place.end()
