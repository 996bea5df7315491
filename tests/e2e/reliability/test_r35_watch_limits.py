"""Where no file can be watched, files are looked at: edits are applied all the same, and doctor says why."""

import os
import subprocess
import time

import pytest

from support.sandbox import wait_readable
from support.waiting import until

from . import loads

ROW = "R35"
TITLE = "Watch limits"
PASS = "no watches, then no inotify at all: an edit is applied ≤ 2 s later, `doctor` says why and what to do, " \
       "`logs`, `logs -f` and health checks by the log go on"

# The limits of a user namespace of its own: nobody else's change.
INSIDE = ["unshare", "--user", "--map-root-user", "--kill-child", "sh", "-c",
          'echo 0 >"/proc/sys/user/$0" && exec "$@"']


def limited(limit, *argv):
    return [*INSIDE, limit, *map(str, argv)]


def read_until(process, text):
    """What a started command shows has this in it, in time."""
    shown = b""
    while text.encode() not in shown:
        wait_readable(process.stdout, 20)
        piece = os.read(process.stdout.fileno(), 65536)
        assert piece, f"it ended: {process.communicate()}"
        shown += piece


@pytest.mark.parametrize("limit", ["max_inotify_watches", "max_inotify_instances"])
def test_edits_are_applied_without_watches(sandbox, svc, row, limit):
    tried = subprocess.run(limited(limit, "true"), stderr=subprocess.PIPE, text=True)
    if tried.returncode != 0:
        pytest.skip(f"no user namespace with limits of its own: {tried.stderr.strip()}")
    edits = row.choose(2, 20)

    def inside(*arguments, **options):
        process = sandbox.popen(argv=limited(limit, sandbox.binary, *arguments), cwd=project.folder, **options)
        return sandbox.finish(process)

    def toml(number):
        return loads.service("web", [svc, "env", "EDIT", ",", "wait"], type="worker") \
            + f'[services.web.env]\nEDIT = "{number}"\n\n' \
            + '[services.web.health_check]\npattern = "^EDIT="\n'

    def follow(*arguments):
        return sandbox.popen(argv=limited(limit, sandbox.binary, "logs", "-f", "-n", "1", *arguments), cwd=project.folder)

    project = sandbox.project(toml(0))
    up = inside("up")
    assert up.status == 0, str(up)
    slowest = 0
    for number in range(1, edits + 1):
        before = project.service("web")["run"]
        project.write("locald.toml", toml(number))
        began = time.monotonic()
        until(lambda: project.service("web")["run"] == before + 1 and project.service("web")["ready"])
        slowest = max(slowest, time.monotonic() - began)
    row.figure(f"{limit} 0: edits applied", f"{edits}/{edits}")
    row.took("slowest", slowest, limit=2)
    said = inside("doctor").out
    row.figure("doctor says why", "files are looked at again and again" in said
               and "fs.inotify.max_user_" + limit.removeprefix("max_inotify_") in said, wanted=True)
    log = inside("logs", "--raw", "web").out
    row.figure("its log", log.splitlines()[-1], wanted=f"EDIT={edits}")
    system, web = follow("--system", "--grep", "serves"), follow("--raw", "web")
    read_until(system, "serves")
    read_until(web, f"EDIT={edits}")
    sandbox.kill_daemon()
    assert inside("status").status == 0
    project.write("locald.toml", toml(edits + 1))
    read_until(system, "serves")
    read_until(web, f"EDIT={edits + 1}")
    for follower in (system, web):
        follower.kill()
        sandbox.finish(follower)
    row.figure("followers that go on", "2/2")
