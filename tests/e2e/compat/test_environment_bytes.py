"""Environment variables are bytes: what is not UTF-8 arrives as it is."""

import os
import signal

import pytest
from support.waiting import until

VALUE = b"\xff\xfe caf\xe9"


@pytest.fixture
def project(sandbox):
    return sandbox.project("""
        [services.printer]
        type = "worker"
        command = "env -0 > env; exec sleep 1000"
    """)


def seen(project):
    """What the service has written down of its environment so far."""
    try:
        data = (project.folder / "env").read_bytes()
    except FileNotFoundError:
        return {}
    return dict(entry.split(b"=", 1) for entry in data.split(b"\0")[:-1])


def up(project):
    process = project.sandbox.popen("up", cwd=project.folder, argv=[
        "/usr/bin/python3", "-c",
        "import os, sys; os.environb[b'LATIN'] = bytes.fromhex(sys.argv[1]);"
        "os.execv(sys.argv[2], [sys.argv[2], 'up'])",
        VALUE.hex(), project.sandbox.binary,
    ])
    result = project.sandbox.finish(process)
    assert result.status == 0, str(result)
    return result


def test_bytes_reach_the_service(project):
    assert "UTF-8" not in up(project).err
    until(lambda: seen(project).get(b"LATIN") == VALUE)


def test_bytes_are_kept_for_a_restart_by_the_next_daemon(project):
    up(project)
    until(lambda: b"LATIN" in seen(project))
    (project.folder / "env").unlink()
    project.sandbox.kill_daemon()
    project.run("status")
    os.kill(project.service("printer")["pid"], signal.SIGKILL)
    until(lambda: seen(project).get(b"LATIN") == VALUE)
