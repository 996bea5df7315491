"""TCP into, out of and between containers that have a network of their own, beside plain loopback."""

import os
import pathlib
import socket
import statistics
import subprocess
import time

from measure import Table
from support import images
from support.sandbox import Sandbox

ROUNDS = 3
HELPERS = 30
PROJECT = """
[services.plain]
command = "exec {program} serve $PORT"

[services.inside]
image = "base"
command = "exec tcp-paths serve $PORT"

[services.other]
image = "base"
command = "exec tcp-paths serve $PORT"
"""


def figures(text):
    return [float(word) for word in text.split()]


def bench(build):
    sandbox = Sandbox(build / "src/cli/locald")
    try:
        program = sandbox.root / "tcp_paths"
        subprocess.run(["cc", "-O2", "-static", "-w", "-o", str(program),
                        str(pathlib.Path(__file__).with_name("tcp_paths.c"))],
                       check=True, stderr=subprocess.PIPE)
        tar = images.busybox_tar(sandbox.root / "base.tar", extra={"tcp-paths": program})
        sandbox.run("image", "import", str(tar), "base")
        project = sandbox.project(PROJECT.format(program=program))
        project.run("up")
        ports = {name: str(service["port"]) for name, service in project.services().items()}
        outside = [str(program), "measure", "127.0.0.1"]
        inside = ["exec", "inside", "--", "tcp-paths", "measure"]
        paths = {
            "host to container": lambda: subprocess.run(
                [*outside, ports["inside"]], check=True, stdout=subprocess.PIPE, text=True).stdout,
            "container to host": lambda: project.run(*inside, "plain", ports["plain"]).out,
            "container to container": lambda: project.run(*inside, "other", ports["other"]).out,
            "loopback of the host": lambda: subprocess.run(
                [*outside, ports["plain"]], check=True, stdout=subprocess.PIPE, text=True).stdout,
        }
        found = {name: [] for name in paths}
        for _ in range(ROUNDS):
            for name, path in paths.items():
                found[name].append(figures(path()))
        columns = (("round trip", "us", False), ("connect and one byte", "us", False),
                   ("up", "Gbit/s", True), ("down", "Gbit/s", True))
        for at, (what, unit, more) in enumerate(columns):
            table = Table(f"network: {what}", "host to container", unit, digits=1,
                          more_is_better=more)
            table.figures = {name: statistics.median(row[at] for row in rows)
                            for name, rows in found.items()}
            yield table
        yield helpers(build, sandbox)
    finally:
        sandbox.shutdown()
        sandbox.remove()


def helpers(build, sandbox):
    """What it costs to have more sockets made inside."""
    name = next((sandbox.root / "run/locald/projects").iterdir()).stem
    argv = [str(build / "src/shim/locald-shim"), "--root", str(sandbox.root / "run/locald/containers"),
            "net", "--fd", "3", "--sockets"]
    table = Table("network: locald-shim net, start to exit", "128 sockets", "ms", digits=2)
    for count in ("128", "1"):
        samples = []
        for _ in range(HELPERS):
            samples.append(one_helper([*argv, count, f"{name}.inside"]))
        table.figures[f"{count} sockets"] = statistics.median(samples) * 1e3
    return table


def one_helper(argv):
    """Takes what it hands out, as the relay does."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)

    def place():
        os.dup2(theirs.fileno(), 3)

    began = time.perf_counter()
    process = subprocess.Popen(argv, preexec_fn=place, close_fds=False)
    theirs.close()
    while True:
        text, fds, _, _ = socket.recv_fds(ours, 65536, 16)
        for fd in fds:
            os.close(fd)
        if b'"end"' in text:
            ours.send(b'{"op":"ok"}')
            break
    assert process.wait() == 0
    ours.close()
    return time.perf_counter() - began
