"""locald container run -d comes back when the program is executed, and says when it cannot be.

The runtime of these tests waits at a gate before it begins, so that the order of things is known.
"""

import os

import pytest

from support import faults, images
from support.waiting import until

GATE = """\
#!/bin/sh
case " $* " in
*" run --init "*) read go <"{gate}" ;;
esac
exec "{shim}" "$@"
"""


class Gated:
    """A sandbox whose containers begin when their gate is opened, once for each."""

    def __init__(self, sandbox, build):
        self.sandbox, self.gate = sandbox, sandbox.root / "gate"
        libexec = faults.make_libexec(build, sandbox.root / "libexec")
        os.mkfifo(self.gate, 0o600)
        shim = libexec / "locald-shim"
        shim.unlink()
        shim.write_text(GATE.format(gate=self.gate, shim=build / "src/shim/locald-shim"), encoding="utf-8")
        shim.chmod(0o755)
        sandbox.environment["LOCALD_LIBEXEC"] = str(libexec)
        sandbox.run("image", "import", str(images.busybox_tar(sandbox.root / "base.tar")), "base")

    def start(self, *words):
        """`run -d`, which has got as far as the runtime, and longer than a start has to last."""
        starting = self.sandbox.popen("container", "run", "-d", "--name", "box", *words)
        until(lambda: (c := self.container()) and (c["uptime_ms"] or 0) > 400, what="the runtime runs")
        return starting

    def open(self):
        self.gate.write_text("go\n", encoding="utf-8")

    def container(self):
        listed = self.sandbox.run("container", "list", "--json").json["containers"]
        return listed[0] if listed else None


@pytest.fixture
def gated(sandbox, build):
    return Gated(sandbox, build)


def test_it_comes_back_once_the_program_runs(gated):
    starting = gated.start("base", "sleep", "1000")
    assert starting.poll() is None
    gated.open()
    result = gated.sandbox.finish(starting)
    assert (result.status, result.out, result.err) == (0, "box\n", ""), str(result)
    assert gated.container()["state"] == "running"
    gated.sandbox.run("container", "exec", "box", "true")


@pytest.mark.parametrize("words, status", [(["no-such-command"], 127), (["/etc/passwd"], 126)])
def test_a_late_failure_is_told_too(gated, words, status):
    starting = gated.start("base", *words)
    assert starting.poll() is None
    gated.open()
    result = gated.sandbox.finish(starting)
    assert result.status == status and words[0] in result.err and not result.out, str(result)
    assert not gated.container()


def test_nobody_waits_any_more(gated):
    """Who asked has gone: how it failed is kept for the list and the log."""
    starting = gated.start("base", "no-such-command")
    starting.kill()
    gated.sandbox.finish(starting)
    gated.open()
    box = until(lambda: (c := gated.container()) and c["state"] == "crashed" and c)
    assert box["last_exit"]["code"] == 127
    assert "no-such-command" in gated.sandbox.run("container", "logs", "box").out


def test_a_daemon_that_leaves_while_it_begins(gated):
    starting = gated.start("base", "sleep", "1000")
    gated.sandbox.run("daemon", "stop")
    result = gated.sandbox.finish(starting)
    assert result.status != 0 and not result.out, str(result)
    assert gated.container()["state"] == "running", "for the next daemon, which knows the runtime's process"
    gated.open()
    until(lambda: gated.sandbox.attempt("container", "exec", "box", "true").status == 0, timeout=30, what="it has begun")


def test_a_removal_while_it_begins(gated):
    starting = gated.start("base", "sleep", "1000")
    assert "removed box" in gated.sandbox.run("container", "rm", "--force", "box").out
    result = gated.sandbox.finish(starting)
    assert result.status != 0 and not result.out, str(result)
    assert not gated.container()


def test_a_stop_while_it_begins(gated):
    starting = gated.start("base", "sleep", "1000")
    gated.sandbox.run("container", "stop", "box")
    result = gated.sandbox.finish(starting)
    assert result.status != 0 and not result.out, str(result)
    until(lambda: not gated.container(), what="it is removed, as it never began")


def test_what_cannot_be_started_again_stays(gated):
    """A program that is in a volume is there, and then it is not."""
    folder = gated.sandbox.root / "tools"
    folder.mkdir()
    (folder / "tool").write_text("#!/bin/sh\nexec sleep 1000\n", encoding="utf-8")
    (folder / "tool").chmod(0o755)
    starting = gated.start("-v", f"{folder}:/tools", "base", "/tools/tool")
    gated.open()
    assert gated.sandbox.finish(starting).status == 0
    first = gated.container()["run"]
    (folder / "tool").rename(folder / "tool.old")
    restarting = gated.sandbox.popen("container", "restart", "box")
    until(lambda: gated.container()["run"] > first, what="it is started again")
    refused = gated.sandbox.fail("container", "start", "box", status=7)
    assert "starting" in refused.err
    gated.open()
    result = gated.sandbox.finish(restarting)
    assert result.status == 127 and "/tools/tool" in result.err, str(result)
    assert gated.container()["state"] == "crashed"
    (folder / "tool.old").rename(folder / "tool")
    gated.gate.unlink()
    gated.gate.write_text("open\n", encoding="utf-8")
    gated.sandbox.run("container", "start", "box")
    assert gated.container()["state"] == "running"
