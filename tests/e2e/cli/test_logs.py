"""locald logs: what it chooses, how it shows it, and that it needs no daemon."""

import base64
import os
import re
import signal

import pytest

from support.waiting import until

TWO = r"""
    [services.web]
    type = "worker"
    command = '''
      for i in 1 2 3; do echo "line $i"; echo "ERROR: bad $i" >&2; done
      printf '10%%\r50%%\r100%%\n'
      printf '\033[31mred\033[0m \033[2Kx\033]0;title\a y\n'
      echo '{"level":"warn","msg":"slow"}'
      printf '\377\376\n'
      exec sleep 1000
    '''

    [services.api]
    type = "worker"
    command = "echo api one; echo api two; exec sleep 1000"
"""


@pytest.fixture
def two(sandbox):
    project = sandbox.project(TWO)
    project.up()
    until(lambda: len(records(project)) == 12, what="all lines are there")
    return project


def records(project, *arguments):
    events = project.run("logs", "--json", *arguments).events
    return [r for r in events if r.get("stream") in ("out", "err")]


def texts(project, *arguments):
    return [r.get("text") for r in records(project, *arguments)]


def test_n_counts_the_lines_that_are_shown(two):
    assert len(two.run("logs", "-n", "3").out.splitlines()) == 3
    assert two.run("logs", "-n", "0").out == ""
    every = two.run("logs").out.splitlines()
    assert two.run("logs", "-n", "5").out.splitlines() == every[-5:]


def test_lifecycle_events_are_inline(two):
    two.run("stop", "api")
    out = two.run("logs", "api").out
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3} api  ▶ run 1 pid \d+$", out, re.M), out
    assert re.search(r"■ ended by SIGTERM \(run 1, lived \d+\.\ds\)$", out, re.M), out


def test_grep(two):
    assert texts(two, "--grep", "bad [23]$") == ["ERROR: bad 2", "ERROR: bad 3"]
    assert texts(two, "--grep", "BAD 3", "-i") == ["ERROR: bad 3"]
    assert texts(two, "--grep", "a|e", "-v", "api") == []
    assert len(two.run("logs", "web", "--grep", "bad 2", "-C", "1").out.splitlines()) == 3
    apart = two.run("logs", "web", "--grep", "line 1|slow", "-C", "0").out.splitlines()
    assert len(apart) == 2
    assert "--" in two.run("logs", "web", "--grep", "line 1|slow", "-C", "1").out.splitlines()


@pytest.mark.parametrize("arguments, said", [
    (["--grep", "a(b"], "character 2"),
    (["--grep", "[a"], "character 1"),
    (["--since", "soon"], "`soon`"),
    (["--since", "10m", "--until", "1h"], "later"),
    (["--run", "0"], "--run"),
    (["--raw"], "one service"),
    (["-C", "3"], "--grep"),
    (["--level", "warm"], "warn"),
    (["--follow", "--until", "now"], "--until"),
])
def test_what_it_does_not_take(two, arguments, said):
    result = two.fail("logs", *arguments, status=2)
    assert said in result.err and result.out == "", str(result)


def test_streams_levels_runs_and_times(two):
    assert texts(two, "--stream", "err", "web") == [f"ERROR: bad {n}" for n in (1, 2, 3)]
    assert sorted(texts(two, "--level", "warn")) == [
        "ERROR: bad 1", "ERROR: bad 2", "ERROR: bad 3", '{"level":"warn","msg":"slow"}']
    two.run("restart", "api")
    until(lambda: len(texts(two, "api", "--since-start")) == 2, what="the second run wrote")
    assert {r["run"] for r in records(two, "api", "--run", "-1")} == {1}
    assert {r["run"] for r in records(two, "api", "--run", "2")} == {2}
    assert {r["run"] for r in records(two, "api", "--since-start")} == {2}
    assert len(records(two, "--since", "10m")) == 14
    assert records(two, "--until", "10m") == []


def test_several_services_and_globs(two):
    assert {r["service"] for r in records(two, "web", "api")} == {"web", "api"}
    assert {r["service"] for r in records(two, "a*")} == {"api"}
    assert "api" in two.fail("logs", "apu", status=4).err
    two.fail("logs", "z*", status=4)


def test_what_a_terminal_must_not_see(two):
    out = two.run("logs", "web", "--color", "always").raw_out
    assert b"\x1b[31mred\x1b[0m x y" in out and b"\x1b]" not in out and b"\x1b[2K" not in out
    assert b"\r" not in out and b"100%" in out and b"50%" not in out
    assert b"\\xff\\xfe" in out
    assert b"\x1b[31m" not in two.run("logs", "web").raw_out


def test_raw_and_json_lose_nothing(two):
    raw = two.run("logs", "web", "--raw", "--stream", "out").raw_out
    assert b"10%\r50%\r100%\n" in raw and b"\x1b]0;title\a y\n" in raw and b"\n\xff\xfe\n" in raw
    out = [r for r in records(two, "web") if r["stream"] == "out"]
    assert base64.b64decode(out[-1]["base64"]) == b"\xff\xfe" and "text" not in out[-1]


def test_without_a_daemon_and_with_a_broken_file(two):
    two.sandbox.kill_daemon()
    two.write("locald.toml", "services = [")
    assert len(texts(two, "-n", "100")) == 12
    assert two.sandbox.attempt("server", "status").status != 0, "logs needs no daemon"
    two.write("locald.toml", TWO)


def test_nothing_started_yet(sandbox):
    assert "locald up" in sandbox.project(TWO).fail("logs", status=4).err


def test_follow_sees_other_services_and_later_runs(two):
    viewer = two.popen("logs", "-f", "--no-prefix")

    def until_api_two():
        lines = [viewer.stdout.readline()]
        while lines[-1] and lines[-1] != b"api two\n":
            lines.append(viewer.stdout.readline())
        return b"".join(lines).decode(errors="replace")

    assert "▶ run 1" in until_api_two()
    two.run("restart", "api")
    assert "▶ run 2" in until_api_two()
    viewer.send_signal(signal.SIGINT)
    assert two.sandbox.finish(viewer).status == 130


def test_follow_ends_when_nobody_reads(two):
    viewer = two.popen("logs", "-f", "api")
    viewer.stdout.readline()
    viewer.stdout.close()
    viewer.stdout = None
    two.sandbox.finish(viewer, timeout=20)


def test_system(two):
    out = two.run("logs", "--system").out
    assert "serves" in out
    assert two.run("logs", "--system", "-n", "1").out == out.splitlines(keepends=True)[-1]
    assert two.run("logs", "--system", "--grep", "no such text").out == ""
    assert two.run("logs", "--system", "--until", "1h").out == ""
    two.fail("logs", "--system", "web", status=2)


def test_a_pipe_that_is_closed(two):
    """As `locald logs | head -1`: no complaint."""
    reader, writer = os.pipe()
    os.close(reader)
    process = two.popen("logs", stdout=writer)
    os.close(writer)
    result = two.sandbox.finish(process)
    assert result.err == "" or "pipe" in result.err.lower(), str(result)
