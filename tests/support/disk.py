"""Small disks that fill up."""

import contextlib
import os
import subprocess

import pytest

from support.waiting import until


@contextlib.contextmanager
def small(folder, options="size=8m"):
    """The folder on a disk of its own, for as long as nothing is in use there."""
    if os.getuid() != 0:
        pytest.skip("only root can mount a small disk")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"mode=700,{options}", "none", folder],
                          stderr=subprocess.PIPE, text=True)
    if made.returncode != 0:
        pytest.skip(f"no small disk can be mounted here: {made.stderr.strip()}")
    yield folder
    unmount(folder)


def unmount(folder):
    """A keeper may be at its last file yet."""
    until(lambda: subprocess.run(["umount", folder], stderr=subprocess.DEVNULL).returncode == 0,
          timeout=30, what=f"nobody is at {folder}")


def fill(hog):
    """Takes what room is left, to the last page."""
    with contextlib.suppress(OSError), hog.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 65536)
    with contextlib.suppress(OSError), hog.open("ab", buffering=0) as file:
        while True:
            file.write(b"x" * 512)
