"""A line without an end: stored in pieces, given back as it was, and nobody's memory grows with it."""

import hashlib

from support.log_segments import read_log, read_segment
from support.waiting import until

from . import loads

ROW = "R14"
TITLE = "Huge line"
PASS = "1 GiB without a newline: pieces ≤ 64 KiB flagged `cont`, SHA-256 of `logs --raw` equals the input, " \
       "memory of keeper and daemon ≤ +1 MiB"

CONT = 1
BLOCK = (b"abcdefghijklmnopqrstuvwxyz" * 2521)[:65536]  # what `svc line` repeats
END = b"\nend\n"


def sha256_of(size):
    digest = hashlib.sha256()
    for at in range(0, size, len(BLOCK)):
        digest.update(BLOCK[:size - at])
    digest.update(END)
    return digest.hexdigest()


def last_record(folder):
    found = None
    for found in read_segment(sorted(folder.glob("*.seg"))[-1]):
        pass
    return found.data if found else b""


def pieces_of(folder):
    """(the biggest, how many are continued, how many are not) of what the service wrote."""
    biggest = continued = ended = 0
    for record in read_log(folder):
        if record.stream != "event":
            biggest = max(biggest, len(record.data))
            continued += bool(record.flags & CONT)
            ended += not record.flags & CONT
    return biggest, continued, ended


def test_a_line_without_an_end(sandbox, svc, row):
    size = row.choose(24 << 20, 1 << 30)
    project = sandbox.project(
        loads.service("small", [svc, "say", "one", ",", "wait"], type="worker")
        + loads.service("huge", [svc, "line", size, ",", "say", "", ",", "say", "end", ",", "wait"],
                        type="worker", log_size="2GiB"))
    project.run("up", "small")
    daemon = sandbox.daemon_pid()
    before = loads.rss_kib(daemon)
    project.up(timeout=300)
    folder = loads.log_folder(project, "huge")
    until(lambda: sum(p.stat().st_size for p in folder.glob("*.seg")) > size, timeout=900)
    until(lambda: last_record(folder).endswith(b"end\n"), timeout=60)
    peaks = [loads.rss_kib(loads.keeper_of(project, name), "VmHWM") for name in ("huge", "small")]
    row.at_most("keeper, more than that of a short line", peaks[0] - peaks[1], 1024, "KiB")
    row.at_most("daemon grew by", loads.rss_kib(daemon) - before, 1024, "KiB")

    biggest, continued, ended = pieces_of(folder)
    row.at_most("biggest piece", biggest, 65536, "bytes")
    row.at_least("pieces flagged `cont`", continued, size // 65536)
    row.at_most("pieces that are not", ended, 2)
    digest, length = loads.raw_digest(project, "huge")
    row.figure("bytes of --raw", length, wanted=size + len(END))
    row.figure("SHA-256 equals the input's", digest == sha256_of(size), wanted=True)
