"""Waiting for something that reports no event to us, such as a file or a process of a service."""

import contextlib
import os
import pathlib
import time


def until(condition, timeout=30.0, what=None):
    """The first true value of condition(); fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        time.sleep(0.02)


def watches_files(pid):
    """Whether a process has an inotify descriptor."""
    with contextlib.suppress(FileNotFoundError):
        return any("inotify" in os.readlink(fd) for fd in pathlib.Path(f"/proc/{pid}/fd").iterdir())
    return False
