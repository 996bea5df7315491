"""Bytes that are no text: given back as they were, and harmless on a terminal."""

import base64
import hashlib
import json
import re
import subprocess
import termios

from support.pty import Terminal

from . import loads

ROW = "R15"
TITLE = "Binary, invalid UTF-8"
PASS = "100 MB of random bytes: `--raw` identical, `--json` lossless, nothing but text and colours reaches a " \
       "terminal, whose settings stay"

SEED = 20261126
# What may reach a terminal: text, tabs, ends of lines, colours.  (C1 controls are no text.)
HARMLESS = re.compile(r"(?:[^\x00-\x1f\x7f-\x9f]|\t|\r?\n|\x1b\[[0-9;:]*m)*")
# What would change one: alternate screen, reports, title, character set, reset, bracketed paste.
NASTY = [b"\x1b[?1049h", b"\x1b[6n", b"\x1b]0;owned\x07", b"\x1b]52;c;b3duZWQ=\x07", b"\x1b(0", b"\x1bc",
         b"\x9b2J", b"\xc2\x9b2J", b"\x1b[?2004h", b"\x1bP+q\x1b\\", b"\x0e", b"\x05", b"\x1b[8;1;1t"]


def written(svc, *words):
    """(SHA-256, length) of what the service writes, without locald."""
    with subprocess.Popen([svc, *map(str, words)], stdout=subprocess.PIPE) as process:
        return loads.read_digest(process)


def json_digest(project, name):
    """(SHA-256, length) of the bytes that `logs --json` tells."""
    process = project.popen("logs", "--json", "-n", "100000000", name)
    digest, size = hashlib.sha256(), 0
    for line in process.stdout:
        entry = json.loads(line)
        if entry["stream"] == "event":
            continue
        data = base64.b64decode(entry["base64"]) if "base64" in entry else entry["text"].encode()
        if not entry.get("cont") and not entry.get("partial"):
            data += b"\n"
        digest.update(data)
        size += len(data)
    result = project.sandbox.finish(process)
    assert result.status == 0, str(result)
    return digest.hexdigest(), size


def test_random_bytes_come_back_as_they_were(sandbox, svc, row):
    size = row.choose(6 << 20, 100 << 20)
    words = ["binary", size, SEED]
    project = sandbox.project(loads.service(
        "noise", [svc, *words], type="worker", oneshot=True, log_size="256MiB"))
    project.up(timeout=300)  # which waits for a oneshot to complete
    wanted = written(svc, *words)
    raw, told = loads.raw_digest(project, "noise"), json_digest(project, "noise")
    row.figure("bytes", wanted[1], wanted=size)
    row.figure("--raw identical", raw == wanted, wanted=True)
    row.figure("--json lossless", told == wanted, wanted=True)


def test_a_terminal_is_not_touched(sandbox, svc, row):
    text = b"".join(b"before " + sequence + b" after\n" for sequence in NASTY)
    project = sandbox.project(
        loads.service("noise", [svc, "binary", row.choose(300_000, 3_000_000), SEED, ",", "wait"],
                      type="worker")
        + loads.service("nasty", ["cat", "nasty"], type="worker", oneshot=True))
    (project.folder / "nasty").write_bytes(text * 20)
    project.up()
    with Terminal(project, "logs", "-n", "100000") as terminal:
        before = termios.tcgetattr(terminal.master)
        status = terminal.wait(60)
        after = termios.tcgetattr(terminal.master)
    shown = terminal.raw.decode(errors="surrogateescape")
    harmful = HARMLESS.sub("", shown)
    row.figure("bytes on the terminal", len(terminal.raw))
    row.figure("of these harmful", len(harmful), wanted=0)
    row.figure("settings of the terminal unchanged", before == after, wanted=True)
    assert status == 0 and shown.count("before ") == 20 * len(NASTY)
