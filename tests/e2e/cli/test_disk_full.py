"""A command that finds no room on the disk says where, how much there is, and what to do."""

import contextlib
import re

import pytest

from support import disk

WORKER = """
    [services.w]
    type = "worker"
    command = "sleep 1000"
"""


@pytest.fixture(params=["state", "run"])
def small_disk(sandbox, request):
    with disk.small(sandbox.root / request.param) as folder:
        yield folder
        sandbox.shutdown()


@pytest.fixture
def state_disk(sandbox):
    with disk.small(sandbox.root / "state") as folder:
        yield folder
        sandbox.shutdown()


@pytest.fixture
def few_files(sandbox):
    with disk.small(sandbox.root / "state", "size=8m,nr_inodes=40") as folder:
        yield folder
        sandbox.shutdown()


def told(result, folder, text):
    """The error with what it says of that disk, and the help."""
    assert re.search(rf"No space left on device; the file system at {folder} {text}$", result.err, re.M), str(result)
    assert f"help: make room at {folder}," in result.err, str(result)
    assert "database" not in result.err


FULL = r"has 0 KiB free of 8\.0 MiB"


def test_up_with_a_full_disk(sandbox, small_disk):
    shop, other = sandbox.project(WORKER), sandbox.project(WORKER, name="other")
    shop.up()
    pid = shop.service("w")["pid"]
    disk.fill(small_disk / "hog")
    told(other.fail("up", status=1), small_disk, FULL)
    told(shop.fail("restart", status=1), small_disk, FULL)
    sandbox.kill_daemon()
    disk.fill(small_disk / "hog")
    told(other.fail("up", status=1), small_disk, FULL)
    assert shop.service("w")["pid"] == pid
    (small_disk / "hog").unlink()
    other.up()
    assert other.service("w")["state"] == "running"


def test_a_daemon_that_finds_its_disk_full(sandbox, state_disk):
    shop = sandbox.project(WORKER)
    disk.fill(state_disk / "hog")
    result = shop.fail("up", status=3)
    told(result, state_disk, FULL)
    assert "the daemon did not start" in result.err
    (state_disk / "hog").unlink()
    shop.up()


def test_a_disk_that_takes_no_other_file(sandbox, few_files):
    """With each file more that there is room for a start gets a step further."""
    shop, hogs = sandbox.project(WORKER), few_files / "hogs"
    hogs.mkdir()
    with contextlib.suppress(OSError):
        for n in range(100):
            (hogs / str(n)).touch()
    said = []
    for hog in sorted(hogs.iterdir()):
        result = shop.attempt("up")
        if "the file system at" not in result.err:
            break
        told(result, few_files, r"has all of its 40 files in use, and 8\.0 MiB free of 8\.0 MiB")
        said.append(result.err)
        hog.unlink()
    for name in ("state/locald:", "daemon.log:", "daemon.running:", "state.db:"):
        assert any(name in text for text in said), (name, said)
    for hog in hogs.iterdir():
        hog.unlink()
    shop.up()
