"""Waiting for something that reports no event to us, such as a file or a process of a service."""

import time


def until(condition, timeout=10.0, what=None):
    """The first true value of condition(); fails when there is none in time."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout} s: {what or condition}"
        time.sleep(0.02)
