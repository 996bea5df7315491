"""locald container run: containers of images outside of any project."""

import fcntl
import os
import re
import signal
import struct
import termios

import pytest

from support import web as http
from support.pty import Terminal
from support.waiting import until


def run(place, *words, **options):
    return place.attempt("container", "run", *words, **options)


def folders(place):
    return list((place.sandbox.root / "state/locald/containers").glob("container/*"))


def gone(place):
    until(lambda: not folders(place), what="the container's folder is removed")


def test_a_command(place):
    result = run(place, "--rm", "-e", "A=b c", "-e", "HERE", "-w", "/srv/www", "-u", "app", "--name", "my-box", "base",
                 "sh", "-c", 'pwd; id -un; hostname; echo "$A/$HERE"; exit 7', env={"HERE": "passed on"})
    assert result.status == 7, str(result)
    assert result.out.split("\n") == ["/srv/www", "app", "my-box", "b c/passed on", ""] and not result.err
    gone(place)


def test_the_entrypoint_can_be_another(place):
    assert run(place, "--entrypoint", "/bin/echo", "base", "-n", "--rm", "x").out == "--rm x"


def test_standard_input_is_passed_on_where_it_is_asked_for(place):
    for options, expected in (([], ""), (["-i"], "typed")):
        stdin = os.memfd_create("input")
        os.write(stdin, b"typed")
        os.lseek(stdin, 0, os.SEEK_SET)
        assert run(place, *options, "base", "cat", stdin=stdin).out == expected


def test_a_terminal_and_its_size(place):
    script = "stty size; trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done"
    with Terminal(place, "container", "run", "-it", "base", "sh", "-c", script, rows=30, columns=90) as t:
        t.expect("30 90")
        t.expect("up")
        fcntl.ioctl(t.master, termios.TIOCSWINSZ, struct.pack("HHHH", 41, 101, 0, 0))
        t.expect("41 101")
        t.type("\x03")
        assert t.wait() == 130
    gone(place)


def test_volumes(place):
    place.write("data/x", "seen\n")
    assert run(place, "-v", "./data:/data:ro", "base", "cat", "/data/x").out == "seen\n"
    assert run(place, "-v", "kept:/kept", "base", "sh", "-c", "echo more >> /kept/y").status == 0
    assert run(place, "-v", "kept:/kept", "base", "sh", "-c", "echo more >> /kept/y; cat /kept/y").out == "more\nmore\n"
    gone(place)
    place.run("volume", "rm", "container/kept")


def test_networks(place):
    script = "ls /sys/class/net; cat /proc/net/dev"
    alone = run(place, "--network", "none", "base", "sh", "-c", "cat /proc/net/dev").out
    names = re.findall(r"^ *(\S+):", alone, re.M)
    assert names == ["lo"], (names, script)
    with open("/proc/net/dev", encoding="utf-8") as dev:
        host = re.findall(r"^ *(\S+):", dev.read(), re.M)
    shared = run(place, "--network", "host", "base", "sh", "-c", "cat /proc/net/dev").out
    assert re.findall(r"^ *(\S+):", shared, re.M) == host


def test_a_published_port(place):
    port = http.free_port()
    process = place.popen("container", "run", "-p", f"{port}:80", "base", "httpd", "-f", "-p", "80", "-h", "/srv/www")
    try:
        def answer():
            try:
                return http.get(f"http://127.0.0.1:{port}", "/").text
            except (OSError, AssertionError):
                return None

        assert until(answer, timeout=30) == "hello from a container\n"
        before = place.sandbox.relay_pid()
        os.kill(before, signal.SIGKILL)
        until(lambda: place.sandbox.relay_pid() not in (None, before), what="there is another relay")
        assert until(answer, timeout=30)
    finally:
        process.terminate()
        place.sandbox.finish(process)
    gone(place)


def test_an_image_is_pulled(place, registry):
    reference = registry.push("tests/oneoff", "1", (place.sandbox.root / "base.tar").read_bytes())
    result = run(place, reference, "echo", "pulled")
    assert (result.status, result.out) == (0, "pulled\n"), str(result)
    gone(place)


@pytest.mark.parametrize("words, status, told", [
    (["127.0.0.1:1/nothing"], 1, "nothing"),
    (["--name", "a b", "base"], 2, "--name"),
    (["-p", "http:80", "base"], 2, "--publish"),
    (["-p", "8080:80", "--network", "host", "base"], 2, "private"),
    (["-v", "../x:/x", "base"], 2, "`..`"),
    (["-v", "./missing:/x", "base"], None, "missing"),
    (["-t", "base"], 2, "no terminal"),
    (["--network", "bridge", "base"], 2, "bridge"),
    (["base", "no-such-command"], 127, "no-such-command"),
    ([], 2, "IMAGE"),
])
def test_what_is_refused(place, words, status, told):
    result = run(place, *words)
    assert result.status != 0 and status in (None, result.status), str(result)
    assert told in result.err and not result.out, str(result)
    gone(place)
