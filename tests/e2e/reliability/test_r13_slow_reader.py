"""Readers of a log that stand still: the writer and the daemon do not notice, and nothing is passed over in
silence when they go on."""

import http.client
import json
import pathlib
import signal
import socket
import threading
import urllib.parse

import pytest

from support.waiting import until

from . import loads

ROW = "R13"
TITLE = "Slow or paused reader of logs"
PASS = "`logs -f` stopped for 60 s and a browser that reads nothing, beside a writer of 100 MB/s: the writer " \
       "≤ 1 % slower, the daemon grows ≤ 8 MiB; afterwards exact continuation, or one line that says what was " \
       "evicted; a follower of a log that does not grow never wakes up"

WIDTH = 199


class Browser(http.client.HTTPConnection):
    """GET /v1/logs?follow=1 on the control socket, with next to no room for what comes."""

    def __init__(self, sandbox, project, name):
        super().__init__("locald", timeout=120)
        self.path = str(sandbox.root / "run/locald/daemon.sock")
        query = urllib.parse.urlencode(
            {"root": project.folder.resolve(), "service": name, "follow": 1, "n": 0})
        self.request("GET", f"/v1/logs?{query}")
        self.answer = self.getresponse()
        assert self.answer.status == 200, self.answer.read()

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Reading:
    """What a reader got, up to a number: in order, with each gap told."""

    def __init__(self, lines, last):
        self.gaps = self.untold = self.records = 0
        expected = None
        for line in lines:
            entry = json.loads(line)
            if "gap" in entry:
                self.gaps += 1
                expected = expected and expected + entry["gap"]["records"]
                continue
            if "seq" not in entry:
                continue
            self.records += 1
            self.untold += expected is not None and entry["seq"] != expected
            expected = entry["seq"] + 1
            if entry["stream"] == "out" and entry.get("text", "").split(".", 1)[0] == str(last):
                break


def pauses(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in text.splitlines()
                if line.startswith("voluntary_ctxt_switches"))


def run_once(project):
    """Seconds of one run of the writer, as its log tells."""
    project.run("restart", "loud", timeout=300)
    return project.service("loud")["last_exit"]["run_ms"] / 1000


@pytest.mark.parametrize("kept", ["all", "little"])
def test_readers_that_stand_still(sandbox, svc, row, kept):
    rate, seconds = row.choose((100_000, 1), (500_000, 60 if kept == "little" else 8))
    lines = rate * seconds
    size = "8M" if kept == "little" else "8G"
    project = sandbox.project(loads.service(
        "loud", [svc, "chunk", 65536, ",", "lines", lines, rate, WIDTH], type="worker", oneshot=True,
        log_size=size))
    project.up(timeout=300)
    alone, daemon = run_once(project), sandbox.daemon_pid()
    follower = project.popen("logs", "-f", "-n", "1", "--json", "loud")
    first = json.loads(follower.stdout.readline())
    follower.send_signal(signal.SIGSTOP)
    browser = Browser(sandbox, project, "loud")
    before = loads.rss_kib(daemon)
    beside = run_once(project)
    row.figure(f"{kept} kept: MB/s", round(lines * (WIDTH + 1) / beside / 1e6))
    row.share("speed of the writer", alone / beside * 100, least=99)
    row.at_most("daemon grew by", (loads.rss_kib(daemon, "VmHWM") - before) // 1024, 8, "MiB")

    follower.send_signal(signal.SIGCONT)
    reading = Reading(follower.stdout, lines)
    row.figure("lines that `logs -f` missed without a word", reading.untold, wanted=0)
    row.at_most("its gaps", reading.gaps, 1 if kept == "little" else 0)
    assert first["seq"] > 0 and (reading.gaps == 1) == (kept == "little")
    reading = Reading(browser.answer, lines)
    row.figure("lines that the browser missed without a word", reading.untold, wanted=0)
    row.at_most("its gaps", reading.gaps, 1 if kept == "little" else 0)
    browser.close()

    span = row.choose(1, 10)

    def stays_asleep():
        seen = pauses(follower.pid)
        threading.Event().wait(span)
        return pauses(follower.pid) == seen

    # What still comes of the last run may wake it up; a follower that polls never sleeps so long.
    until(stays_asleep, timeout=30 * span, what=f"a follower of nothing sleeps for {span} s")
    row.figure("wake-ups of a follower of nothing", 0)
    follower.send_signal(signal.SIGINT)
    sandbox.finish(follower)
