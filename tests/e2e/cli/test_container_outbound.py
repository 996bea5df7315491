"""The way out of a container's network: pasta, slirp4netns, or none and why.

In a network namespace that the test makes: there is an address on a link with the default route,
which the way out takes over, and another with a server, which stands for the world.
"""

import os
import shutil
import subprocess
import textwrap

import pytest

from support import audit, images
from support.sandbox import STARTED
from support.waiting import until

WORLD = """
    mount -t tmpfs tmpfs /etc/apt
    printf 'nameserver 127.0.0.53\\noptions timeout:1\\n' > /etc/apt/resolv.conf
    mount --bind /etc/apt/resolv.conf "$(readlink -f /etc/resolv.conf)"
    ip link set lo up
    ip link add link0 type bridge
    ip address add 10.77.0.2/24 dev link0
    ip address add 10.78.0.1/32 dev lo
    ip link set link0 up
    ip route add default via 10.77.0.1
    cd {folder}
    exec python3 -m http.server --bind 10.78.0.1 8000
"""
PROJECT = """
    [services.web]
    image = "base"
    command = 'exec httpd -f -p "127.0.0.1:$PORT" -h /srv/www'

    [services.cut-off]
    image = "base"
    command = 'exec sleep 1000'
    type = "worker"
    network = "none"
"""
# The page is enough: an end of the connection that a way out loses is not waited for.
ASK = (
    'printf "GET /page HTTP/1.0\\r\\n\\r\\n" | timeout 3 nc -w 5 10.78.0.1 8000 >/tmp/page 2>/dev/null & '
    'until grep "the world" /tmp/page || ! kill -0 $!; do sleep 0.05; done 2>/dev/null'
)


@pytest.fixture
def world(tmp_path):
    """The pid of a process whose mount and network namespace are the test's own."""
    if os.getuid() != 0:
        pytest.skip("only root makes a network namespace with links")
    (tmp_path / "page").write_text("the world\n", encoding="utf-8")
    script = textwrap.dedent(WORLD).format(folder=tmp_path)
    process = subprocess.Popen(
        ["unshare", "--net", "--mount", "sh", "-ec", script],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    STARTED.add(process.pid)
    inside = ["nsenter", "--net", "--mount", f"--target={process.pid}"]

    def serves():
        assert process.poll() is None, process.stderr.read().decode()
        table = subprocess.run([*inside, "cat", "/proc/net/tcp"], stdout=subprocess.PIPE)
        return b":1F40 " in table.stdout

    until(serves)
    yield process.pid
    process.kill()
    process.wait()
    STARTED.discard(process.pid)


@pytest.fixture
def entered(world, locald, sandbox_of, tmp_path):
    """A sandbox in there, whose programs are found in a folder that the test fills."""
    program = tmp_path / "locald"
    program.write_text(
        f'#!/bin/sh\nexec nsenter --net --mount --target={world} --wdns="$PWD" {locald} "$@"\n', encoding="utf-8")
    program.chmod(0o755)
    sandbox = sandbox_of(program)
    tar = images.busybox_tar(sandbox.root / "base.tar")
    sandbox.run("image", "import", str(tar), "base")
    return sandbox


def hide(world, program):
    """Makes an installed program unusable in the test's mount namespace."""
    path = shutil.which(program)
    if path:
        subprocess.run(["nsenter", "--mount", f"--target={world}",
                        "mount", "--bind", "/dev/null", path], check=True)


def inside(project, service, script):
    return project.attempt("exec", service, "--", "sh", "-c", script)


def way_out(sandbox):
    checks = sandbox.attempt("doctor", "--json").json["checks"]
    return next(check for check in checks if check["id"] == "container.network")


def programs(sandbox, name):
    """{pid: command} of the ways out of the sandbox's containers: they name the container's process,
    whose parent is a shim of ours."""
    names = ("pasta", "passt") if name == "pasta" else (name,)
    table, found = audit.processes(), {}
    for process in table.values():
        if process.name.startswith(names):
            words = [int(word) for word in process.command().split() if word.isdigit()]
            parents = [table.get(table[pid].parent) for pid in words if pid in table]
            if any(parent and parent.tag() == sandbox.tag for parent in parents):
                found[process.pid] = process.command()
    return found


def ask(project, *arguments):
    """The page of the world, which may be slow but must come."""
    return until(lambda: "the world" in project.attempt(*arguments, "--", "sh", "-c", ASK).out,
                 timeout=40, what="the page of the world")


@pytest.mark.parametrize("program, hidden", [("pasta", "slirp4netns"), ("slirp4netns", "pasta")])
def test_the_world_is_reached(world, entered, program, hidden):
    if not shutil.which(program) or not os.path.exists("/dev/net/tun"):
        pytest.skip(f"there is no {program}, or no /dev/net/tun")
    hide(world, hidden)
    assert program in way_out(entered)["text"]
    project = entered.project(PROJECT)
    project.up()
    ask(project, "exec", "web")
    assert "the world" not in inside(project, "cut-off", ASK).out
    # The resolver on the host's loopback is asked at an address of the way out.
    servers = [line.split()[1] for line in inside(project, "web", "cat /etc/resolv.conf").out.splitlines()
               if line.startswith("nameserver")]
    assert servers == ["169.254.1.1" if program == "pasta" else "10.0.2.3"]
    assert "timeout:1" in inside(project, "web", "cat /etc/resolv.conf").out
    # Nothing of the host's loopback is reached by way of the gateway.
    port = entered.proxy_port()
    look = f"(echo | timeout 2 nc -w 1 $at {port} | grep -q HTTP && echo reached $at) &"
    all_of_them = f"for at in 10.77.0.1 10.77.0.2 10.0.2.2; do {look} done; wait; echo looked"
    assert inside(project, "web", all_of_them).out == "looked\n"
    assert len(programs(entered, program)) == 1
    # It ends with its container, however that ends.
    project.run("restart", "web")
    ask(project, "exec", "web")
    seen = programs(entered, program)
    assert len(seen) == 1, seen
    os.kill(project.service("web")["pid"], 9)
    until(lambda: project.service("web")["ready"] and project.service("web")["run"] > 2)
    seen |= programs(entered, program)
    assert len(seen) == 2 and len(programs(entered, program)) == 1, seen
    ask(project, "run", "web")
    project.run("stop")
    until(lambda: not seen.keys() & audit.processes().keys(), what=seen)


def test_without_a_way_out_the_reason_is_told(world, entered):
    for program in ("pasta", "slirp4netns"):
        hide(world, program)
    check = way_out(entered)
    assert check["level"] == "limited" and "apt-get install passt" in check["fix"], check
    project = entered.project(PROJECT)
    project.up()
    assert "the world" not in inside(project, "web", ASK).out
    assert "nameserver" not in inside(project, "web", "cat /etc/resolv.conf").out
    project.run("stop")
