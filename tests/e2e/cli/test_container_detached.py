"""locald container run -d, list, logs, exec, stop, start, restart and rm; as the caller and as a user."""

import os
import re
import signal
import socket

import pytest

from support import audit, web as http
from support.pty import Terminal
from support.sandbox import wait_readable
from support.waiting import until


@pytest.fixture(autouse=True)
def tidy(place):
    """Every test ends with no container, and then nothing is left of them."""
    yield
    names = [each["name"] for each in listed(place)]
    if names:
        place.run("container", "rm", "--force", *names)
    assert not listed(place)
    state, run = place.sandbox.root / "state/locald", place.sandbox.root / "run/locald"
    until(lambda: not list((state / "containers").glob("*/*")), what="bundles and layers are removed")
    for left in ("detached/*", "logs/*"):
        assert not list(state.glob(left)), left
    for left in ("keepers/*", "projects/*"):
        assert not list(run.glob(left)), left


def start(place, *words):
    result = place.attempt("container", "run", "-d", *words)
    assert result.status == 0, str(result)
    return result.out.strip()


def listed(place):
    return place.run("container", "list", "--json").json["containers"]


def container(place, name):
    return next(each for each in listed(place) if each["name"] == name)


def ended(place, name):
    """The container, once it has come to its end."""
    return until(lambda: (c := container(place, name))["state"] in ("exited", "crashed", "stopped") and c,
                 what=f"{name} ends")


def log(place, name):
    records = place.run("container", "logs", "--json", name).events
    return [r["text"] for r in records if r.get("stream") in ("out", "err")]


def is_bound(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def test_a_life(place):
    assert start(place, "--name", "box", "-e", "A=b c", "base", "sh", "-c", "echo $A; echo no >&2; exec sleep 1000") == "box"
    box = container(place, "box")
    assert (box["state"], box["image"], box["argv"][0], box["mode"]) == ("running", "base", "sh", "container")
    assert until(lambda: len(lines := log(place, "box")) == 2 and sorted(lines)) == ["b c", "no"]
    table = place.run("container", "ls").out
    assert re.search(r"^box +running .*base +sh -c", table, re.M), table
    assert [each["name"] for each in place.run("status", "-A", "--json").json["projects"]] == ["box"]
    assert place.run("container", "exec", "box", "--", "hostname").out == "box\n"
    assert place.fail("container", "rm", "box", status=7).err.count("box") > 1
    assert "stopped box" in place.run("container", "stop", "box").out
    assert container(place, "box")["state"] == "stopped" and "b c" in log(place, "box")
    assert place.run("container", "stop", "box").status == 0
    assert "removed box" in place.run("container", "rm", "box").out
    place.fail("container", "logs", "box", status=4)


def test_how_it_ended_is_in_the_list(place):
    for code, state in ((0, "exited"), (9, "crashed")):
        name = start(place, "base", "sh", "-c", f"echo bye; exit {code}")
        assert ended(place, name)["state"] == state
        assert container(place, name)["last_exit"]["code"] == code
        assert log(place, name) == ["bye"]
        assert f"exit {code}" in place.run("container", "list").out


@pytest.mark.parametrize("options", [[], ["-t"], ["--rm"]])
@pytest.mark.parametrize("program, status", [("no-such-command", 127), ("/etc/passwd", 126)])
def test_a_command_that_cannot_be_executed(place, options, program, status):
    result = place.fail("container", "run", "-d", *options, "base", program, status=status)
    assert program in result.err and "\\x" not in result.err and not result.out, str(result)
    until(lambda: not listed(place), what="nothing is left of it")


@pytest.mark.parametrize("options", [[], ["--rm"]])
def test_a_program_that_ends_like_one_that_is_not_there(place, options):
    """It was executed: that it ended is no failure of the start."""
    result = place.run("container", "run", "-d", *options, "base", "sh", "-c", "echo no-such-thing; exit 127")
    assert result.out == "base\n" and "error" not in result.err and "called off" not in result.err, str(result)
    if options:
        until(lambda: not listed(place), what="it is removed")
    else:
        assert ended(place, "base")["last_exit"]["code"] == 127


def test_started_again(place):
    """As it was, volumes and all; its log goes on, and what it wrote elsewhere is gone."""
    words = ["-e", "A=b c", "-v", "again:/kept", "base", "sh", "-c",
             "cat /kept/x /tmp/y; echo $A | tee /kept/x >/tmp/y; test -e /kept/stay && exec sleep 1000"]
    start(place, "--name", "again", *words)
    assert ended(place, "again")["last_exit"]["code"] == 1
    first = container(place, "again")["run"]
    assert place.run("container", "run", "-v", "again:/kept", "base", "touch", "/kept/stay").status == 0
    assert "started again" in place.run("container", "start", "again").out
    again = container(place, "again")
    assert (again["state"], again["run"], again["image"]) == ("running", first + 1, "base")
    said = until(lambda: len(lines := log(place, "again")) == 4 and lines)
    assert [line for line in said if "/" not in line] == ["b c"] and sum("/tmp/y" in line for line in said) == 2
    # One that runs is left alone by one, and not by the other.
    assert "started again" in place.run("container", "start", "again").out
    assert container(place, "again")["pid"] == again["pid"]
    assert "restarted again" in place.run("container", "restart", "again").out
    restarted = container(place, "again")
    assert restarted["state"] == "running" and restarted["run"] == first + 2 and restarted["pid"] != again["pid"]
    place.run("container", "stop", "again")
    assert place.run("container", "restart", "--json", "again").result["container"]["name"] == "again"
    assert container(place, "again")["state"] == "running"
    place.run("container", "rm", "-f", "again")
    until(lambda: place.attempt("volume", "rm", "container/again").status == 0, what="nobody has it mounted")


def test_started_again_by_the_next_daemon(place):
    start(place, "--name", "again", "base", "sleep", "1000")
    place.run("container", "stop", "again")
    until(lambda: not list((place.sandbox.root / "state/locald/containers").glob("*/*")), what="its layer is removed")
    place.run("daemon", "stop")
    assert "started again" in place.run("container", "start", "again").out
    assert container(place, "again")["state"] == "running"


def test_what_ends_at_once_again(place):
    start(place, "--name", "brief", "base", "sh", "-c", "echo was here; exit 3")
    ended(place, "brief")
    place.run("container", "start", "brief")
    until(lambda: log(place, "brief") == ["was here"] * 2)
    assert ended(place, "brief")["last_exit"]["code"] == 3


def test_one_with_rm_restarts(place):
    start(place, "--name", "kept", "--rm", "base", "sleep", "1000")
    before = container(place, "kept")["pid"]
    place.run("container", "restart", "kept")
    assert container(place, "kept")["pid"] != before and container(place, "kept")["state"] == "running"
    place.run("container", "stop", "kept")
    until(lambda: not listed(place), what="it is removed with its end")


def test_a_port_that_somebody_took_meanwhile(place):
    port = http.free_port()
    start(place, "--name", "site", "-p", f"{port}:80", "base", "sleep", "1000")
    place.run("container", "restart", "site")
    place.run("container", "stop", "site")
    until(lambda: not is_bound(port), what="the relay lets go of it")
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        result = place.fail("container", "start", "site", status=7)
        assert str(port) in result.err, str(result)
    place.run("container", "start", "site")


def test_names_are_made_up_and_taken(place):
    assert [start(place, "base", "sleep", "1000") for _ in range(2)] == ["base", "base-2"]
    result = place.fail("container", "run", "-d", "--name", "base-2", "base", "true", status=7)
    assert "base-2" in result.err and "--name" in result.err
    for words in (["stop"], ["start"], ["restart"], ["rm"], ["logs"], ["exec"], ["attach"]):
        arguments = ["basse-2"] + (["true"] if words == ["exec"] else [])
        assert "did you mean `base-2`?" in place.fail("container", *words, *arguments, status=4).err
    place.fail("container", "rm", "--force", "base", "nobody", status=4)
    assert len(listed(place)) == 2
    offered = place.run("__complete", "--", "container", "rm", "").out
    assert [line.split("\t")[0] for line in offered.splitlines()] == ["base", "base-2"]


def test_a_daemon_that_dies_in_between(place):
    start(place, "--name", "long", "base", "sh", "-c", "while echo more; do sleep 0.1; done")
    start(place, "--name", "short", "--rm", "base", "sh", "-c", "while ! test -e /tmp/go; do sleep 0.05; done")
    place.run("container", "exec", "short", "touch", "/tmp/there")
    before = container(place, "long")
    place.sandbox.kill_daemon()
    lines = len(log(place, "long"))
    until(lambda: len(log(place, "long")) > lines, what="it writes without a daemon")
    after = container(place, "long")
    assert (after["pid"], after["run"], after["state"]) == (before["pid"], before["run"], "running")
    place.run("container", "exec", "short", "touch", "/tmp/go")
    until(lambda: [each["name"] for each in listed(place)] == ["long"], what="--rm still holds")
    place.run("container", "stop", "long")
    assert container(place, "long")["state"] == "stopped"


def test_the_end_while_there_is_no_daemon(place):
    fifo = place.folder / "go"
    os.mkfifo(fifo, 0o666)
    fifo.chmod(0o666)
    place.sandbox.own(place.folder)
    start(place, "--name", "mute", "-v", "./go:/go", "base", "sh", "-c", "read x < /go; exit 5")
    pid = container(place, "mute")["pid"]
    place.sandbox.kill_daemon()
    pidfd = os.pidfd_open(pid)
    fifo.write_text("now\n", encoding="utf-8")
    wait_readable(pidfd, 30)
    os.close(pidfd)
    assert ended(place, "mute")["last_exit"]["code"] == 5
    fifo.unlink()


def test_after_a_restart_of_the_machine_the_log_is_there(place):
    name = start(place, "base", "sh", "-c", "echo kept; exit 1")
    ended(place, name)
    place.run("daemon", "stop")
    # One that crashed is kept to be looked at, and goes when it is removed.
    assert list((place.sandbox.root / "state/locald/containers").glob("*/*"))
    for saved in (place.sandbox.root / "run/locald/projects").iterdir():
        saved.unlink()
    assert [(each["name"], each["state"]) for each in listed(place)] == [(name, "stopped")]
    assert "restarted" in place.run("container", "list").out and log(place, name) == ["kept"]
    place.fail("container", "exec", name, "true", status=4)
    assert f"container rm {name}" in place.fail("container", "start", name, status=4).err
    place.fail("container", "run", "-d", "--name", name, "base", status=7)
    place.run("container", "rm", name)


def test_one_that_goes_with_its_end(place):
    assert start(place, "--name", "brief", "--rm", "base", "true") == "brief"
    until(lambda: not listed(place), what="it is removed")
    start(place, "--name", "brief", "--rm", "base", "sleep", "1000")
    place.run("container", "stop", "brief")
    until(lambda: not listed(place), what="it is removed")


def test_published_ports(place):
    port = http.free_port()
    serve = ["-p", f"{port}:80", "base", "httpd", "-f", "-p", "80", "-h", "/srv/www"]
    start(place, "--name", "site", *serve)

    def answer():
        try:
            return http.get(f"http://127.0.0.1:{port}", "/").text
        except (OSError, AssertionError):
            return None

    assert until(answer, timeout=30) == "hello from a container\n"
    # Both die, and the next daemon brings back the way to it.
    place.sandbox.kill_daemon()
    os.kill(place.sandbox.relay_pid(), signal.SIGKILL)
    place.run("container", "list")
    assert until(answer, timeout=30)
    assert container(place, "site")["publish"] == [[port, 80]]
    assert f"127.0.0.1:{port}->80" in place.run("container", "list").out
    result = place.fail("container", "run", "-d", *serve, status=7)
    assert "--publish" in result.err and str(port) in result.err
    assert [each["name"] for each in listed(place)] == ["site"]
    place.run("container", "rm", "-f", "site")
    start(place, "--name", "again", *serve)
    assert until(answer, timeout=30)


def test_a_published_port_is_free_once_its_container_is_removed(place):
    """Though the relay, which holds the port, has not heard of the end yet."""
    serve = ["-p", f"{http.free_port()}:80", "base", "httpd", "-f", "-p", "80", "-h", "/srv/www"]
    start(place, "--name", "one", *serve)
    relay = place.sandbox.relay_pid()
    os.kill(relay, signal.SIGSTOP)
    try:
        place.run("container", "rm", "-f", "one")
        second = place.popen("container", "run", "-d", "--name", "two", *serve)
        until(lambda: second.poll() is not None or listed(place), what="two is accepted")
    finally:
        os.kill(relay, signal.SIGCONT)
    result = place.sandbox.finish(second)
    assert (result.status, result.out) == (0, "two\n"), str(result)


def test_volumes_are_those_of_every_container_run(place):
    name = start(place, "-v", "kept:/kept", "base", "sh", "-c", "echo more > /kept/x")
    ended(place, name)
    assert place.run("container", "run", "-v", "kept:/kept", "base", "cat", "/kept/x").out == "more\n"
    place.run("container", "rm", name)
    until(lambda: place.attempt("volume", "rm", "container/kept").status == 0, what="nobody has it mounted")


def test_logs_are_followed(place):
    start(place, "--name", "talker", "base", "sh", "-c", "echo one; while ! test -e /tmp/go; do sleep 0.05; done; echo two")
    follower = place.popen("container", "logs", "-f", "--raw", "talker")
    assert follower.stdout.readline() == b"one\n"
    place.run("container", "exec", "talker", "touch", "/tmp/go")
    assert follower.stdout.readline() == b"two\n"
    follower.terminate()
    place.sandbox.finish(follower)


def test_a_terminal_of_its_own(place):
    start(place, "--name", "desk", "-dit", "base", "sh")
    with Terminal(place, "container", "attach", "desk") as t:
        t.expect("attached to desk")
        t.type("echo $((40 + 2)); exit 3\n")
        t.expect("42")
        assert t.wait() == 3
    assert ended(place, "desk")["last_exit"]["code"] == 3


def test_the_tree_is_gone_after_a_stop(place):
    sleeper = f"sleep {os.getpid()}"  # of this run alone: it may have one beside it
    start(place, "--name", "family", "base", "sh", "-c",
          f"trap '' TERM; {sleeper} & setsid {sleeper} & trap - TERM; echo up; wait")
    until(lambda: audit.commands([sleeper]) == [sleeper] * 2)
    until(lambda: log(place, "family") == ["up"])
    place.run("container", "rm", "-f", "family")
    assert not listed(place) and not audit.commands([sleeper])


@pytest.mark.parametrize("words, status, told", [
    (["127.0.0.1:1/nothing"], 1, "nothing"),
    (["--name", "a b", "base"], 2, "--name"),
    (["-v", "./missing:/x", "base"], None, "missing"),
    (["-u", "nobody-here", "base", "true"], None, "nobody-here"),
    (["-p", "80x:80", "base"], 2, "--publish"),
])
def test_what_cannot_start_leaves_nothing(place, words, status, told):
    result = place.attempt("container", "run", "-d", *words)
    assert result.status != 0 and status in (None, result.status), str(result)
    assert told in result.err and not result.out, str(result)
    assert not listed(place)
