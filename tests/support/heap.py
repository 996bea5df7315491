"""What a process holds from malloc(3), exactly: of one that is started with heap_shim.c."""

import struct
import subprocess
import time

import pytest

from support.waiting import until

# In 2N rounds after N.  What comes and goes with timers and with the room of lists is far less; one
# piece, or a few bytes, that each round leaves behind are more.
PIECES, BYTES = 12, 4096


def environment(build, folder):
    """What makes a program say how much it holds."""
    libraries = subprocess.run(["ldd", build / "src/cli/locald"], check=True, stdout=subprocess.PIPE)
    if b"libasan" in libraries.stdout:
        pytest.skip("AddressSanitizer has an allocator of its own")
    return {"LD_PRELOAD": str(build / "tests/support/libheap_shim.so"), "LOCALD_TEST_HEAP": str(folder)}


class Heap:
    def __init__(self, folder, pid):
        self.path = folder / str(pid)
        assert self.path.exists(), f"{pid} was started without heap_shim"

    def held(self):
        """(bytes, pieces)"""
        return struct.unpack("=qq", self.path.read_bytes())

    def settled(self):
        """What it holds when nothing changes it: the end of a round's connection may come later."""
        seen = [self.held()]
        while len(seen) < 10 or len(set(seen[-10:])) > 1:
            time.sleep(0.01)
            seen.append(self.held())
        return seen[-1]

    def assert_no_growth(self, do, rounds):
        """After 3N rounds it holds what it held after N, once it has seen the end of the last."""
        for _ in range(rounds):
            do()
        before, after = self.settled(), None
        for _ in range(rounds * 2):
            do()

        def is_as_before():
            nonlocal after
            after = self.held()
            return after[0] <= before[0] + BYTES and after[1] <= before[1] + PIECES

        try:
            until(is_as_before, timeout=20)
        except AssertionError:
            pytest.fail(f"(bytes, pieces): {before} after {rounds} rounds, {after} after {rounds * 3}")
